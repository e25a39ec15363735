"""What the reactor costs beside those who do the same: polling, watchdog, inotifywait, incron, and a floor in C."""
