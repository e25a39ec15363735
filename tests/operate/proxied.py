"""An nginx with the shipped configuration, on loopback, before an API."""

import contextlib
import http.client
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from tests.live.started import eventually, free_port
from tests.operate.stack import process
from tests.operate.texts import DEPLOY, swapped

SHIPPED: Final = DEPLOY / "nginx" / "hotcold.conf"
COMPAT: Final = DEPLOY / "nginx" / "hotcold-compat.conf"
NAME: Final = "capture-host.example"

# What Debian's nginx.conf does around conf.d, with every path in the test's own folder.
_MAIN: Final = """\
user root;
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
events {{ }}
http {{
    log_format served '$status $upstream_status $request_method $request_uri';
    access_log {folder}/access.log served;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include /etc/nginx/mime.types;
    gzip on;
    include {folder}/hotcold.conf;
}}
"""


@attrs.frozen
class Got:
    """An answer. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@attrs.frozen
class Served:
    """One request in the access log; `handed_on`: it went to hotcold."""

    status: int
    handed_on: bool
    path: str


class _ByName(http.client.HTTPConnection):
    """Asks by a name, over TLS, of a server that is on loopback."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(NAME, port)
        self._context = context

    def connect(self) -> None:
        sock = socket.create_connection(("127.0.0.1", self.port), 20)
        self.sock = self._context.wrap_socket(sock, server_hostname=NAME)


def trusting(ca: Path) -> ssl.SSLContext:
    """A client that takes the test's own certificate."""
    return ssl.create_default_context(cafile=str(ca / "fullchain.pem"))


@attrs.frozen
class Nginx:
    folder: Path
    port: int
    tls: bool = False

    def connect(self) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        return _ByName(self.port, trusting(self.folder))

    def get(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Got:
        """One answer; the names of headers are written with `_`."""
        with contextlib.closing(self.connect()) as connection:
            return get(connection, path, method, body, **headers)

    def log(self) -> list[Served]:
        """What was asked so far."""
        found = []
        for line in (self.folder / "access.log").read_text("utf-8").splitlines():
            status, upstream, _method, path = line.split(" ", 3)
            found.append(Served(int(status), upstream != "-", path))
        return found


def get(
    connection: http.client.HTTPConnection, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> Got:
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


def variant(*names: str) -> str:
    """The shipped file with these variants taken in, by the commands that stand at its top."""
    text = SHIPPED.read_text("utf-8")
    for name in names:
        command = re.search(rf"^#   #{name} .*: +sed -i (.*) hotcold\.conf$", text, flags=re.MULTILINE)
        assert command is not None, name
        done = subprocess.run(
            ["bash", "-c", f"sed {command[1]}"], check=True, input=text, capture_output=True, text=True
        )
        text = done.stdout
    return text


def configured(
    folder: Path,
    root: Path,
    api_port: int,
    port: int,
    *variants: str,
    unix: Path | None = None,
    old_paths: bool = False,
) -> Path:
    """A whole configuration around the shipped file, of which names, ports and paths are made the test's own."""
    text = variant(*variants)
    text = swapped(text, ("/var/www/html/stream", str(root)))
    if old_paths:
        text = swapped(text, ("#include /etc/nginx/", f"include {folder}/"))
        compat = swapped(COMPAT.read_text("utf-8"), ("/var/www/html/stream", str(root)))
        (folder / COMPAT.name).write_text(compat, "utf-8")
    if "socket" in variants:
        text = swapped(text, ("unix:/run/hotcold/api.sock", f"unix:{unix}"))
    else:
        text = swapped(text, ("server 127.0.0.1:8080;", f"server 127.0.0.1:{api_port};"))
    if "tls" in variants:
        text = swapped(text, ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"), ("/etc/ssl/hotcold", str(folder)))
        text = swapped(text, ("listen 80;", f"listen 127.0.0.1:{free_port()};"))
        _certify(folder)
    else:
        text = swapped(text, ("listen 127.0.0.1:80", f"listen 127.0.0.1:{port}"))
    if "basic" in variants:
        text = swapped(text, ("/etc/nginx/hotcold.htpasswd", str(folder / "htpasswd")))
        (folder / "htpasswd").write_text("guest:{PLAIN}a password\n", "ascii")
    (folder / "hotcold.conf").write_text(text, "utf-8")
    main = folder / "nginx.conf"
    main.write_text(_MAIN.format(folder=folder), "utf-8")
    return main


def _certify(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "fullchain.pem"), "-days", "2"]
    subprocess.run(
        [*command, "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"], check=True, capture_output=True
    )


def checked(folder: Path, main: Path) -> str:
    """What `nginx -t` says, which must not be an error and not a warning of ours."""
    done = subprocess.run(
        ["nginx", "-t", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(main)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # Without root nginx cannot change its user, and says so.
    return "\n".join(line for line in done.stderr.splitlines() if "[warn]" in line and '"user" directive' not in line)


@contextlib.contextmanager
def nginx(
    folder: Path,
    root: Path,
    api_port: int = 0,
    variants: tuple[str, ...] = (),
    unix: Path | None = None,
    *,
    old_paths: bool = False,
) -> Iterator[Nginx]:
    """A real nginx, which answers by now. `old_paths`: with hotcold-compat.conf."""
    port = free_port()
    main = configured(folder, root, api_port, port, *variants, unix=unix, old_paths=old_paths)
    started = Nginx(folder, port, tls="tls" in variants)
    command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(main)]
    with process(command, folder / "nginx.log") as running:

        def answers() -> bool:
            assert running.poll() is None, (folder / "nginx.log").read_text("utf-8")
            with contextlib.suppress(OSError):
                started.get("/metrics")
                return True
            return False

        eventually("nginx to answer", answers)
        yield started
