"""The API and the page: see now, see the day, play the hour. It reads the folders and keeps nothing: the folder is the
interface.
"""

from hotcold_inotify.web.app import create_app
from hotcold_inotify.web.serving import CannotServe, Serving

__all__ = ["CannotServe", "Serving", "create_app"]
