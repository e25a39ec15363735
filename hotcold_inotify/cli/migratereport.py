"""What `hotcold migrate` says of a plan and of what was done: to people in words and a table, to programs as JSON."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hotcold_inotify.disk import SLOT_NAMES
from hotcold_inotify.migration import DevicePlan, KindPlan, Moved, Undone
from hotcold_inotify.migration.judging import Stays

_UNITS: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"))


def size(count: int) -> str:
    """Bytes, as people read them."""
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count} B"


def lines(name: str, plan: DevicePlan, *, expire: bool) -> Iterator[str]:
    """A plan of the device `name`: a column for each kind, a row for each hour, and what it comes to."""
    kinds = plan.kinds
    widths = [max(len(kind) + 3, 12) for kind in kinds]
    yield f"{name:<20}" + "".join(f"{kind:>{width}}" for kind, width in zip(kinds, widths, strict=True))
    for label, cell in _rows(expire=expire):
        cells = [cell(kind) for kind in kinds.values()]
        if any(cells):
            yield f"  {label:<18}" + "".join(
                f"{text or '-':>{width}}" for text, width in zip(cells, widths, strict=True)
            )
    if plan.unknown:
        more = ", ..." if plan.unknown > len(plan.examples) else ""
        yield f"{name}: unknown, and stays: {plan.unknown:,} ({', '.join(plan.examples)}{more})"
    yield f"{name}: {plan.moves:,} files to move, {size(plan.bytes)}, about {plan.seconds:,.0f} s"


def together(plans: Sequence[DevicePlan]) -> str:
    """What the plans of several devices come to."""
    files, count = sum(plan.moves for plan in plans), sum(plan.bytes for plan in plans)
    return (
        f"all {len(plans)} devices: {files:,} files, {size(count)}, about {sum(plan.seconds for plan in plans):,.0f} s"
    )


def _rows(*, expire: bool) -> Iterator[tuple[str, Callable[[KindPlan], str]]]:
    for slot in map(int, SLOT_NAMES):
        yield f"to hour {slot}", lambda kind, slot=slot: _count(kind.slots[slot])  # type: ignore[misc] # its default
    yield "to all hours", lambda kind: _count(kind.slots.total())
    yield "to hot", lambda kind: _count(kind.hot)
    yield "  size of these", lambda kind: size(kind.bytes) if kind.bytes else ""
    yield "hot already", lambda kind: _count(kind.in_place)
    yield f"expired: {'goes' if expire else 'stays'}", lambda kind: _count(kind.expired)
    yield "  size of these", lambda kind: size(kind.expired_bytes) if kind.expired_bytes else ""
    for why in Stays:
        yield f"stays: {why.value}", lambda kind, why=why: _count(kind.stays[why])  # type: ignore[misc] # its default


def _count(files: int) -> str:
    return f"{files:,}" if files else ""


def said(name: str, moved: Moved, seconds: float) -> str:
    """What was done with the device `name`, in one line."""
    parts = [
        f"{moved.hot:,} files to hot and {moved.slots:,} to their hours, {size(moved.bytes)}, in {seconds:,.1f} s",
        f"playlists of {moved.playlists} hours",
        *([f"{moved.expired:,} expired files deleted"] if moved.expired else []),
        *([f"{moved.collided:,} have a new name, as theirs was taken"] if moved.collided else []),
        *([f"{moved.failed:,} resisted"] if moved.failed else []),
    ]
    return f"{name}: {'; '.join(parts)}"


def said_back(name: str, undone: Undone, *, dry_run: bool) -> str:
    """What was put back of the device `name`, or would be, in one line."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in undone.files.items())
    parts = [
        f"{undone.files.total():,} files {'would go' if dry_run else 'went'} back{f' ({kinds})' if kinds else ''}",
        *([f"{undone.stays:,} stay, as they are being written"] if undone.stays else []),
        *([f"{undone.renamed:,} have a new name, as theirs was taken"] if undone.renamed else []),
        *([f"{undone.moved.failed:,} resisted"] if undone.moved.failed else []),
    ]
    return f"{name}: {'; '.join(parts)}"


def plan_document(plan: DevicePlan) -> dict[str, object]:
    """The plan of a device, for programs."""
    return {
        "kinds": {
            name: {
                "in_place": kind.in_place,
                "hot": kind.hot,
                "slots": {str(slot): kind.slots[slot] for slot in sorted(kind.slots)},
                "bytes": kind.bytes,
                "expired": kind.expired,
                "expired_bytes": kind.expired_bytes,
                "stays": {why.name.lower(): count for why, count in kind.stays.items()},
            }
            for name, kind in plan.kinds.items()
        },
        "moves": plan.moves,
        "expired": plan.expired,
        "unknown": plan.unknown,
        "examples": plan.examples,
        "seconds": plan.seconds,
    }


def done_document(moved: Moved, seconds: float) -> dict[str, object]:
    """What was done, for programs."""
    return {
        "hot": moved.hot,
        "slots": moved.slots,
        "expired": moved.expired,
        "bytes": moved.bytes,
        "collided": moved.collided,
        "playlists": moved.playlists,
        "failed": moved.failed,
        "moving_seconds": round(moved.seconds, 3),
        "moving_processor": round(moved.processor, 3),
        "seconds": round(seconds, 3),
    }


def undone_document(undone: Undone) -> dict[str, object]:
    """What was put back, for programs."""
    return {
        "files": undone.files.total(),
        **undone.files,
        "stays": undone.stays,
        "renamed": undone.renamed,
        "failed": undone.moved.failed,
    }
