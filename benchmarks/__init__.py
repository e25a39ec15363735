"""What hotcold_inotify costs, measured: `python -m benchmarks`, and scripts for single questions."""
