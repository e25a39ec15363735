"""`hotcold doctor --acceptance` on a real host: a real ffmpeg by its launcher, reactor and API. It passes each line of
a well host, and fails the right ones of a host that is broken on purpose.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hotcold_inotify import audit, playlist
from hotcold_inotify.acceptance import Report, accept
from hotcold_inotify.checklist import Item, Verdict
from hotcold_inotify.checklist.promises import Checked
from hotcold_inotify.cli import acceptance as command
from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, parse
from hotcold_inotify.disk import find_devices, holder
from hotcold_inotify.hours import Calendar, zone
from tests.live.started import eventually, free_port, hot, mid_hour, put
from tests.page.stack import HOTCOLD, Host

pytestmark = [pytest.mark.needs("ffmpeg", "ffprobe"), pytest.mark.timeout(120)]

LIMITS = {"segments": 2, "captures": 4, "thumbnails": 8, "metadata": 4}
KINDS = "".join(f"[kinds.{kind}]\nhot_limit = {limit}\n" for kind, limit in LIMITS.items())
TOKEN = "a-token-that-nobody-guesses"  # noqa: S105  not a secret: the test makes it
JPEG = b"\xff\xd8\xff\xe0 a thumbnail of the past \xff\xd9"
HOUR = 3600
SECONDS = 1.5
# The hour must not turn meanwhile.
TIMEZONE = mid_hour()
CALENDAR = Calendar(zone(TIMEZONE.split('"')[1]))


def slot(at: float) -> str:
    return str(CALENDAR.generation_at(at).slot)


def past(device: Path, now: float) -> None:
    """A thumbnail in each of the 24 hours, and of each kind a file that was due before the reactor began."""
    for ago in range(1, 25):
        at = CALENDAR.next_turn(now) - (ago + 1) * HOUR + 1
        place = device / "thumbnails" / slot(at)
        place.mkdir(parents=True, exist_ok=True)
        put(place, f"capture_{24 - ago:09}_thumbnail.jpg", JPEG, at)
    for kind, name in (("segments", "segment_1.ts"), ("captures", "capture_1.jpg"), ("metadata", "capture_1.json")):
        at = now - 26 * HOUR
        place = device / kind / slot(at)
        place.mkdir(parents=True)
        put(place, name, b"expired", at)


def is_full(folder: Path, limit: int) -> bool:
    return len([name for name in hot(folder) if not name.endswith((".m3u8", ".tmp"))]) >= limit


def expired(host: Host) -> bool:
    left = [*host.root.glob("capture1/*/*/*_1.*"), *host.root.glob("capture1/thumbnails/*/capture_000000000_*")]
    return not left and not list(host.root.glob("capture1/*/.retired"))


def is_settled(host: Host) -> bool:
    return all(not is_full(host.root / "capture1" / kind, limit + 1) for kind, limit in LIMITS.items())


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("acceptance")
    token = folder / "token"
    token.write_text(TOKEN, "ascii")
    made = Host(folder, web=f'token_file = "{token}"\nstale_after = "2s"\n{KINDS}')
    told = made.config.read_text("utf-8").replace("127.0.0.1:0", f"127.0.0.1:{free_port()}")
    made.config.write_text(TIMEZONE + told, "utf-8")
    past(made.root / "capture1", time.time())
    try:
        made.reactor()
        made.capture("capture1", {})
        made.serve()
        for kind, limit in LIMITS.items():
            eventually(f"{kind} to be full", partial(is_full, made.root / "capture1" / kind, limit))
        eventually("what was due to be expired", partial(expired, made), 70)
        segments = made.root / "capture1" / "segments"
        eventually("an hour's playlist", lambda: bool(list(segments.glob("*/archive.m3u8"))))
        yield made
    finally:
        made.close()


def config(host: Host) -> Config:
    return parse(host.config.read_text("utf-8"), str(host.config))


def look(host: Host, seconds: float = SECONDS) -> Report:
    """The look of the command, in this process."""
    settings = config(host)
    devices = list(find_devices(settings)[0].values())

    def check() -> Checked:
        live = holder(settings.root) is not None
        report = audit.check(devices, settings.kinds, CALENDAR, Clock(), live=live)
        return Checked(report.wrong, report.files)

    return accept(settings, devices, seconds, check)


def failures(report: Report) -> dict[Item, str]:
    return {line.item: line.why for line in report.lines if line.verdict is Verdict.FAILED}


def test_a_well_host_passes_every_line(host: Host, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    words = [*HOTCOLD, "--config", str(host.config), "doctor", "--acceptance", "--seconds", "2", "--json"]
    done = subprocess.run([*words, "--html", str(page)], capture_output=True, check=False, text=True, timeout=60)
    said: dict[str, Any] = json.loads(done.stdout)
    assert [(line["item"], line["verdict"]) for line in said["lines"] if line["verdict"] != "passed"] == []
    assert (done.returncode, done.stderr, said["verdict"]) == (0, "", "passed")
    assert said["devices"] == ["capture1"]
    assert {"hotcold", "python", "ffmpeg"} == set(said["versions"])
    lines = {line["item"]: line for line in said["lines"]}
    assert re.search(r"\d+ segments?.*decoded, \d+ frames", lines["playlists"]["why"])
    assert "24 thumbnails asked for" in lines["day"]["why"]
    assert "hotcold_http_request_duration_seconds" in lines["screenshot"]["why"]
    assert re.search(r"[1-9]\d* files expired", lines["expiry"]["why"])
    _assert_page(page.read_text("utf-8"), said)


def _assert_page(text: str, said: dict[str, Any]) -> None:
    """It is whole, has what was said, and nothing of it comes from elsewhere or runs."""
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert text.count("<svg") == len(LIMITS)
    assert text.count('src="data:image/jpeg;base64,') == 1 + 24
    assert {link[:1] for link in re.findall(r'(?:src|href)="([^"]*)"', text) if not link.startswith("data:")} == {"#"}
    assert not re.search(r"<script|<link|<iframe|url\(|@import", text)
    assert all(line["text"] in text for line in said["lines"])


def test_what_is_broken_on_the_disk(host: Host) -> None:
    device = host.root / "capture1"
    now = time.time()
    # A file of five hours ago in the folder of seven hours ago, and a playlist that lists what is not there.
    (wrong := device / "metadata" / slot(now - 7 * HOUR)).mkdir(exist_ok=True)
    put(wrong, "capture_7.json", b"{}", now - 5 * HOUR)
    (lost := device / "segments" / slot(now - 3 * HOUR)).mkdir(exist_ok=True)
    put(lost, "segment_1.ts", next(device.glob("segments/*/segment_*.ts")).read_bytes(), now - 3 * HOUR)
    entries = (playlist.Entry("segment_1.ts", 1.0), playlist.Entry("segment_2.ts", 1.0))
    (lost / "archive.m3u8").write_bytes(playlist.render(playlist.Playlist(1, entries, ended=True)))
    (absent := device / "metadata" / slot(now + 5 * HOUR)).rmdir()

    def write_into_the_old_places() -> None:
        time.sleep(SECONDS / 2)
        put(device, "segment_5.ts")
        put(device / "captures", "capture_5.json")

    try:
        with ThreadPoolExecutor() as pool:
            pool.submit(write_into_the_old_places)
            found = failures(look(host))
    finally:
        for path in (wrong / "capture_7.json", device / "segment_5.ts", device / "captures" / "capture_5.json"):
            path.unlink()
        for name in ("segment_1.ts", "archive.m3u8"):
            (lost / name).unlink()
        absent.mkdir(exist_ok=True)
    assert set(found) == {Item.FOLDERS, Item.WRITES, Item.SLOTS, Item.PLAYLISTS}
    assert f"metadata/{absent.name}" in found[Item.FOLDERS]
    assert "segment_5.ts came into its own folder" in found[Item.WRITES]
    assert "capture_5.json came, which captures does not have" in found[Item.WRITES]
    assert f"capture1/metadata/{wrong.name}: files lie in the hour folder of another hour" in found[Item.SLOTS]
    assert "lists 1 file that is not there: segment_2.ts" in found[Item.PLAYLISTS]


def test_a_reactor_that_is_stopped_and_what_is_due_stays(host: Host) -> None:
    device = host.root / "capture1"
    host.stop("reactor")
    due = device / "captures" / slot(time.time() - 5 * HOUR)
    put(due, "capture_9.jpg", JPEG, time.time() - 5 * HOUR)
    try:
        eventually("the hot folders to be above their limits", lambda: is_full(device / "captures", 6))
        found = failures(look(host))
    finally:
        (due / "capture_9.jpg").unlink()
        host.reactor()
        eventually("the hot folders to be within their limits", partial(is_settled, host))
    assert set(found) == {Item.MOVES, Item.EXPIRY, Item.STEADY}
    assert "no reactor runs on this root" in found[Item.MOVES]
    assert "files are past their retention (1, capture_9.jpg)" in found[Item.EXPIRY]
    assert "reactor: of " in found[Item.STEADY]
    assert "/metrics: not answered 2 times" in found[Item.STEADY]


def test_an_api_that_does_not_answer(host: Host) -> None:
    host.stop("serve")
    try:
        found = failures(look(host))
    finally:
        host.serve()
    assert set(found) == {Item.SCREENSHOT, Item.DAY, Item.PLAYLISTS, Item.STEADY}
    assert all("hotcold serve" in found[item] for item in (Item.SCREENSHOT, Item.DAY, Item.PLAYLISTS))


def test_an_encoder_that_is_stopped(host: Host) -> None:
    host.stop("capture1")
    try:
        found = failures(look(host, 2.2))
    finally:
        host.capture("capture1", {})
    assert {Item.WRITES, Item.STEADY} <= set(found) <= {Item.WRITES, Item.SCREENSHOT, Item.STEADY}
    assert "nothing records capture1: start its ffmpeg" in found[Item.WRITES]
    assert "its ffmpeg stood still" in found[Item.STEADY]


def test_what_cannot_be_accepted_is_refused(tmp_path: Path) -> None:
    def show(settings: Config, *names: str) -> None:
        command.show(settings, names=names, seconds=1, as_json=False, page=None)

    with pytest.raises(Failed, match="no device under"):
        show(Config(root=str(tmp_path)))
    with pytest.raises(Failed, match="cannot list the root"):
        show(Config(root=str(tmp_path / "nowhere")))
    (tmp_path / "capture1").mkdir()
    with pytest.raises(Failed, match=r"no such device under .*: capture9; there: capture1"):
        show(Config(root=str(tmp_path)), "capture9")
    text = f'root = "{tmp_path}"\n[web]\ntoken_file = "{tmp_path}/none"\n'
    with pytest.raises(Failed, match=r"web.token_file .*/none cannot be read: No such file"):
        show(parse(text, "x"))
    done = subprocess.run([*HOTCOLD, "doctor", "--html", "x"], capture_output=True, check=False, env=os.environ)
    assert done.returncode == 2
    assert b"need --acceptance" in done.stderr
