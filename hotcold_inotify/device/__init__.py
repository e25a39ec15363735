"""One device: its watch, its hot folders, its playlists. No device waits for another."""

from hotcold_inotify.device.device import Device

__all__ = ["Device"]
