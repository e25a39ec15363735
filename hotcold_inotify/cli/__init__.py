"""The command line: argv in, exit code out. 0 is fine, 1 something found or failed, 2 usage or configuration."""

from hotcold_inotify.cli.main import main

__all__ = ["main"]
