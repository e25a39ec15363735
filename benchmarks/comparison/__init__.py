"""What the reactor costs beside those who do the same: polling, watchdog, inotifywait, and a floor in C."""
