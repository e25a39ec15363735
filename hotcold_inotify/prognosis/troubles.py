"""Everything that can be found on a host, in plain words, how bad it is, and why it matters."""

from enum import Enum

import attrs


class Severity(Enum):
    """How bad it is; the value is what an operator reads."""

    BROKEN = "broken"
    WILL_BREAK = "will break"
    NOTE = "worth knowing"

    @property
    def fails(self) -> bool:
        """Whether something has to be done; else it is information."""
        return self is not Severity.NOTE


class Trouble(Enum):
    """What can be found; the member's name is what JSON calls it."""

    INSTANCES = (
        Severity.BROKEN,
        "too few inotify instances",
        "a device without one is looked at every two seconds instead of at once",
    )
    WATCHES = (
        Severity.BROKEN,
        "too few inotify watches",
        "a folder without one is looked at every two seconds instead of at once",
    )
    QUEUE = (
        Severity.WILL_BREAK,
        "a short inotify queue",
        "each time that it is full, whole folders are looked through",
    )
    DESCRIPTORS = (Severity.WILL_BREAK, "too few open files", "folders cannot be opened, and fill up")
    TWO_MOUNTS = (
        Severity.WILL_BREAK,
        "hot and cold are two mounts of one disk",
        "rename(2) between them is refused (EXDEV), and every file is copied",
    )
    READ_ONLY = (Severity.BROKEN, "mounted read-only", "no file can be moved, and none expires")
    NO_EVENTS = (
        Severity.NOTE,
        "a file system that others write past this kernel",
        "what they write raises no inotify event here: it is found by a look every two seconds",
    )
    NO_FLAGS = (
        Severity.NOTE,
        "a file system without RENAME_NOREPLACE",
        "a file is moved by link and unlink, and an hour is emptied file by file: slower, but nothing is overwritten",
    )
    NOT_OURS = (
        Severity.BROKEN,
        "folders that the service cannot use",
        "its files stay hot, or do not expire (EACCES)",
    )
    STICKY = (
        Severity.BROKEN,
        "files of another user in a sticky folder",
        "only their owner may move them (EPERM): they stay hot",
    )
    IMMUTABLE = (Severity.BROKEN, "a folder that may not change (chattr)", "no file may leave or enter it (EPERM)")
    CLOCK = (Severity.BROKEN, "a clock that cannot be right", "nothing expires, and the disk fills")
    CLOCK_FREE = (
        Severity.NOTE,
        "a clock that nobody keeps right",
        "it drifts; when somebody sets it by more than a minute, nothing expires for ten minutes",
    )
    FUTURE = (
        Severity.WILL_BREAK,
        "files from the future",
        "a file goes to the hour of its own mtime: these go to one that has not begun",
    )
    FULL_NOW = (Severity.BROKEN, "the disk is almost full now", "what is recorded when it is full is lost")
    WILL_NOT_FIT = (
        Severity.WILL_BREAK,
        "the retention does not fit the disk",
        "the disk fills before anything expires, and what is recorded then is lost",
    )
    GOES_EARLY = (
        Severity.NOTE,
        "the retention does not fit the disk",
        "[pressure] is on: the oldest hours go before their time",
    )
    LIST_TOO_LONG = (
        Severity.BROKEN,
        "the live playlist is as long as the hot folder",
        "it lists a segment that has just moved, and players get a 404",
    )
    DELETES = (
        Severity.BROKEN,
        "ffmpeg deletes segments itself",
        "it races the reactor: what it deletes is in no hour",
    )
    NOT_ATOMIC = (
        Severity.WILL_BREAK,
        "files that have their name before they are complete",
        "readers get a part of them, and a killed ffmpeg leaves one for good",
    )
    NUMBERS = (
        Severity.NOTE,
        "numbers that begin anew at each start",
        "names are taken by then: a newcomer gets a revision, as in segment_000000012_r1.ts",
    )
    STRANGE_NAMES = (
        Severity.BROKEN,
        "ffmpeg writes names that the kind's pattern does not know",
        "they are nobody's: they stay hot for ever",
    )
    MIXED = (
        Severity.WILL_BREAK,
        "ffmpeg writes into the old mixed folders",
        "a migration is under way: these files do not move to their hours, or as another kind's",
    )
    RIVAL_PROCESS = (
        Severity.WILL_BREAK,
        "a process that may move or delete recordings",
        "what it takes away is missing from its hour and its playlist",
    )
    RIVAL_JOB = (
        Severity.WILL_BREAK,
        "a job that may move or delete recordings",
        "what it takes away is missing from its hour and its playlist",
    )
    NO_REACTOR = (Severity.BROKEN, "files come, and no reactor runs", "hot folders grow, and nothing expires")
    OTHER_ROOT = (Severity.BROKEN, "the reactor runs on another root", "here hot folders grow, and nothing expires")
    UNWELL = (Severity.BROKEN, "the reactor says that it is not well", "see what it says")
    DEAF = (Severity.WILL_BREAK, "the reactor's metrics do not answer", "no alert will tell when something is wrong")

    def __init__(self, severity: Severity, text: str, why: str) -> None:
        self.severity = severity
        self.text = text
        self.why = why


@attrs.frozen
class Finding:
    """One thing that was found. `detail`: the figures or the line; `remedy`: a command or a line of configuration."""

    trouble: Trouble
    where: str
    detail: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.trouble.text} ({self.detail})"

    def plain(self) -> dict[str, object]:
        """For JSON."""
        return {
            "what": self.trouble.name.lower(),
            "severity": self.trouble.severity.name.lower(),
            "text": self.trouble.text,
            "where": self.where,
            "detail": self.detail,
            "why": self.trouble.why,
            "remedy": self.remedy,
        }
