"""What the host runs by the clock, and what runs now, that may take recordings away."""

import os
import stat
import time
from collections.abc import Iterator

from hotcold_inotify.doctor.host import Host, Missed, entries, read
from hotcold_inotify.doctor.processes import Process, line_of, processes
from hotcold_inotify.prognosis import Finding, rivals
from hotcold_inotify.prognosis.rivals import Paths

# A program is looked into up to here; one that is compiled tells nothing.
_MOST = 65_536
_SCRIPTS = (".sh", ".py", ".pl", ".rb", ".php")
# What somebody does by hand is over by then.
_PATIENCE = 0.3


def jobs(host: Host, paths: Paths, missed: Missed) -> Iterator[Finding]:
    """Crontabs, the scripts in cron's folders, and systemd's timers in /etc."""
    tables = [f"{host.etc}/crontab", *entries(f"{host.etc}/cron.d", missed)]
    tables += [path for folder in (host.spool, f"{host.spool}/crontabs") for path in entries(folder, missed)]
    for path in tables:
        text = _text(path, missed)
        if text is not None:
            yield from _of_text(path, text, paths, missed, crontab=True)
    for often in ("hourly", "daily", "weekly", "monthly"):
        for path in entries(f"{host.etc}/cron.{often}", missed):
            found = rivals.suspicious_script(_text(path, missed) or "", paths)
            if found is not None:
                yield rivals.of_job(path, found, crontab=True)
    units = f"{host.etc}/systemd/system"
    for path in entries(units, missed):
        name = os.path.basename(path)
        if name.endswith(".timer") and not name.startswith("hotcold"):
            service = f"{units}/{name.removesuffix('.timer')}.service"
            yield from _of_text(service, _text(service, missed) or "", paths, missed, crontab=False)


def _of_text(path: str, text: str, paths: Paths, missed: Missed, *, crontab: bool) -> Iterator[Finding]:
    """By the lines themselves, else by the first program that they start."""
    found = rivals.suspicious_job(text, paths)
    if found is not None:
        yield rivals.of_job(path, found, crontab=crontab)
        return
    for program in dict.fromkeys(rivals.programs(text)):
        inside = rivals.suspicious_script(_script(program, missed) or "", paths)
        if inside is not None:
            yield rivals.of_job(program, inside, crontab=True)
            return


def _text(path: str, missed: Missed) -> str | None:
    """None: it is no file, or missed."""
    return read(path, missed, _MOST) if stat.S_ISREG(_mode(path, missed)) else None


def _mode(path: str, missed: Missed) -> int:
    """0: it is not there, or missed."""
    try:
        return os.stat(path).st_mode
    except OSError as error:
        missed.failed(path, error)
        return 0


def _script(path: str, missed: Missed) -> str | None:
    mode = _mode(path, missed)
    if not stat.S_ISREG(mode) or not (path.endswith(_SCRIPTS) or mode & 0o111):
        return None
    text = read(path, missed, _MOST)
    return None if text is None or "\0" in text else text


def rival_processes(
    host: Host, known: dict[int, Process], reactor: int | None, paths: Paths, missed: Missed
) -> Iterator[Finding]:
    """Those that run on: what is over a moment later was somebody at work, or one of our own."""
    ours = line_of(os.getpid(), known) | {reactor}
    others = [process for process in known.values() if process.pid not in ours]
    suspects = [process for process in others if _is_suspect(process, paths, missed)]
    if suspects:
        time.sleep(_PATIENCE)
        after = processes(host, missed)
        for process in suspects:
            if process.pid in after and after[process.pid].words == process.words:
                yield rivals.of_process(process.pid, process.words)


def _is_suspect(process: Process, paths: Paths, missed: Missed) -> bool:
    """By its command line, or by the script that it runs and what that was told."""
    inside = process.cwd is not None and paths.in_line(process.cwd)
    if rivals.suspicious_command(process.words, paths, inside=inside):
        return True
    script = rivals.script_of(process.words)
    if script is None or (process.cwd is None and not os.path.isabs(script)):
        return False
    text = _script(os.path.join(process.cwd or "/", script), missed)
    return text is not None and rivals.suspicious_script(f"{' '.join(process.words)}\n{text}", paths) is not None
