"""Whether the reactor does its work here."""

from collections.abc import Iterator
from typing import Final

import attrs

from hotcold_inotify.prognosis.troubles import Finding, Trouble

_START: Final = "systemctl enable --now hotcold.target, or hotcold run"


@attrs.frozen
class Service:
    """pid: the process with this root's lock. elsewhere: other reactors, their pid -> the root. newest_age: seconds
    since the newest hot file of any device was finished. metrics: the address, or None where there is none to be.
    health: what /healthz there says, "ok" for well; None: nothing answers.
    """

    root: str
    pid: int | None
    elsewhere: tuple[tuple[int, str], ...]
    newest_age: float | None
    metrics: str | None
    health: str | None


RECORDING: Final = 60.0
"""Seconds. A newest file that is younger than this means that somebody records."""


def judge(service: Service) -> Iterator[Finding]:
    """A root where nothing is recorded needs no reactor."""
    if service.pid is None:
        if service.newest_age is not None and service.newest_age < RECORDING:
            yield _missing(service, f"the newest file is {max(0.0, service.newest_age):.0f} s old")
    elif service.metrics is not None and service.health is None:
        said = f"nothing answers at http://{service.metrics}/healthz"
        remedy = f"metrics.listen as process {service.pid} was given it, then systemctl restart hotcold; ss -tlnp"
        yield Finding(Trouble.DEAF, service.metrics, said, remedy)
    elif service.metrics is not None and service.health != "ok":
        remedy = "journalctl -u hotcold -n 50"
        yield Finding(Trouble.UNWELL, f"reactor, process {service.pid}", f"{service.health}", remedy)


def _missing(service: Service, said: str) -> Finding:
    if service.elsewhere:
        others = ", ".join(f"process {pid} has {root}" for pid, root in service.elsewhere)
        remedy = f'root = "{service.root}" in its configuration, then systemctl restart hotcold'
        return Finding(Trouble.OTHER_ROOT, service.root, f"{said}; {others}", remedy)
    return Finding(Trouble.NO_REACTOR, service.root, said, _START)
