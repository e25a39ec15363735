"""Who else may move or delete recordings: the jobs and processes of the time before, by what they say of themselves."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

import attrs

from hotcold_inotify.prognosis.troubles import Finding, Trouble

# The daemons that poll, and the cleaners, as they are called.
_NAMES: Final = re.compile(
    r"hot[-_]?cold[-_]?archiver|(?:capture|segment|thumbnail|screenshot)s?[-_](?:archiver|cleaner|cleanup|rotator)"
    r"|(?:archive|clean|cleanup|rotate)[-_](?:old[-_])?(?:capture|segment|thumbnail|screenshot)s?\b"
)
_TAKES_AWAY: Final = re.compile(
    r"-delete\b|(?<![\w./-])(?:/usr)?(?:/bin/)?(?:rm|mv|unlink|tmpreaper|tmpwatch|shred)(?=\s|$)|--remove-source-files"
    r"|\brmtree\(|\bos\.(?:remove|unlink|rename|replace|renames)\(|\bshutil\.move\(|\.unlink\("
)
_INTERPRETERS: Final = re.compile(r"(?:python|perl|ruby|php|node)[\d.]*|(?:ba|da|z|k)?sh")
_ASSIGNMENT: Final = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)=([\"']?)([^\"'$`;]*)\2\s*$")
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_LONGEST: Final = 160


@attrs.frozen
class Suspicion:
    """The line that raised it, and its number in its text, from 1."""

    line: str
    number: int


class Paths:
    """The folders that recordings are in: whether a text speaks of one."""

    def __init__(self, paths: Sequence[str]) -> None:
        """The root and the devices, absolute."""
        own = "|".join(re.escape(path) for path in sorted(set(paths), key=len, reverse=True))
        above = "|".join(sorted({re.escape(str(up)) for path in paths for up in _parents(path)}))
        self._own = re.compile(rf"(?<![\w./-])(?:{own})(?![\w.-])")
        # find(1) and rm -r go down from where they are told to.
        self._above = re.compile(rf"(?<![\w./-])(?:{above})/?(?![\w./-])") if above else None

    def in_line(self, line: str) -> bool:
        """Whether the line names one of them, or a folder above one to something that goes down from there."""
        down = self._above is not None and re.search(r"\bfind\b|\brm\s+-\w*[rR]", line) and self._above.search(line)
        return bool(self._own.search(line) or down)


def _parents(path: str) -> list[PurePosixPath]:
    return [up for up in PurePosixPath(path).parents if str(up) != "/"]


def suspicious_command(words: Sequence[str], paths: Paths, *, inside: bool) -> bool:
    """Whether a process's command line takes recordings away; `inside`: it stands in one of the folders."""
    line = " ".join(words)
    called = any(_NAMES.search(PurePosixPath(word).name) for word in words[:4] if not word.startswith("-"))
    return called or (bool(_TAKES_AWAY.search(line)) and (inside or paths.in_line(line)))


def script_of(words: Sequence[str]) -> str | None:
    """The script that an interpreter runs, as it was named; None: it is none, or runs no file."""
    if not _INTERPRETERS.fullmatch(PurePosixPath(words[0]).name):
        return None
    first = next((word for word in words[1:] if not word.startswith("-")), None)
    # `-c` and `-m` take the next word for themselves.
    return None if {"-c", "-m", "-e"} & set(words[1:3]) else first


def suspicious_job(text: str, paths: Paths) -> Suspicion | None:
    """The first line of a crontab or a unit that takes recordings away; variables that are set in it are filled in."""
    known: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(("#", ";")):
            continue
        if found := _ASSIGNMENT.match(line):
            known[found[1]] = found[3]
        filled = _VARIABLE.sub(lambda name: known.get(name[1] or name[2], name[0]), line)
        if _NAMES.search(filled) or (_TAKES_AWAY.search(filled) and paths.in_line(filled)):
            return Suspicion(filled.strip()[:_LONGEST], number)
    return None


def suspicious_script(text: str, paths: Paths) -> Suspicion | None:
    """The first line that takes anything away, of a program that speaks of the recordings anywhere."""
    lines = [line if not line.lstrip().startswith("#") else "" for line in text.splitlines()]
    if not any(paths.in_line(line) for line in lines):
        return None
    for number, line in enumerate(lines, 1):
        if _TAKES_AWAY.search(line):
            return Suspicion(line.strip()[:_LONGEST], number)
    return None


def programs(text: str) -> Iterator[str]:
    """The absolute paths in the lines of a crontab or a unit that may be programs it starts."""
    for line in text.splitlines():
        if not line.lstrip().startswith(("#", ";")):
            yield from re.findall(r"(?<![\w./*-])/[\w./+@-]*\w", line)


def of_job(where: str, suspicion: Suspicion, *, crontab: bool) -> Finding:
    """What is said of a job."""
    unit = PurePosixPath(where).stem
    remedy = f"take line {suspicion.number} out of {where}" if crontab else f"systemctl disable --now {unit}.timer"
    return Finding(Trouble.RIVAL_JOB, f"{where}:{suspicion.number}", suspicion.line, remedy)


def of_process(pid: int, words: Sequence[str]) -> Finding:
    """What is said of a process."""
    remedy = f"systemctl status {pid} says which unit it is: disable that one, or kill {pid}"
    return Finding(Trouble.RIVAL_PROCESS, f"process {pid}", " ".join(words)[:_LONGEST], remedy)
