"""ffmpeg's live playlist in a hot folder: read only, and written by others at any moment."""

import os

from hotcold_inotify import playlist
from hotcold_inotify.disk.errnos import SURVIVED
from hotcold_inotify.disk.folder import Folder

LIVE_PLAYLIST = "output.m3u8"
# Bytes that are read of it: ffmpeg's has a few hundred.
_BYTES = 1 << 20


def read_live(folder: Folder) -> playlist.Playlist | None:
    """What it says; None when it is not there, is no file, or was cut short by an encoder that was killed."""
    try:
        fd = os.open(LIVE_PLAYLIST, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder.hot_fd)
        try:
            text = os.read(fd, _BYTES).decode("utf-8", "replace")
        finally:
            os.close(fd)
        return playlist.parse(text)
    except OSError as error:
        if error.errno not in SURVIVED:  # EISDIR: a folder has its name; EAGAIN: a FIFO
            raise
        return None
    except playlist.PlaylistError:
        return None
