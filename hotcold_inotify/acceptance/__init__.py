"""Hold a running host against the checklist: watch it, ask it, let `checklist` judge. It changes nothing."""

from hotcold_inotify.acceptance.about import About
from hotcold_inotify.acceptance.asking import NoToken
from hotcold_inotify.acceptance.examining import Report, accept
from hotcold_inotify.acceptance.pictures import Picture

__all__ = ["About", "NoToken", "Picture", "Report", "accept"]
