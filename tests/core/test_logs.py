import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import structlog

from hotcold_inotify import logs


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written(log_format: logs.Format, level: logs.Level = "info", stream: io.StringIO | None = None) -> io.StringIO:
    stream = stream or io.StringIO()
    logs.configure(log_format, level, stream)
    return stream


def test_json_is_one_object_a_line_with_the_time_in_utc() -> None:
    out = written("json")
    logs.logger(device="capture1").info("archived", name="segment_1.ts\n", number=1)
    logs.logger().warning("late")

    first, second = [json.loads(line) for line in out.getvalue().splitlines()]
    stamp = datetime.fromisoformat(first.pop("timestamp"))
    assert stamp.utcoffset() == timedelta(0)
    assert first == {
        "event": "archived",
        "level": "info",
        "device": "capture1",
        "name": "segment_1.ts\n",
        "number": 1,
    }
    assert second["level"] == "warning"


def test_text_is_a_line_with_local_time_level_event_and_keys() -> None:
    out = written("text")
    logs.logger(device="capture1").error("no room", errno="ENOSPC")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[error    \] no room device='capture1' errno='ENOSPC'\n", out.getvalue()
    )


def test_text_has_colours_on_a_terminal_only() -> None:
    for stream, coloured in ((io.StringIO(), False), (FakeTerminal(), True)):
        out = written("text", stream=stream)
        logs.logger().info("here")
        assert ("\x1b[" in out.getvalue()) is coloured


def test_a_name_cannot_send_escape_sequences_or_forge_a_line() -> None:
    for log_format in ("text", "journal", "json"):
        out = written(log_format)
        logs.logger().info("unmanaged", name="\x1b[2Jx\n<0>forged")
        assert "\x1b" not in out.getvalue()
        assert out.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2)]
)
def test_journal_lines_open_with_their_priority_and_carry_no_time(level: logs.Level, priority: int) -> None:
    out = written("journal", "debug")
    getattr(logs.logger(kind="segments"), level)("said")
    logging.getLogger("hypercorn.error").log(logging.getLevelNamesMapping()[level.upper()], "said by %s", "another")
    assert out.getvalue() == f"<{priority}>said kind='segments'\n<{priority}>said by another [hypercorn.error]\n"


def test_a_level_of_a_librarys_own_is_a_notice_in_the_journal() -> None:
    out = written("journal")
    logging.getLogger("library").log(35, "odd")
    assert out.getvalue() == "<5>odd [library]\n"


def test_in_the_journal_each_line_of_a_traceback_has_the_priority() -> None:
    out = written("journal")
    try:
        os.stat("/nowhere")
    except OSError:
        logs.logger().exception("failed")
    lines = out.getvalue().splitlines()
    assert lines[0] == "<3>failed"
    assert lines[-1] == "<3>FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'"
    assert all(line.startswith("<3>") for line in lines)


@pytest.mark.parametrize("log_format", logs.FORMATS)
def test_the_libraries_records_go_the_same_way_tracebacks_included(log_format: logs.Format) -> None:
    out = written(log_format)
    try:
        os.stat("/nowhere")
    except OSError:
        logging.getLogger("hypercorn.error").exception("in %d worker", 1)
    text = out.getvalue()
    assert "in 1 worker" in text
    assert "hypercorn.error" in text
    assert text.count("FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'") == 1


@pytest.mark.parametrize("log_format", logs.FORMATS)
@pytest.mark.parametrize("level", logs.LEVELS)
def test_only_events_of_the_level_and_above_come_out(log_format: logs.Format, level: logs.Level) -> None:
    out = written(log_format, level)
    for each in logs.LEVELS:
        getattr(logs.logger(), each)("ours")
        logging.getLogger("library").log(logging.getLevelNamesMapping()[each.upper()], "theirs")
    above = len(logs.LEVELS) - logs.LEVELS.index(level)
    assert out.getvalue().count("ours") == above
    assert out.getvalue().count("theirs") == above


def test_configured_twice_an_event_still_comes_out_once_in_the_new_form() -> None:
    old = written("text")
    new = written("json")
    logs.logger().info("here")
    assert old.getvalue() == ""
    assert json.loads(new.getvalue())["event"] == "here"


def test_without_a_stream_it_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("journal", "info")
    logs.logger().info("here")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "<6>here\n")


@pytest.mark.parametrize(("log_format", "level"), [("xml", "info"), ("text", "loud"), ("text", "INFO")])
def test_what_is_not_in_the_lists_is_refused(log_format: logs.Format, level: logs.Level) -> None:
    with pytest.raises(ValueError, match=r"no such log (format|level): '\w+' \(one of "):
        logs.configure(log_format, level, io.StringIO())


def test_what_only_people_need_is_not_in_a_reactor() -> None:
    # Some MiB of every process that runs all day; commands that show tables import it when they do.
    code = "import sys, hotcold_inotify.cli, hotcold_inotify.reactor; print('rich' in sys.modules); import rich.console"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
