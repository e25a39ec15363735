"""The nursery over all devices of a root: configuration that is read again, signals, the metrics endpoint, and what the
service manager is told.

One reactor a root. Devices come and go without touching each other. What is not a named error is a bug and ends the
process: the service manager starts it again, and the look at start repairs.
"""

import os
import resource
import signal
from collections.abc import Callable
from functools import partial

import attrs
import trio
from prometheus_client import CollectorRegistry, make_asgi_app

from hotcold_inotify import audit, endpoint, hours
from hotcold_inotify.background import Background
from hotcold_inotify.brake import Brake
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, ConfigError
from hotcold_inotify.device import Device, Hearing
from hotcold_inotify.discovery import Discovery
from hotcold_inotify.disk import Home, RootHeld, RootLock
from hotcold_inotify.hours import Calendar
from hotcold_inotify.logs import Troubles, logger
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.readiness import Manager
from hotcold_inotify.relief import Relief
from hotcold_inotify.reporting import Reporting
from hotcold_inotify.rotation import Rotation

# The clocks are looked at this often, whatever expires.
_CLOCK = 10.0
# A loop that has not come round for so long hangs; a sweep comes every two seconds.
_STALLED = 15.0


class CannotStart(Exception):
    """The reactor cannot run on this root; the text says why and what to do."""


@attrs.define
class _Running:
    """A device that is served: where it lives, its loop, the scope that ends it, and whether it is within its limits
    yet.
    """

    home: Home
    device: Device
    scope: trio.CancelScope
    served: trio.Event


class Reactor:
    """Run with `run`; one object runs once."""

    def __init__(
        self,
        config: Config,
        *,
        registry: CollectorRegistry,
        clock: Clock | None = None,
        reload: Callable[[], Config] | None = None,
        heed_signals: bool = True,
        manager: Manager | None = None,
    ) -> None:
        """`reload` reads the configuration again on SIGHUP, raising ConfigError if it is bad; None: SIGHUP changes
        nothing.

        `heed_signals`: whether SIGTERM, SIGINT and SIGHUP are this object's to answer; else it ends by cancellation.

        `manager`: the service manager; None: the one that the environment names, if the signals are ours to answer.
        """
        self.config = config
        self.registry = registry
        self._clock = clock or Clock()
        self._reload = reload
        self._heed_signals = heed_signals
        self._instruments = Instruments(registry)
        self._brake = Brake()
        self._background = Background()
        self._running: dict[str, _Running] = {}
        self._leaving: set[str] = set()  # not gone yet: a device that comes back under such a name waits for a look
        self._turn = trio.CancelScope()  # ends the present configuration's turn, of which there may be several
        self._metrics: endpoint.Server | None = None
        self._started = False
        self._ready = False  # every device of the present configuration is served
        self._looked_at: float | None = None  # trio's time of the last look at which devices are there
        self._ended = False
        self._next = config
        self._log = logger()
        self._reporting = Reporting(
            manager or (Manager.from_environment(os.environ) if heed_signals else Manager()),
            status=self.status,
            problem=self.problem,
            ready=lambda: self._ready,
            troubles=Troubles(self._log),
        )

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until SIGTERM or SIGINT, or until cancelled; started when every device is watched and within its
        limits.

        CannotStart: the root is missing or another reactor's, or the metrics address is taken.
        """
        _raise_descriptor_limit()
        self._lock = _locked(self.config.root)
        try:
            self._metrics = self._bound()
            # Around all of it: a signal between two configurations would else end the process. The metrics too outlive
            # the turns: a slow client must not hold up a new one.
            async with trio.open_nursery() as nursery:
                self._metrics.start(nursery)
                nursery.start_soon(self._reporting.run)
                if self._heed_signals:
                    await nursery.start(self._signals)
                while not self._ended:
                    await self._serve_devices(task_status)
                    if not self._ended:
                        self._renew(self._metrics)
                nursery.cancel_scope.cancel()
        finally:
            self._lock.close()
            if self._metrics is not None:
                self._metrics.close()

    @property
    def address(self) -> str | None:
        """Where the metrics are served, once `run` has started; None: nowhere."""
        return None if self._metrics is None else self._metrics.address

    def _bound(self) -> endpoint.Server:
        app = {"/metrics": make_asgi_app(self.registry), "/healthz": endpoint.health(self.problem)}

        def served(address: str) -> None:
            self._log.info("metrics served", address=f"{address}/metrics")

        try:
            return endpoint.Server(endpoint.routes(app), self.config.metrics.listen, served)
        except endpoint.CannotListen as error:
            raise _elsewhere(error) from error

    async def _serve_devices(self, task_status: trio.TaskStatus[None]) -> None:
        """Serve the devices by the configuration as it is, until `_turn` is cancelled."""
        with self._turn:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_clock)
                await nursery.start(self._devices)
                self._ready = True
                await self._reporting.tell("READY=1", f"STATUS={self.status()}")
                if not self._started:
                    self._started = True
                    task_status.started()
        self._turn = trio.CancelScope()

    def problem(self) -> str | None:
        """Why the reactor is not healthy, or None."""
        now = trio.current_time()
        stalled = sorted(name for name, running in self._running.items() if now - running.device.progress_at > _STALLED)
        if stalled:
            return f"no progress for {_STALLED:.0f} s: {', '.join(stalled)}"
        if self._looked_at is not None and now - self._looked_at > _STALLED:
            return f"no look at {self.config.root} for {_STALLED:.0f} s"
        return None

    def status(self) -> str:
        """How the reactor does, in plain words: `4 devices, 16 folders within their limits`."""
        devices = len(self._running)
        if not self._ready:
            served = sum(running.served.is_set() for running in self._running.values())
            said = f"starting: {served} of {_count(devices, 'device')} served"
        elif not devices:
            said = f"no device under {self.config.root} yet"
        else:
            total = devices * len(self.config.kinds)
            within = sum(running.device.within for running in self._running.values())
            of = "" if within == total else f"{within} of "
            said = f"{_count(devices, 'device')}, {of}{_count(total, 'folder')} within their limits"
        troubles = (self.problem(), self._brake.reason and f"nothing expires: {self._brake.reason}")
        return "; ".join([said, *(trouble for trouble in troubles if trouble)])

    def believable(self) -> bool:
        """Look at the clocks: whether deleting by the wall clock is safe at this moment."""
        before = self._brake.reason
        believed = self._brake.observe(self._clock.wall(), self._clock.boottime())
        reason = self._brake.reason
        if reason != before:
            self._instruments.clock_believable.set(int(believed))
            if believed:
                self._log.info("the clock is believed again: expiry goes on")
            else:
                self._log.warning("the clock is not believed: nothing expires", reason=reason)
        return believed

    async def _signals(self, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number != signal.SIGHUP:
                    self._log.info("stopping", signal=signal.Signals(number).name)
                    self._ended = True
                    await self._reporting.tell("STOPPING=1", "STATUS=stopping")
                elif self._started:
                    await self._reporting.manager.tell_reloading()
                if self._ended or self._read_again():
                    self._ready = False
                    self._turn.cancel()
                elif self._ready:
                    await self._reporting.tell("READY=1")

    def _read_again(self) -> bool:
        """Whether there is a new configuration to run with; a bad one is refused, and the old one stays."""
        if self._reload is None:
            self._log.warning("there is no configuration file to read again")
            return False
        try:
            config = self._reload()
        except ConfigError as error:
            self._log.error("the new configuration is refused, the old one stays", error=str(error))
            return False
        if config == self._next:
            self._log.info("configuration read again: nothing changed")
            return False
        self._next = config
        return True

    def _renew(self, metrics: endpoint.Server) -> None:
        """Move over to the new configuration, its root and its address; one that cannot be moved to is refused."""
        before, config = self.config, self._next
        try:
            lock = _locked(config.root) if config.root != before.root else self._lock
            try:
                metrics.move(config.metrics.listen)
            except endpoint.CannotListen as error:
                if lock is not self._lock:
                    lock.close()
                raise _elsewhere(error) from error
        except CannotStart as error:
            self._next = before
            self._log.error("the new configuration is refused, the old one stays", error=str(error))
            return
        if lock is not self._lock:
            self._lock.close()
            self._lock = lock
        self.config = config
        self._log.info("configuration read again", root=config.root)

    async def _watch_clock(self) -> None:
        while True:
            self.believable()
            await trio.sleep(_CLOCK)

    async def _devices(self, task_status: trio.TaskStatus[None]) -> None:
        """Follow which devices are there; started when those that are there at first are served."""
        config = self.config
        calendar = Calendar(hours.zone(config.timezone))
        relief = Relief(config.pressure, config.kinds, calendar, self._clock, self.believable, self._instruments)
        hearing, discovery = Hearing(), Discovery(config)
        self._looked_at = trio.current_time()
        first = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hearing.run)
                nursery.start_soon(relief.run)
                while True:
                    found = await discovery.look({name: running.home for name, running in self._running.items()})
                    self._looked_at = trio.current_time()
                    for name, running in list(self._running.items()):
                        if found.get(name) != running.home:
                            self._log.info("device left", device=name)
                            running.scope.cancel()
                            del self._running[name]
                            self._leaving.add(name)
                    for name in sorted(found.keys() - self._running.keys() - self._leaving):
                        device = Device(
                            found[name], config, calendar, self._clock, self._instruments, hearing, self._background
                        )
                        self._running[name] = _Running(found[name], device, trio.CancelScope(), trio.Event())
                        nursery.start_soon(self._serve, self._running[name], config, calendar, relief)
                    self._instruments.devices.set(len(self._running))
                    if first:
                        first = False
                        nursery.start_soon(_all_served, tuple(self._running.values()), task_status)
                    await discovery.wait()
        finally:
            self._looked_at = None
            self._running.clear()
            self._leaving.clear()
            hearing.close()
            discovery.close()

    async def _serve(self, running: _Running, config: Config, calendar: Calendar, relief: Relief) -> None:
        home = running.home
        self._log.info("device found", device=home.name, path=home.path)
        rotation = Rotation(
            home,
            config.kinds,
            calendar,
            self._clock,
            self.believable,
            self._instruments,
            running.device.returned,
            self._brake.finished,
            self._background,
        )
        try:
            with relief.serving(home, rotation.expire_early), running.scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(running.device.run)
                    running.served.set()
                    self._log.info("device served", device=home.name)
                    nursery.start_soon(rotation.run)
                    recover = partial(audit.recover, durable=config.durable, background=self._background)
                    nursery.start_soon(recover, home, config.kinds, calendar, self._clock, self._instruments)
        finally:
            running.served.set()
            self._instruments.forget(home.name)
            self._leaving.discard(home.name)


async def _all_served(first: tuple[_Running, ...], task_status: trio.TaskStatus[None]) -> None:
    for running in first:
        if not running.served.is_set():  # else it would be a turn of the loop for each of a thousand devices
            await running.served.wait()
    task_status.started()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _locked(root: str) -> RootLock:
    try:
        return RootLock(root)
    except RootHeld as error:
        raise CannotStart(str(error)) from error
    except OSError as error:
        raise CannotStart(
            f"cannot use the root {root}: {error.strerror}; make it, or name another one with --root"
        ) from error


def _elsewhere(error: endpoint.CannotListen) -> CannotStart:
    return CannotStart(f"{error}; set another address as metrics.listen")


def _raise_descriptor_limit() -> None:
    """Each device holds some twenty descriptors; the soft limit is 1,024 for the sake of select(2), which nobody here
    calls.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
