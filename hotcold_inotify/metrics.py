"""The reactor's Prometheus instruments, on a registry that is handed in. Labels are `device` and `kind` only, and an
errno or a reason.
"""

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from hotcold_inotify import __version__

_FOLDER = ("device", "kind")
# A move takes some 50 us; the last buckets are for full queues and slow disks.
_LATENCY_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5, 30)


class Instruments:
    """Every instrument, made once for a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        without_creation_times()
        self._of_a_device: list[MetricWrapperBase] = []

        def counter(name: str, text: str, labels: tuple[str, ...] = _FOLDER) -> Counter:
            made = Counter(name, text, labels, registry=registry)
            self._of_a_device.append(made)
            return made

        def gauge(name: str, text: str, labels: tuple[str, ...] = _FOLDER) -> Gauge:
            made = Gauge(name, text, labels, registry=registry)
            if labels and labels[0] == "device":
                self._of_a_device.append(made)
            return made

        self.hot_files = gauge("hotcold_hot_files", "Finished files in the hot folder.")
        self.hot_limit = gauge("hotcold_hot_limit", "How many files the hot folder may hold.")
        self.waiting_files = gauge(
            "hotcold_waiting_files",
            "Files beyond the limit, which wait to leave the hot folder; looked at every few seconds.",
        )
        self.waiting_bytes = gauge("hotcold_waiting_bytes", "Bytes of the files that wait to leave the hot folder.")
        self.waiting_limit = gauge(
            "hotcold_waiting_limit_bytes", "Bytes that may wait to leave the hot folder (cold_backlog)."
        )
        self.archived_files = counter("hotcold_archived_files", "Files moved from the hot folder into an hour folder.")
        self.archived_bytes = counter("hotcold_archived_bytes", "Bytes of the files moved into an hour folder.")
        self.move_latency = Histogram(
            "hotcold_move_latency_seconds",
            "From the event's reading to the displaced file in its hour folder.",
            _FOLDER,
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self._of_a_device.append(self.move_latency)
        self.last_move = gauge(
            "hotcold_last_move_seconds", "The latest of the latencies in hotcold_move_latency_seconds."
        )
        self.move_errors = counter(
            "hotcold_move_errors", "Moves that the system refused; the file is still hot.", (*_FOLDER, "errno")
        )
        self.name_collisions = counter(
            "hotcold_name_collisions", "Files that took a revision because their name was taken."
        )
        self.expired_files = counter("hotcold_expired_files", "Files deleted from their hour folder.")
        self.expired_bytes = counter("hotcold_expired_bytes", "Bytes of the files deleted from their hour folder.")
        self.pressure = gauge(
            "hotcold_pressure",
            "1 while the disk is fuller than it may be, and hours go before their time.",
            ("device",),
        )
        self.pressure_expired_files = counter(
            "hotcold_pressure_expired_files", "Files that went before their time, because the disk was too full."
        )
        self.pressure_expired_bytes = counter(
            "hotcold_pressure_expired_bytes",
            "Bytes of the files that went before their time, because the disk was too full.",
        )
        self.last_file = gauge(
            "hotcold_last_file_timestamp_seconds", "When the newest file of the folder was finished."
        )
        self.unmanaged_files = gauge(
            "hotcold_unmanaged_files", "Entries of the hot folder that are no files of its kind."
        )
        self.playlist_entries = counter("hotcold_playlist_entries", "Segments appended to an hour's playlist.")
        self.playlist_discontinuities = counter("hotcold_playlist_discontinuities", "Discontinuities among them.")
        self.playlist_rebuilds = counter(
            "hotcold_playlist_rebuilds", "Hour playlists replaced as a whole.", (*_FOLDER, "reason")
        )
        self.rescans = counter("hotcold_rescans", "Looks at the whole hot folder.", (*_FOLDER, "reason"))
        self.inotify_overflows = counter(
            "hotcold_inotify_overflows", "Times the kernel's event queue was full.", ("device",)
        )
        self.disk_free_bytes = gauge(
            "hotcold_disk_free_bytes", "Free bytes where the device's hour folders are.", ("device",)
        )
        self.devices = gauge("hotcold_devices", "Devices that the reactor serves.", ())
        self.clock_believable = gauge(
            "hotcold_clock_believable", "0 while the wall clock is not believed and nothing expires.", ()
        )
        add_build_info(registry)
        self.clock_believable.set(1)

    def folder(self, device: str, kind: str) -> "FolderInstruments":
        """The instruments of one (device, kind), looked up once."""
        self.inotify_overflows.labels(_label(device))  # at 0 from the start: the first overflow must be an increase
        self.pressure.labels(_label(device))
        return FolderInstruments(self, _label(device), kind)

    def overflow(self, device: str) -> None:
        """Count a full event queue."""
        self.inotify_overflows.labels(_label(device)).inc()

    def disk_free(self, device: str, free: int) -> None:
        """Say how many bytes are free where the device's hour folders are."""
        self.disk_free_bytes.labels(_label(device)).set(free)

    def pressed(self, device: str, *, pressed: bool) -> None:
        """Say whether hours of the device go early, for want of room."""
        self.pressure.labels(_label(device)).set(int(pressed))

    def forget(self, device: str) -> None:
        """Take a device's series away: it is gone, and a scrape must not go on saying that its hot folder is full."""
        for instrument in self._of_a_device:
            instrument.remove_by_labels({"device": _label(device)})


def add_build_info(registry: CollectorRegistry) -> None:
    """The one series that every process of ours has: which version it is."""
    made = Gauge("hotcold_build_info", "Always 1; the version is the label.", ("version",), registry=registry)
    made.labels(__version__).set(1)


def without_creation_times() -> None:
    """No `_created` series, which would double the page. The library's switch is for all registries."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no types here


def _label(device: str) -> str:
    """A folder's name may be any bytes; the page is UTF-8, and one name that is not must not take all others away."""
    return device.encode("utf-8", "backslashreplace").decode()


@attrs.define(init=False)
class FolderInstruments:
    """One folder's series. Those with an errno or a reason are looked up when they are needed."""

    hot_files: Gauge
    hot_limit: Gauge
    waiting_files: Gauge
    waiting_bytes: Gauge
    waiting_limit: Gauge
    archived_files: Counter
    archived_bytes: Counter
    move_latency: Histogram
    last_move: Gauge
    name_collisions: Counter
    expired_files: Counter
    expired_bytes: Counter
    pressure_expired_files: Counter
    pressure_expired_bytes: Counter
    last_file: Gauge
    unmanaged_files: Gauge
    playlist_entries: Counter
    playlist_discontinuities: Counter
    _all: Instruments
    _labels: tuple[str, str]

    def __init__(self, instruments: Instruments, device: str, kind: str) -> None:
        self._all, self._labels = instruments, (device, kind)
        for field in attrs.fields(type(self)):
            if not field.name.startswith("_"):
                setattr(self, field.name, getattr(instruments, field.name).labels(device, kind))

    def move_error(self, errno: str) -> None:
        """Count a refused move under the errno's symbolic name (`ENOSPC`)."""
        self._all.move_errors.labels(*self._labels, errno).inc()

    def rescan(self, reason: str) -> None:
        """Count a look at the whole folder: start, overflow, identity, sweep, backlog."""
        self._all.rescans.labels(*self._labels, reason).inc()

    def playlist_rebuild(self, reason: str) -> None:
        """Count a replaced playlist."""
        self._all.playlist_rebuilds.labels(*self._labels, reason).inc()
