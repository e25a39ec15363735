"""What a metadata file says went wrong. Anyone may have written it: what does not fit `docs/metadata.schema.json` says
nothing.
"""

import json
from typing import Any, Final

from hotcold_inotify.web.answers import Incident
from hotcold_inotify.web.moments import parse_moment

# A metadata file is some 400 bytes; one of megabytes is nobody's analysis.
_LARGEST: Final = 65_536
_FLAGS: Final = (
    (Incident.BLACK, "blackscreen", True),
    (Incident.FROZEN, "freeze", True),
    (Incident.SILENT, "audio", False),
)
_EVENTS: Final = {"black": Incident.BLACK, "frozen": Incident.FROZEN, "silent": Incident.SILENT}


def present(content: bytes | None) -> list[Incident] | None:
    """What was wrong in the moment of the file; None: it does not say."""
    document = _document(content)
    if document is None:
        return None
    return [incident for incident, key, value in _FLAGS if document.get(key) is value]


def within(content: bytes | None, start: float, end: float) -> list[Incident]:
    """What was wrong from `start` to `end` (Unix seconds), by the last file of that time: it knows what came before."""
    document = _document(content)
    if document is None:
        return []
    flagged = {incident for incident, key, value in _FLAGS if document.get(key) is value}
    events = document.get("events")
    for name, incident in _EVENTS.items():
        event = events.get(name) if isinstance(events, dict) else None
        if isinstance(event, dict) and _overlaps(event, start, end):
            flagged.add(incident)
    return [incident for incident in Incident if incident in flagged]


def _overlaps(event: dict[str, Any], start: float, end: float) -> bool:
    """Whether an event reaches into [start, end); anything else than an event does not."""
    try:
        begins = parse_moment(str(event["start"]))
        return begins < end and begins + float(event["length"]) > start
    except (KeyError, TypeError, ValueError):
        return False


def _document(content: bytes | None) -> dict[str, Any] | None:
    """A metadata file's content; None: it is none. Anyone may have written it."""
    if content is None or len(content) > _LARGEST:
        return None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
