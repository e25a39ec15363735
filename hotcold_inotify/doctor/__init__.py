"""Look a host over: gather the facts that `prognosis` judges. It reads, and changes nothing."""

from hotcold_inotify.doctor.examining import Report, examine
from hotcold_inotify.doctor.host import Host
from hotcold_inotify.doctor.whom import NoSuchUser

__all__ = ["Host", "NoSuchUser", "Report", "examine"]
