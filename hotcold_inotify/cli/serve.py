"""`hotcold serve`: the API and the page, until SIGTERM or SIGINT."""

import os
import signal

import structlog
import trio

from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.config import Config
from hotcold_inotify.readiness import Manager
from hotcold_inotify.web import CannotServe, Serving


def run(config: Config) -> None:
    """Serve; `Failed` when an address cannot be served."""
    try:
        serving = Serving(config)
    except CannotServe as error:
        raise Failed(str(error)) from error
    trio.run(_run, serving)


async def _run(serving: Serving) -> None:
    log = structlog.get_logger()
    manager = Manager.from_environment(os.environ)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serving.run, lambda addresses: log.info("serving", at=" ".join(addresses)))
            # The sockets are open since before: who connects from now on is answered.
            await manager.tell("READY=1", f"STATUS=serving at {' '.join(serving.addresses)}")
            if manager.watchdog is not None:
                nursery.start_soon(_feed, manager, manager.watchdog / 4)
            async for _signal in signals:
                await manager.tell("STOPPING=1", "STATUS=stopping")
                nursery.cancel_scope.cancel()
                break
    log.info("stopped")


async def _feed(manager: Manager, pause: float) -> None:
    while True:
        await manager.tell("WATCHDOG=1")
        await trio.sleep(pause)
