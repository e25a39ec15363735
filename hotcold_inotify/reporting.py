"""What the service manager hears of the reactor: when it is ready, how it does, and that its loop still turns."""

from collections.abc import Callable

import attrs
import trio

from hotcold_inotify.logs import Troubles
from hotcold_inotify.readiness import Manager

# The manager hears of us this often; more often if its watchdog is less patient. Seconds.
_TOLD = 5.0
# Microseconds that a start or a reload may still take. Told again and again while the loop turns: a large backlog is no
# failure, and neither is one device's dead disk, for which no other device is to be stopped.
_MORE_TIME = 60_000_000


@attrs.define
class Reporting:
    """Tells `manager`. `run` it beside what it tells of."""

    manager: Manager
    status: Callable[[], str]
    """How it goes, in plain words."""
    problem: Callable[[], str | None]
    """Why it is not healthy; the watchdog is fed only while there is no reason."""
    ready: Callable[[], bool]
    troubles: Troubles

    async def run(self) -> None:
        """Tell it how it goes until cancelled; nothing to do where there is no manager."""
        if not self.manager.address:
            return
        pause = _TOLD if self.manager.watchdog is None else min(_TOLD, self.manager.watchdog / 4)
        before = ""
        while True:
            lines = []
            if (said := self.status()) != before:
                before = said
                lines.append(f"STATUS={said}")
            if not self.ready():
                lines.append(f"EXTEND_TIMEOUT_USEC={_MORE_TIME}")
            if self.problem() is None:
                lines.append("WATCHDOG=1")
            await self.tell(*lines)
            await trio.sleep(pause)

    async def tell(self, *lines: str) -> None:
        """Send lines of sd_notify(3) now; that they cannot be sent is logged when it begins, and when it ends."""
        if await self.manager.tell(*lines):
            self.troubles.ends("manager", "the service manager is told again")
        else:
            self.troubles.begins("manager", "ECOMM", "the service manager cannot be told", socket=self.manager.address)
