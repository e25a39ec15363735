"""The only caller of file operations that change anything: lay out, list, archive, retire, empty, trim, and the
playlists' bytes.

The rules that it keeps: nothing is ever overwritten (I2), a file is moved by one rename or by copy, rename, unlink in
that order (I1), and nothing but `expiry` unlinks a finished file (I6). Errors come as OSError with the errno of the
call that failed.
"""

from hotcold_inotify.disk.archiving import Archived, NotAtHand, NotRegular, archive, remove_unfinished
from hotcold_inotify.disk.errnos import SURVIVED, errno_name
from hotcold_inotify.disk.expiry import Due, Expired, empty_rooms, rooms, trim
from hotcold_inotify.disk.folder import Folder
from hotcold_inotify.disk.hourplaylist import Changed, HourPlaylist
from hotcold_inotify.disk.layout import Home, find_device, find_devices, home
from hotcold_inotify.disk.lending import Lent
from hotcold_inotify.disk.listing import Listing, Scan, expected, generation_of, list_hot, list_slot
from hotcold_inotify.disk.liveplaylist import LIVE_PLAYLIST, read_live
from hotcold_inotify.disk.renaming import rename_new
from hotcold_inotify.disk.rootlock import RootHeld, RootLock, holder
from hotcold_inotify.disk.slots import PLAYLIST, SLOT_NAMES, Place, Slots

__all__ = [
    "LIVE_PLAYLIST",
    "PLAYLIST",
    "SLOT_NAMES",
    "SURVIVED",
    "Archived",
    "Changed",
    "Due",
    "Expired",
    "Folder",
    "Home",
    "HourPlaylist",
    "Lent",
    "Listing",
    "NotAtHand",
    "NotRegular",
    "Place",
    "RootHeld",
    "RootLock",
    "Scan",
    "Slots",
    "archive",
    "empty_rooms",
    "errno_name",
    "expected",
    "find_device",
    "find_devices",
    "generation_of",
    "holder",
    "home",
    "list_hot",
    "list_slot",
    "read_live",
    "remove_unfinished",
    "rename_new",
    "rooms",
    "trim",
]
