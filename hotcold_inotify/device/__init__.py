"""One device: its watch, its hot folders, its playlists. No device waits for another."""

from hotcold_inotify.device.device import Device
from hotcold_inotify.device.hearing import Hearing

__all__ = ["Device", "Hearing"]
