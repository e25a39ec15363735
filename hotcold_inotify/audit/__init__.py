"""Hold the folders against the promises: `recover` at start, `check` and `repair` when they are asked for."""

from hotcold_inotify.audit.checking import Report, check
from hotcold_inotify.audit.mending import repair
from hotcold_inotify.audit.recovery import recover

__all__ = ["Report", "check", "recover", "repair"]
