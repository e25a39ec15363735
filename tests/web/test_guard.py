import hmac
import os
import time
from pathlib import Path

import pytest
import trio
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from hotcold_inotify.web.guard import Guard
from hotcold_inotify.web.login import BadToken, Login, read_token
from tests.web.stage import NOW, Client, client, write

TOKEN = "-".join(["0123456789abcdef"] * 2)
CSP = "default-src 'self'; "
PATHS = [
    "/",
    "/healthz",
    "/metrics",
    "/openapi.json",
    "/api/host/devices",
    "/api/host/screenshot/capture1",
    "/api/host/captures/capture1/14",
    "/api/host/captures/capture1/99",
    "/api/host/heatmap/capture1",
    "/api/host/playlist/capture1.m3u8",
    "/host/stream/capture1/captures/",
    "/host/stream/capture1/captures/capture_1.jpg",
    "/host/stream/capture1/captures/capture_2.jpg",
    "/assets/nothing.js",
    "/nowhere",
    "//",
]


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n", "ascii")
    return path


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("host", ["localhost", "elsewhere"])
async def test_every_answer_tells_the_browser_to_be_careful(root: Path, method: str, host: str) -> None:
    write(root / "capture1" / "captures" / "capture_1.jpg")
    asked = client(root)
    for path in PATHS:
        found = await asked.ask(path, method=method, headers={"host": host})
        assert found.headers["x-content-type-options"] == "nosniff", path
        assert found.headers["content-security-policy"].startswith(CSP), path
        assert "frame-ancestors 'none'" in found.headers["content-security-policy"], path
        assert found.headers["referrer-policy"] == "no-referrer", path
        assert found.headers["cross-origin-resource-policy"] == "same-origin", path
        assert "access-control-allow-origin" not in found.headers, path
        if found.status >= 400 and path != "/":
            assert list(found.json()) >= ["error"], path


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"])
@pytest.mark.parametrize("path", ["/", "/api/host/devices", "/login", "/nowhere"])
async def test_only_get_and_head_are_answered(root: Path, method: str, path: str) -> None:
    found = await client(root).ask(path, method=method)
    assert (found.status, found.headers["allow"]) == (405, "GET, HEAD")
    assert found.json() == {"error": "only GET and HEAD here"}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8080",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]",
        "10.1.2.3:80",
    ],
)
async def test_who_asks_us_by_our_name_is_answered(root: Path, host: str) -> None:
    found = await client(root).ask("/healthz", headers={"host": host}, server=("10.1.2.3", 80))
    assert found.status == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":80",
        "elsewhere",
        "elsewhere:8080",
        "localhost.elsewhere",
        "127.0.0.1.elsewhere",
        "[::2]",
        "::",
        "localhost:x",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/host/devices", "/nowhere"])
async def test_who_asks_somebody_else_is_told_so(root: Path, host: str, path: str) -> None:
    found = await client(root).ask(path, headers={"host": host})
    assert found.status == 421
    assert found.json() == {"error": "this server has no such name; name it in web.hosts"}


async def test_an_ipv4_client_of_a_socket_that_takes_both_is_answered(root: Path) -> None:
    found = await client(root).ask("/healthz", headers={"host": "10.1.2.3:80"}, server=("::ffff:10.1.2.3", 80))
    assert found.status == 200


async def test_the_address_of_a_unix_socket_is_none(root: Path) -> None:
    assert (await client(root).ask("/healthz", server=None)).status == 200
    assert (await client(root).ask("/healthz", server=None, headers={"host": "elsewhere"})).status == 421


@pytest.mark.parametrize("origin", ["https://dashboard.example", "http://10.0.0.1:3000"])
async def test_a_page_of_a_named_origin_may_read(root: Path, origin: str) -> None:
    write(root / "capture1" / "captures" / "capture_1.jpg")
    asked = client(root, f'[web]\norigins = ["{origin}"]')
    for path in PATHS:
        found = await asked.ask(path, headers={"origin": origin})
        assert found.headers["access-control-allow-origin"] == origin
        assert "Origin" in found.headers["vary"]
        other = await asked.ask(path, headers={"origin": f"{origin}.elsewhere"})
        assert "access-control-allow-origin" not in other.headers
        assert "Origin" in other.headers["vary"]
    picture = await asked.ask("/api/host/screenshot/capture1", headers={"origin": origin})
    assert {one.strip() for one in picture.headers["vary"].split(",")} == {"Accept", "Origin"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Bearer \xff\xfe"},
        {"cookie": f"hotcold_token={TOKEN}"},
        {"cookie": "hotcold_token"},
        {"cookie": "hotcold_token=\xff; ]=;;;"},
    ],
)
async def test_without_the_token_there_is_the_log_in_and_nothing_else(
    root: Path, token: Path, headers: dict[str, str]
) -> None:
    asked = client(root, f'[web]\ntoken_file = "{token}"')
    for path in PATHS:
        found = await asked.ask(path, headers=headers)
        if path in ("/", "/healthz", "/assets/nothing.js"):
            assert found.status in (200, 404)
        else:
            assert (found.status, found.json()) == (401, {"error": "a token is needed"})
            assert found.headers["www-authenticate"].startswith("Bearer")


async def test_who_knows_the_token_may_look(root: Path, token: Path) -> None:
    asked = client(root, f'[web]\ntoken_file = "{token}"')
    for scheme in ("Bearer", "bearer"):
        assert (await asked.ask("/metrics", headers={"authorization": f"{scheme} {TOKEN}"})).status == 200


async def log_in(asked: Client, body: bytes) -> tuple[int, dict[str, str]]:
    found = await asked.ask("/login", method="POST", body=body)
    return found.status, found.headers


async def test_the_log_in_gives_a_cookie_that_is_not_the_token(root: Path, token: Path) -> None:
    asked = client(root, f'[web]\ntoken_file = "{token}"')
    status, headers = await log_in(asked, f"token={TOKEN}".encode())
    cookie = headers["set-cookie"]
    assert status == 204
    assert TOKEN not in cookie
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}
    assert (await asked.ask("/metrics", headers={"cookie": f"a=b; {cookie.partition(';')[0]}"})).status == 200


async def test_over_tls_the_cookie_is_for_tls_alone(root: Path, token: Path) -> None:
    asked = client(root, f'[web]\ntoken_file = "{token}"')
    found = await asked.ask("/login", method="POST", body=f"token={TOKEN}".encode(), scheme="https")
    assert "secure" in found.headers["set-cookie"].lower()


@pytest.mark.parametrize("body", [b"token=wrong", b"", b"token=", b"\xff\xfe", b"token=%FF", b"&&&==="])
@pytest.mark.usefixtures("autojump_clock")
async def test_a_wrong_token_waits(root: Path, token: Path, body: bytes) -> None:
    began = trio.current_time()
    status, headers = await log_in(client(root, f'[web]\ntoken_file = "{token}"'), body)
    assert status == 401
    assert "set-cookie" not in headers
    assert trio.current_time() - began >= 1


async def test_a_log_in_is_short(root: Path, token: Path) -> None:
    status, _ = await log_in(client(root, f'[web]\ntoken_file = "{token}"'), b"token=" + b"x" * 5_000)
    assert status == 413


async def test_only_a_post_logs_in(root: Path, token: Path) -> None:
    found = await client(root, f'[web]\ntoken_file = "{token}"').ask("/login", f"token={TOKEN}")
    assert (found.status, found.headers["allow"]) == (405, "POST")


async def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return compare(a, b)

    monkeypatch.setattr("hotcold_inotify.web.login.hmac.compare_digest", watched)
    login = Login(TOKEN)
    assert login.knows(Headers({"authorization": f"Bearer {TOKEN}"}))
    assert not login.knows(Headers({"authorization": "Bearer x"}))
    assert not login.knows(Headers({"cookie": "hotcold_token=x"}))
    assert len(compared) == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"short", "16 characters"), (b"", "16"), (b"a token with spaces in it", "openssl rand"), (b"\xff" * 20, "ASCII")],
)
def test_a_token_that_is_none_is_refused_with_what_to_do(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(BadToken, match=reason):
        read_token(str(path))
    with pytest.raises(BadToken, match="No such file"):
        read_token(str(tmp_path / "nowhere"))


async def test_a_failure_is_told_in_json_and_nothing_of_it_shows(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "capture1" / "captures" / "capture_1.jpg", NOW)
    scandir = os.scandir

    def failing(path: str | int) -> object:
        if isinstance(path, int):
            raise OSError(5, "Input/output error", str(root))
        return scandir(path)

    monkeypatch.setattr("hotcold_inotify.web.tree.os.scandir", failing)
    for path in ("/host/stream/capture1/captures/", "/api/host/screenshot/capture1"):
        found = await client(root).ask(path, fails=True)
        assert (found.status, found.json()) == (500, {"error": "the server failed; its log says why"})
        assert found.headers["x-content-type-options"] == "nosniff"


async def test_a_disk_that_hangs_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hotcold_inotify.web.threads._PATIENCE", 0.01)
    monkeypatch.setattr("hotcold_inotify.web.tree.Tree.hot", lambda *_args: time.sleep(0.5))
    found = await client(root).ask("/host/stream/capture1/captures/")
    assert (found.status, found.json()) == (504, {"error": "the disk does not answer"})


async def test_below_a_path_of_somebody_elses_server_the_same_is_open() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    asked = Client(Guard(app, hosts=(), origins=(), login=Login(TOKEN)))
    assert (await asked.ask("/cam/healthz", root_path="/cam")).status == 200
    assert (await asked.ask("/cam/metrics", root_path="/cam")).status == 401
    assert (await asked.ask("/healthz/../metrics")).status == 200  # what is no path of ours is nobody's


async def test_what_is_not_http_passes(root: Path) -> None:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/api/host/devices", "headers": [], "query_string": b"", "root_path": ""}
    await client(root).app(scope, receive, send)
    assert [message["type"] for message in said] == ["websocket.close"]
