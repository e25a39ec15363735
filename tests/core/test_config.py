from typing import Any

import attrs
import pytest
import tomli_w
from hypothesis import example, given
from hypothesis import strategies as st

from hotcold_inotify import forms
from hotcold_inotify.config import (
    Config,
    ConfigError,
    Kind,
    Listen,
    Metrics,
    Pressure,
    Web,
    dump,
    format_duration,
    format_size,
    parse,
)
from hotcold_inotify.config import parse_duration as seconds_of
from hotcold_inotify.config import parse_size as bytes_of
from hotcold_inotify.names import Pattern
from hotcold_inotify.pressure import Amount, Floor

CONTRACT = """
root     = "/var/www/html/stream"
devices  = ["capture*"]
active_captures = ""
timezone = "local"
cold_root = ""
durable  = false
cold_backlog = "256MiB"
compat_links = false

[kinds.segments]
pattern = "segment_*.ts"
hot_limit = 10
retention = "24h"
playlist = true
[kinds.captures]
pattern = "capture_*.jpg"
hot_limit = 100
retention = "1h"
playlist = false
[kinds.thumbnails]
pattern = "capture_*_thumbnail.jpg"
hot_limit = 100
retention = "24h"
playlist = false
[kinds.metadata]
pattern = "capture_*.json"
hot_limit = 100
retention = "24h"
playlist = false

[pressure]
min_free = ""
min_free_inodes = ""
order = ["captures", "thumbnails", "segments", "metadata"]
[metrics]
listen = "127.0.0.1:9776"
[web]
listen = "127.0.0.1:8080"
stale_after = "3s"
"""


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "hotcold.toml")
    assert str(caught.value).splitlines() == list(caught.value.errors)
    starts = {error.partition(": ")[0] for error in caught.value.errors}
    assert starts == {"hotcold.toml"}
    return [error.removeprefix("hotcold.toml: ") for error in caught.value.errors]


def kind(config: Config, name: str) -> Kind:
    return next(kind for kind in config.kinds if kind.name == name)


def test_an_empty_file_is_the_contract() -> None:
    assert parse("", "empty") == parse(CONTRACT, "contract") == Config()


def test_one_key_of_a_kind_changes_only_that_key() -> None:
    config = parse('[kinds.captures]\nretention = "90s"', "x")
    assert kind(config, "captures") == attrs.evolve(kind(Config(), "captures"), retention=90.0)
    assert [k for k in config.kinds if k.name != "captures"] == [k for k in Config().kinds if k.name != "captures"]


def test_nothing_has_to_stay_free_unless_it_is_said() -> None:
    assert not Config().pressure.floor
    assert parse('pressure.min_free = "5%"', "x").pressure.floor == Floor(bytes=Amount(5, "%"))


def test_a_kind_that_the_file_adds_may_go_early_too() -> None:
    config = parse('kinds.sound.pattern = "s_*.wav"\npressure.order = ["sound"]', "x")
    assert config.pressure.order == ("sound",)


def test_added_kinds_follow_the_defaults_in_the_files_order() -> None:
    config = parse(
        'kinds.zebra.pattern = "z_*.raw"\nkinds.segments.hot_limit = 3\nkinds.ant = { pattern = "a_*" }', "x"
    )
    assert [k.name for k in config.kinds] == ["segments", "captures", "thumbnails", "metadata", "zebra", "ant"]
    assert kind(config, "zebra") == Kind("zebra", Pattern("z_", ".raw"), 100, 86_400.0, playlist=False)
    assert kind(config, "segments").hot_limit == 3


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ('root = "/srv/a/"', {"root": "/srv/a"}),
        ('root = "//srv//a"', {"root": "/srv/a"}),
        ('root = "/"', {"root": "/"}),
        ('devices = ["a", "cam[0-9]", "/mnt/x/b"]', {"devices": ("a", "cam[0-9]", "/mnt/x/b")}),
        ("devices = []", {"devices": ()}),
        ('active_captures = "/run/active"', {"active_captures": "/run/active"}),
        ('timezone = "Asia/Kathmandu"', {"timezone": "Asia/Kathmandu"}),
        ('cold_root = "/mnt/cold"', {"cold_root": "/mnt/cold"}),
        ("durable = true", {"durable": True}),
        ('cold_backlog = "1GB"', {"cold_backlog": 10**9}),
        ("compat_links = true", {"compat_links": True}),
        ('pressure.min_free = "5GB"', {"pressure": Pressure(min_free=Amount(5, "GB"))}),
        ('pressure.min_free = "5%"', {"pressure": Pressure(min_free=Amount(5, "%"))}),
        ('pressure.min_free_inodes = "5%"', {"pressure": Pressure(min_free_inodes=Amount(5, "%"))}),
        ('pressure.min_free_inodes = "100000"', {"pressure": Pressure(min_free_inodes=Amount(100_000))}),
        ('pressure.order = ["segments"]', {"pressure": Pressure(order=("segments",))}),
        ('metrics.listen = ""', {"metrics": Metrics(listen=None)}),
        ('metrics.listen = "[::1]:80"', {"metrics": Metrics(listen=Listen("::1", 80))}),
        ('web.listen = "localhost:0"', {"web": Web(listen=Listen("localhost", 0))}),
        ('web.stale_after = "2m"', {"web": Web(stale_after=120.0)}),
        ('web.token_file = "/etc/hotcold/token"', {"web": Web(token_file="/etc/hotcold/token")}),  # noqa: S106 (a path)
        ('web.socket = "/run/hotcold/api.sock"', {"web": Web(socket="/run/hotcold/api.sock")}),
        ('web.hosts = ["cam.example", "[::1]"]', {"web": Web(hosts=("cam.example", "[::1]"))}),
        ('web.origins = ["https://a.example:8443"]', {"web": Web(origins=("https://a.example:8443",))}),
    ],
)
def test_every_key_acts(line: str, changed: dict[str, Any]) -> None:
    assert parse(line, "x") == attrs.evolve(Config(), **changed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('root = "stream"', "root: expected an absolute path without '..', found 'stream'"),
        ("root = 3", "root: expected an absolute path without '..', found 3"),
        ('root = "/a/../b"', "found '/a/../b'"),
        ('root = ""', "root: expected an absolute path"),
        (r'root = "/a\u0000b"', "root: expected an absolute path"),
        ("root = {}", "root: expected an absolute path without '..', found a table"),
        ("root = []", "root: expected an absolute path without '..', found a list"),
        ('cold_root = "cold"', "cold_root: expected an absolute path without '..', or '' for none, found 'cold'"),
        ('active_captures = "x"', "active_captures: expected an absolute path"),
        ('timezone = "Mars/Base"', "timezone: expected 'local' or an IANA time zone name, found 'Mars/Base'"),
        ('timezone = ""', "timezone: expected"),
        ("durable = 1", "durable: expected true or false, found 1"),
        ('durable = "yes"', "durable: expected true or false, found 'yes'"),
        ("cold_backlog = 5", "cold_backlog: expected a size above 0, such as '256MiB' or '1GB', found 5"),
        ('cold_backlog = ""', "cold_backlog: expected a size above 0"),
        ("compat_links = 'links'", "compat_links: expected true or false, found 'links'"),
        ("web.compat_links = true", "web.compat_links: unknown key"),
        ('devices = "capture*"', "devices: expected a list of device names, globs or absolute paths, found 'capture*'"),
        ('devices = ["ok", 3]', "devices[1]: expected a name or glob"),
        ('devices = ["a/b"]', "devices[0]: expected a name or glob without '/'"),
        ('devices = ["/a/../b"]', "devices[0]: "),
        ('devices = ["/a/cam*"]', "devices[0]: "),
        ('devices = ["/a/cam?"]', "devices[0]: "),
        ('devices = ["/"]', "devices[0]: "),
        ('devices = [""]', "devices[0]: "),
        ('devices = [".."]', "devices[0]: "),
        ('devices = [".hidden"]', "devices[0]: "),
        (r'devices = ["a\u0000"]', "devices[0]: "),
        ("kinds = 3", "kinds: expected a table, found 3"),
        ("kinds.captures = 3", "kinds.captures: expected a table, found 3"),
        ("kinds.captures.hot_limit = 0", "kinds.captures.hot_limit: expected a whole number, 1 or more, found 0"),
        ("kinds.captures.hot_limit = true", "kinds.captures.hot_limit: expected a whole number, 1 or more, found true"),
        ("kinds.captures.hot_limit = 5.0", "kinds.captures.hot_limit: expected a whole number, 1 or more, found 5.0"),
        ("kinds.captures.hot_limit = '5'", "kinds.captures.hot_limit: expected a whole number, 1 or more, found '5'"),
        ("kinds.captures.playlist = 0", "kinds.captures.playlist: expected true or false, found 0"),
        (
            "kinds.captures.retention = '25h'",
            "at most 24h because a slot is emptied when its hour comes round, found '25h'",
        ),
        ("kinds.captures.retention = '86401s'", "kinds.captures.retention: expected a duration"),
        ("kinds.captures.retention = '0h'", "kinds.captures.retention: expected a duration"),
        ("kinds.captures.retention = 3600", "kinds.captures.retention: expected a duration"),
        ("kinds.captures.retention = '1d'", "found '1d'"),
        ("kinds.captures.pattern = 'x'", "kinds.captures.pattern: expected a pattern such as 'segment_*.ts' ("),
        ("kinds.captures.pattern = 3", "kinds.captures.pattern: expected a pattern such as 'segment_*.ts', found 3"),
        ("kinds.captures.hotlimit = 3", "kinds.captures.hotlimit: unknown key; did you mean hot_limit?"),
        ("kinds.captures.name = 'x'", "kinds.captures.name: unknown key; known here: pattern, hot_limit,"),
        ("kinds.captures.nam = 'x'", "kinds.captures.nam: unknown key; known here: pattern, hot_limit,"),
        (
            "kinds.segmnets.hot_limit = 3",
            "kinds.segmnets.pattern: expected a pattern, for this kind is new, found none; did",
        ),
        ("kinds.segmnets.hot_limit = 3", "did you mean kinds.segments?"),
        ("[kinds.xyz]", "kinds.xyz.pattern: expected a pattern, for this kind is new, found none"),
        (
            "kinds.12.pattern = 'x_*'",
            "kinds.12: expected a kind's name of letters, digits, '_' and '-', and not digits",
        ),
        ("kinds.'.x'.pattern = 'x_*'", "kinds.'.x': expected a kind's name"),
        ("kinds.'a/b'.pattern = 'x_*'", "kinds.'a/b': expected a kind's name"),
        ("kinds.'é'.pattern = 'x_*'", "kinds.'é': expected a kind's name"),
        ("kinds.''.pattern = 'x_*'", "kinds.'': expected a kind's name"),
        (
            "pressure.min_free = '5'",
            "pressure.min_free: expected an amount such as '5GB', '500MB' or '5%' (at most 50%), or '' for none, found",
        ),
        ("pressure.min_free = '51%'", "pressure.min_free: expected an amount"),
        ("pressure.min_free = 5", "pressure.min_free: expected an amount"),
        ("pressure.min_free_inodes = '5GB'", "pressure.min_free_inodes: expected a part such as '5%' (at most 50%) or"),
        ("pressure.order = 'segments'", "pressure.order: expected a list of kinds, found 'segments'"),
        ("pressure.order = [3]", "pressure.order[0]: expected a kind's name, found 3"),
        (
            "pressure.order = ['segments', 'sound']",
            "pressure.order[1]: no such kind: 'sound'; known here: segments, captures, thumbnails, metadata",
        ),
        ("pressure.order = ['segments', 'segments']", "pressure.order[1]: segments is named twice"),
        ("metrics = 4", "metrics: expected a table, found 4"),
        ("metrics.listen = '::1:80'", "metrics.listen: expected an address such as '127.0.0.1:8080' or '[::1]:8080'"),
        ("metrics.listen = '[1:2]:80'", "metrics.listen: expected"),
        ("metrics.listen = ':80'", "metrics.listen: expected"),
        ("metrics.listen = 'localhost'", "metrics.listen: expected"),
        ("metrics.listen = 'localhost:65536'", "metrics.listen: expected"),
        ("metrics.listen = 80", "metrics.listen: expected"),
        (
            "web.stale_after = '0s'",
            "web.stale_after: expected a duration above 0, such as '90s', '15m' or '24h', found '0s'",
        ),
        ("web.stale_after = 2026-01-01T00:00:00", "found 2026-01-01 00:00:00"),
        ("web.hosts = ['cam.example:80']", "web.hosts[0]: expected a host name or address without a port"),
        ("web.origins = ['cam.example']", "web.origins[0]: expected an origin such as"),
        ("web.token_file = 'token'", "web.token_file: expected an absolute path without '..', or '' for none"),
        ("zonetime = 1", "zonetime: unknown key; known here: root, devices,"),
        ("time_zone = 1", "time_zone: unknown key; did you mean timezone?"),
        (r'"a\nb\u2028c" = 1', r"'a\nb\u2028c': unknown key"),
        (r'timezone = "a\nb"', r"found 'a\nb'"),
        ("root = '" + "x" * 500 + "'", "found '" + "x" * 60 + "...'"),
    ],
)
def test_an_error_names_file_key_expectation_and_finding_in_one_line(text: str, expected: str) -> None:
    (error,) = errors(text)
    assert expected in error


def test_all_errors_are_told_at_once() -> None:
    text = """
        root = "x"
        devices = ["", "ok", 3]
        durabel = true
        kinds.12.pattern = "x_*"
        kinds.captures.hot_limit = 0
        kinds.captures.retenion = "1h"
        kinds.more.playlist = true
        web.listen = 1
        web.port = 80
    """
    assert sorted(error.partition(": ")[0] for error in errors(text)) == sorted(
        [
            "root", "devices[0]", "devices[2]", "durabel", "kinds.12", "kinds.captures.hot_limit",
            "kinds.captures.retenion", "kinds.more.pattern", "web.listen", "web.port",
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("root = '/a'\nroot = '/b'", "line 2"),
        ("a = 1\n\nb = \nc = 3", "line 3"),
        ("a = 1\nb = [1,", "line 2"),
        ("hot_limit = " + "9" * 6_000, "digits"),
    ],
)
def test_a_text_that_is_not_toml_is_told_with_its_line(text: str, line: str) -> None:
    (error,) = errors(text)
    assert error.startswith("not TOML: ")
    assert line in error


def test_a_bug_is_not_told_as_an_error_of_the_file() -> None:
    with pytest.raises(ZeroDivisionError):
        forms.faults(ZeroDivisionError())


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90.0), ("15m", 900.0), ("24h", 86_400.0), ("0s", 0.0), ("007m", 420.0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "90", "s", "1.5h", "-1s", "1d", "1 h", "1h30m", "1H", "٣s", "1s\n", "9" * 10 + "s"]
)
def test_no_other_text_is_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration such as '90s'"):
        seconds_of(text)


@given(st.integers(0, 10**9 - 1))
@example(0)
@example(5_400)
@example(86_400)
def test_a_duration_reads_what_it_writes(seconds: int) -> None:
    assert seconds_of(format_duration(seconds)) == seconds


def test_a_duration_is_written_in_its_largest_unit() -> None:
    assert [format_duration(seconds) for seconds in (90, 5_400, 86_400.0, 1)] == ["90s", "90m", "24h", "1s"]


@pytest.mark.parametrize("seconds", [-1.0, 0.5])
def test_what_the_file_cannot_say_is_not_written(seconds: float) -> None:
    with pytest.raises(ValueError, match="whole number of seconds"):
        format_duration(seconds)


@pytest.mark.parametrize(
    ("text", "size"), [("1KB", 1_000), ("1KiB", 1_024), ("256MiB", 2**28), ("007MB", 7_000_000), ("3GiB", 3 * 2**30)]
)
def test_sizes(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize(
    "text", ["", "256", "MiB", "0MB", "1.5GB", "-1MB", "1B", "1TB", "1 MB", "1mb", "1MiB\n", "٣MB", "9" * 10 + "MB"]
)
def test_no_other_text_is_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a size such as '256MiB'"):
        bytes_of(text)


@given(st.integers(1, 10**9 - 1), st.sampled_from(["KB", "KiB", "MB", "MiB", "GB", "GiB"]))
@example(125, "KiB")
def test_a_size_reads_what_it_writes(number: int, unit: str) -> None:
    size = bytes_of(f"{number}{unit}")
    assert bytes_of(format_size(size)) == size


def test_a_size_is_written_in_its_largest_unit() -> None:
    assert [format_size(size) for size in (2**28, 10**9, 2**30, 128_000)] == ["256MiB", "1GB", "1GiB", "125KiB"]


@pytest.mark.parametrize("size", [0, -1_000, 1_500])
def test_a_size_that_the_file_cannot_say_is_not_written(size: int) -> None:
    with pytest.raises(ValueError, match="whole number of KB or KiB"):
        format_size(size)


ADDRESSES = st.builds(
    Listen,
    st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(str)
    | st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True),
    st.integers(0, 65_535),
)


@given(ADDRESSES)
def test_an_address_reads_what_it_writes(address: Listen) -> None:
    assert Listen.parse(str(address)) == address


def test_an_address_with_ipv6_has_brackets() -> None:
    assert str(Listen("::1", 80)) == "[::1]:80"
    assert Listen.parse("[0:0::1]:80") == Listen("::1", 80)


WORDS = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
PATHS = st.lists(st.text("abc é~'\"\\$", min_size=1, max_size=8), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)
PATTERNS = st.builds(Pattern, st.sampled_from(["segment_", "x-", "é"]), st.sampled_from([".ts", "_thumb.jpg", ".json"]))
SECONDS = st.integers(1, 86_400).map(float) | st.integers(1, 24).map(lambda hours: hours * 3_600.0)


def kinds(names: st.SearchStrategy[str]) -> st.SearchStrategy[Kind]:
    return st.builds(Kind, names, PATTERNS, st.integers(1, 10**6), SECONDS, st.booleans())


DEFAULT_NAMES = [kind.name for kind in Config().kinds]
CONFIGS = st.builds(
    Config,
    root=PATHS,
    devices=st.lists(WORDS.map(lambda word: word + "*") | PATHS, max_size=4).map(tuple),
    active_captures=PATHS | st.just(""),
    timezone=st.sampled_from(["local", "UTC", "Europe/Zurich"]),
    cold_root=PATHS | st.just(""),
    durable=st.booleans(),
    cold_backlog=st.integers(1, 10**6).map(lambda number: number * 1024),
    kinds=st.tuples(
        st.tuples(*(kinds(st.just(name)) for name in DEFAULT_NAMES)),
        st.lists(
            kinds(WORDS.filter(lambda word: not word.isdigit() and word not in DEFAULT_NAMES)),
            max_size=3,
            unique_by=lambda kind: kind.name,
        ),
    ).map(lambda both: (*both[0], *both[1])),
    pressure=st.builds(
        Pressure,
        st.sampled_from([None, Amount(5, "%"), Amount(500, "MB"), Amount(2, "TB")]),
        st.sampled_from([None, Amount(5, "%"), Amount(100_000)]),
        st.lists(st.sampled_from(DEFAULT_NAMES), unique=True).map(tuple),
    ),
    metrics=st.builds(Metrics, ADDRESSES | st.none()),
    web=st.builds(
        Web,
        ADDRESSES | st.none(),
        SECONDS,
        token_file=PATHS | st.just(""),
        socket=PATHS | st.just(""),
        hosts=st.sampled_from([(), ("cam.example",), ("10.0.0.1", "[::1]")]),
        origins=st.sampled_from([(), ("https://a.example", "http://[::1]:8080")]),
    ),
)


@given(CONFIGS)
@example(Config())
def test_what_is_dumped_is_read_as_the_same(config: Config) -> None:
    assert parse(tomli_w.dumps(dump(config)), "dumped") == config


def test_every_setting_is_a_key_of_the_file() -> None:
    for cls in (Config, Pressure, Metrics, Web):
        assert list(forms.written(cls())) == list(attrs.fields_dict(cls)), cls
    assert ["name", *forms.written(Config().kinds[0])] == list(attrs.fields_dict(Kind))


VALUES = st.recursive(
    st.booleans() | st.integers(-5, 10**6) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*DEFAULT_NAMES, "listen", "x"]), inner)
    ),
)


@given(st.dictionaries(st.sampled_from([*dump(Config()), "other"]), VALUES, max_size=2))
def test_any_table_gives_a_config_or_a_config_error(table: dict[str, object]) -> None:
    try:
        config = parse(tomli_w.dumps(table), "x")
    except ConfigError as error:
        told = [line.startswith("x: ") for line in str(error).splitlines()]
    else:
        told = [parse(tomli_w.dumps(dump(config)), "x") == config]
    assert told
    assert all(told)
