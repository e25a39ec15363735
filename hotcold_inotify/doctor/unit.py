"""What the installed unit gives to the service: systemd.unit(5), systemd.exec(5)."""

import re
import shlex

from hotcold_inotify.doctor.host import Host, Missed, entries, read

_UNIT = "hotcold.service"


def unit_user(host: Host, missed: Missed) -> str | None:
    """The user that it says last; None: there is no unit, or it does not say."""
    said = _settings(host, "User", missed)
    return said[-1] or None if said else None


def writable(host: Host, missed: Missed) -> list[str]:
    """The folders that it lets the service write to: each is a mount of its own once the service runs."""
    paths: list[str] = []
    for text in _settings(host, "ReadWritePaths", missed):
        # An empty one takes back what was said before.
        paths = [*paths, *(word.lstrip("-+") for word in shlex.split(text))] if text else []
    return [path.rstrip("/") or "/" for path in paths]


def _settings(host: Host, key: str, missed: Missed) -> list[str]:
    """Every value that the unit and its drop-ins give to a key, in their order."""
    texts = []
    for folder in (f"{host.lib}/systemd/system", f"{host.etc}/systemd/system"):
        texts.append(read(f"{folder}/{_UNIT}", missed))
        texts += [read(path, missed) for path in entries(f"{folder}/{_UNIT}.d", missed) if path.endswith(".conf")]
    return re.findall(rf"^{key}=[ \t]*(.*?)[ \t]*$", "\n".join(text for text in texts if text), re.MULTILINE)
