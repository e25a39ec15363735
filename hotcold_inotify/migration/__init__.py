"""From the old layout, in which all kinds lie in two mixed folders, to hot and cold, and back: beside writers, readers
and a reactor, by a rename a file. See docs/adr/0015-migration.md.
"""

from hotcold_inotify.disk.mixed import MigrationHeld, alone
from hotcold_inotify.migration.moving import migrate
from hotcold_inotify.migration.outcome import Moved
from hotcold_inotify.migration.planning import DevicePlan, KindPlan, plan
from hotcold_inotify.migration.undoing import Undone, undo

__all__ = ["DevicePlan", "KindPlan", "MigrationHeld", "Moved", "Undone", "alone", "migrate", "plan", "undo"]
