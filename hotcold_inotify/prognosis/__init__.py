"""What would go wrong on a host: facts about it go in, findings with their remedies come out.

How the facts are gathered is the business of `doctor`. Nothing here looks at the machine.
"""

from hotcold_inotify.prognosis.troubles import Finding, Severity, Trouble

__all__ = ["Finding", "Severity", "Trouble"]
