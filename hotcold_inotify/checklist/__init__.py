"""The acceptance of a host: what was observed on it goes in, the lines of the checklist with their verdicts come out.

How it is observed is the business of `acceptance`. Nothing here looks at the machine.
"""

from hotcold_inotify.checklist.verdicts import Item, Line, Point, Verdict, worst

__all__ = ["Item", "Line", "Point", "Verdict", "worst"]
