"""Every knob of the web acts: one test a knob. tests/live/test_knobs.py holds that none is forgotten."""

from collections.abc import Callable
from pathlib import Path

import attrs

from hotcold_inotify.config import Web
from tests.web.stage import NOW, Served, client, parsed, write
from tests.web.test_serving import over

# Key -> the test here that shows it act. One of them is in no table, for it says how a device's folders are laid out.
SHOWN = {
    "compat_links": "test_compat_links",
    "web.listen": "test_listen",
    "web.stale_after": "test_stale_after",
    "web.token_file": "test_token_file",
    "web.socket": "test_socket",
    "web.hosts": "test_hosts",
    "web.origins": "test_origins",
}
SCREENSHOT = "/api/host/screenshot/capture1"


def test_no_knob_of_the_web_is_forgotten() -> None:
    assert set(SHOWN) == {"compat_links", *(f"web.{field.name}" for field in attrs.fields(Web))}
    assert set(SHOWN.values()) <= set(globals())


def test_listen(serve: Callable[..., Served]) -> None:
    served = serve(listen="127.0.0.1:0")
    text = served.log.read_text("utf-8")
    served.port = int(text.partition("http://127.0.0.1:")[2].partition('"')[0])
    assert served.get("/healthz")[0] == 200


async def test_compat_links(root: Path) -> None:
    write(root / "capture1" / "segments" / "14" / "segment_1.ts", NOW - 5)
    for text, status in [("", 404), ("compat_links = true", 200)]:
        assert (await client(root, text).ask("/host/stream/capture1/segment_1.ts")).status == status


async def test_stale_after(root: Path) -> None:
    write(root / "capture1" / "captures" / "capture_1.jpg", NOW - 5)
    assert (await client(root).ask(SCREENSHOT)).status == 503
    patient = client(root, '[web]\nstale_after = "6s"')
    assert (await patient.ask(SCREENSHOT)).status == 200
    found = await patient.json("/api/host/devices")
    assert (found["stale_after"], found["devices"][0]["state"]) == (6.0, "live")


async def test_token_file(root: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef\n", "ascii")
    asked = client(root, f'[web]\ntoken_file = "{tmp_path}/token"')
    assert (await asked.ask("/api/host/devices")).status == 401
    headers = {"authorization": "Bearer 0123456789abcdef"}
    assert (await asked.ask("/api/host/devices", headers=headers)).status == 200


def test_socket(tmp_path: Path, serve: Callable[..., Served]) -> None:
    path = tmp_path / "socket"
    served = serve(f'socket = "{path}"')
    assert parsed(over(path, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"))[0] == 200
    assert served.get("/healthz")[0] == 200


async def test_hosts(root: Path) -> None:
    for text, status in [("", 421), ('[web]\nhosts = ["camera.example", "[2001:db8::1]"]', 200)]:
        for host in ("camera.example", "Camera.Example:8080", "[2001:db8::1]:80", "[2001:db8:0::1]"):
            assert (await client(root, text).ask("/healthz", headers={"host": host})).status == status


async def test_origins(root: Path) -> None:
    headers = {"origin": "https://dashboard.example"}
    assert "access-control-allow-origin" not in (await client(root).ask("/healthz", headers=headers)).headers
    named = client(root, '[web]\norigins = ["https://dashboard.example"]')
    found = await named.ask("/healthz", headers=headers)
    assert found.headers["access-control-allow-origin"] == "https://dashboard.example"
