"""Times as requests and answers write them: RFC 3339 with the offset of the configuration's zone, to milliseconds."""

import math
import re
from collections.abc import Sequence
from datetime import datetime

from hotcold_inotify.hours import Zone

_SECONDS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?", re.ASCII)
# Offsets change at whole minutes, so one rendering serves a minute.
_MINUTE_MS = 60_000


class Moments:
    """Unix seconds <-> text in one zone."""

    def __init__(self, zone: Zone) -> None:
        """`zone` as from `hours.zone`."""
        self._zone = zone

    def text(self, at: float) -> str:
        """`2026-11-23T09:04:09.123+01:00`; a time outside of the years 1 to 9999 becomes the nearest inside."""
        return self.texts((at,))[0]

    def texts(self, times: Sequence[float]) -> list[str]:
        """The same for many times, a minute's date being rendered once."""
        rendered: dict[int, tuple[str, str]] = {}
        made = []
        for at in times:
            minute, rest = divmod(math.floor(at * 1000), _MINUTE_MS)
            around = rendered.get(minute)
            if around is None:
                around = rendered[minute] = self._around(minute * 60)
            made.append(f"{around[0]}{rest / 1000:06.3f}{around[1]}")
        return made

    def _around(self, second: int) -> tuple[str, str]:
        """What stands before and behind the seconds of a minute."""
        # A foreign file may bear any mtime; a listing with it in is answered all the same.
        second = min(max(second, -62_000_000_000), 253_000_000_000)
        at = datetime.fromtimestamp(second, self._zone) if self._zone else datetime.fromtimestamp(second).astimezone()
        text = at.isoformat(timespec="minutes")
        return f"{text[:16]}:", text[16:22]


def parse_moment(text: str) -> float:
    """Unix seconds of RFC 3339 text with an offset, or of a number of seconds; ValueError says what is wrong."""
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        # A `+` that nobody escaped in a query arrives as a space.
        at = datetime.fromisoformat(re.sub(r" (?=[0-9]{2}:[0-9]{2}$)", "+", text))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("expected a time such as 2026-11-23T09:04:09+01:00, or seconds since 1970")
    return at.timestamp()
