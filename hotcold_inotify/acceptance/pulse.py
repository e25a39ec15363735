"""Ask each /healthz once a second, for as long as the look takes."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

from hotcold_inotify.acceptance.asking import Client
from hotcold_inotify.checklist.steadiness import Health

_EVERY: Final = 1.0
PATH: Final = "/healthz"


class Pulse:
    """From its making until `end`, in a thread."""

    def __init__(self, clients: Sequence[tuple[str, Client | None]]) -> None:
        """Who is asked, and by which client; None: there is no address to ask."""
        self._clients = clients
        self._times = 0
        self._bad: dict[str, list[str]] = {who: [] for who, _ in clients}
        self._ends = threading.Event()
        # A future keeps what went wrong in the thread until it is asked for its result.
        self._threads = ThreadPoolExecutor(1)
        self._running = self._threads.submit(self._run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ends.set()
        self._threads.shutdown()
        for _, client in self._clients:
            if client is not None:
                client.close()

    def end(self) -> list[Health]:
        """What was said."""
        self._ends.set()
        self._running.result()
        return [
            Health(who, None if client is None else f"{client.base}{PATH}", self._times, tuple(self._bad[who]))
            for who, client in self._clients
        ]

    def _run(self) -> None:
        while True:
            for who, client in self._clients:
                if client is not None:
                    self._ask(who, client)
            self._times += 1
            if self._ends.wait(_EVERY):
                return

    def _ask(self, who: str, client: Client) -> None:
        # A process that is not there is told of once, here, and not as many requests that were lost.
        answer = client.get(PATH, logged=not self._bad[who])
        if answer is None:
            self._bad[who].append("no answer")
        elif answer.status != 200:
            self._bad[who].append(answer.reason)
