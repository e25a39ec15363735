"""Which devices of a root there are, looked at when its names change, and every few seconds in any case."""

import errno
import os
from collections.abc import Mapping
from typing import Final

import trio

from hotcold_inotify.config import Config
from hotcold_inotify.disk import Home, errno_name, find_devices
from hotcold_inotify.logs import logger
from hotcold_inotify.watch import Changes

# An absolute path is not under the root, and nothing tells of it.
_AT_LEAST: Final = 2.0
# A burst of changed names is one look.
_SETTLE: Final = 0.1


class Discovery:
    """The devices of one configuration. `close` it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._log = logger()
        self._warned: tuple[str, ...] = ()
        self._changes = self._watched()

    def close(self) -> None:
        """End the watch."""
        if self._changes is not None:
            self._changes.close()

    async def look(self, known: Mapping[str, Home]) -> Mapping[str, Home]:
        """The devices that are there now, by name; those that are `known` where the root cannot be listed. What is
        wrong with the list is logged when that changes.
        """
        try:
            found, wrong = await trio.to_thread.run_sync(find_devices, self._config, abandon_on_cancel=True)
        except OSError as error:
            # A root that is unmounted for a moment: keep what is served, each device says for itself what it cannot do.
            found, wrong = dict(known), (f"cannot list {self._config.root}: {errno_name(error)}",)
        if wrong != self._warned:
            self._warned = wrong
            for text in wrong:
                self._log.warning(text)
        return found

    async def wait(self) -> None:
        """Until it is time for the next look."""
        with trio.move_on_after(_AT_LEAST):
            if self._changes is None:
                await trio.sleep_forever()
            await self._changes.wait()
        await trio.sleep(_SETTLE)

    def _watched(self) -> Changes | None:
        paths = [self._config.root]
        if self._config.active_captures:
            paths.append(os.path.dirname(self._config.active_captures))
        try:
            return Changes(paths)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENOSPC, errno.ENOMEM):
                raise
            self._log.error(
                "no inotify for the root, new devices are looked for every few seconds; "
                "raise fs.inotify.max_user_instances (EMFILE) or max_user_watches (ENOSPC)",
                errno=errno_name(error),
            )
            return None
