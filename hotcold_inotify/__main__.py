"""`python -m hotcold_inotify` is the `hotcold` command."""

from hotcold_inotify.cli import main

main()
