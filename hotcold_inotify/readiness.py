"""What the service manager is told: sd_notify(3), a few lines of text to a Unix datagram socket.

Written here because it is so little. The libraries for it send with a call that blocks, or bind to libsystemd, which
then must be there to build.
"""

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping
from typing import Self

import attrs
import trio

# Seconds for which a manager that does not read is waited for.
_PATIENCE = 1.0


@attrs.frozen
class Manager:
    """Whoever started this process and wants to hear how it does; by default nobody, and telling does nothing."""

    address: str = ""
    """A path, or `@name` of an abstract socket."""
    watchdog: float | None = None
    """Seconds within which it wants to hear `WATCHDOG=1` again; None: it does not."""

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> Self:
        """The one that `environ` names, and take its variables out: no child speaks for this process."""
        address = environ.pop("NOTIFY_SOCKET", "")
        interval = environ.pop("WATCHDOG_USEC", "")
        ours = environ.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        watchdog = int(interval) / 1e6 if address and ours and interval.isdecimal() and int(interval) else None
        return cls(address if address.startswith(("/", "@")) else "", watchdog)

    async def tell(self, *lines: str) -> bool:
        """Send one message of these lines, such as `READY=1`; False: it could not be sent."""
        if not self.address or not lines:
            return True
        path = os.fsencode(self.address)
        to = b"\0" + path[1:] if path.startswith(b"@") else path
        message = "\n".join(line.replace("\n", " ") for line in lines).encode("utf-8", "backslashreplace")
        with trio.move_on_after(_PATIENCE), contextlib.suppress(OSError):
            with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                await sock.sendto(message, to)
            return True
        return False

    async def tell_reloading(self) -> bool:
        """The configuration is being read again; `READY=1` must follow, whatever becomes of it."""
        return await self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
