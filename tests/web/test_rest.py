"""The answers that are about the whole: devices, health, metrics, the description, the page."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from hotcold_inotify.web.answers import Devices, Heatmap, Hot, Hour, Screenshot
from tests.web.stage import KINDS, NOW, client, write


async def test_every_device_is_listed_as_it_stands(root: Path) -> None:
    device = root / "capture1"
    write(device / "captures" / "capture_1.jpg", NOW - 9)
    write(device / "segments" / "segment_1.ts", NOW - 1.5)
    write(device / "segments" / "output.m3u8", NOW - 1, b"#EXTM3U\n")
    write(device / "metadata" / "capture_1.json", NOW - 2, b'{"blackscreen": true, "freeze": false, "audio": false}')
    write(root / "capture2" / "captures" / "capture_1.jpg", NOW - 3.5)
    (root / "capture3").mkdir()
    write(root / "capture4")  # no folder
    (root / "other").mkdir()
    found = await client(root, 'timezone = "UTC"').json("/api/host/devices")
    assert (found["now"], found["timezone"], found["stale_after"]) == ("2026-11-23T14:30:00.000+00:00", "UTC", 3.0)
    one, two, three = found["devices"]
    assert [each["name"] for each in found["devices"]] == ["capture1", "capture2", "capture3"]
    assert [each["state"] for each in found["devices"]] == ["live", "stale", "empty"]
    assert [each["age"] for each in found["devices"]] == [1.5, 3.5, None]
    assert one["live"] == "/host/stream/capture1/segments/output.m3u8"
    assert one["incidents"] == ["black", "silent"]
    assert one["hot"]["captures"] == {"files": 1, "limit": 100, "newest": "2026-11-23T14:29:51.000+00:00"}
    assert (two["live"], two["incidents"], three["newest"]) == (None, None, None)


async def test_without_a_root_there_are_no_devices(tmp_path: Path) -> None:
    assert (await client(tmp_path / "nowhere").json("/api/host/devices"))["devices"] == []


async def test_every_answer_has_its_published_shape(root: Path) -> None:
    for kind, name in KINDS.items():
        write(root / "capture1" / kind / name.format(1), NOW)
        write(root / "capture1" / kind / "14" / name.format(0), NOW - 60)
    asked = client(root)
    Devices.model_validate(await asked.json("/api/host/devices"))
    Heatmap.model_validate(await asked.json("/api/host/heatmap/capture1"))
    Hour.model_validate(await asked.json("/api/host/thumbnails/capture1/14"))
    Hot.model_validate(await asked.json("/host/stream/capture1/thumbnails/"))
    found = await asked.ask("/api/host/screenshot/capture1", headers={"accept": "application/json"})
    Screenshot.model_validate(found.json())


async def test_health_is_said_in_one_word(root: Path) -> None:
    found = await client(root).ask("/healthz")
    assert (found.status, found.body, found.headers["cache-control"]) == (200, b"ok\n", "no-store")


async def test_the_metrics_count_by_route_and_not_by_path(root: Path) -> None:
    write(root / "capture1" / "captures" / "capture_1.jpg", NOW)
    registry = CollectorRegistry()
    asked = client(root, registry=registry)
    for number in range(5):
        await asked.ask(f"/host/stream/capture1/captures/capture_{number}.jpg")
        await asked.ask(f"/nowhere/{number}")
    await asked.ask("/host/stream/capture1/captures/capture_1.jpg", method="HEAD")
    await asked.ask("/healthz", headers={"host": "elsewhere"})

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    route = "/host/stream/{device}/{kind}/{name}"
    assert value("hotcold_http_requests_total", route=route, status="200") == 2
    assert value("hotcold_http_requests_total", route=route, status="404") == 4
    assert value("hotcold_http_requests_total", route="other", status="404") == 5
    assert value("hotcold_http_requests_total", route="other", status="421") == 1
    assert value("hotcold_http_request_duration_seconds_count", route=route) == 6
    sent = value("hotcold_http_sent_bytes_total", route=route) or 0.0
    assert 16 <= sent <= 16 + 4 * len('{"error":"no such file"}')  # HEAD sends none
    text = (await asked.ask("/metrics")).body.decode()
    assert "hotcold_build_info{version=" in text
    assert "_created" not in text
    assert "capture_1" not in text


async def test_a_failure_is_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_args: object) -> None:
        raise OSError(5, "Input/output error")

    registry = CollectorRegistry()
    asked = client(root, registry=registry)
    monkeypatch.setattr("hotcold_inotify.web.tree.Tree.hot", failing)
    await asked.ask("/host/stream/capture1/captures/", fails=True)
    labels = {"route": "/host/stream/{device}/{kind}/", "status": "500"}
    assert registry.get_sample_value("hotcold_http_requests_total", labels) == 1


async def test_the_description_names_every_path_but_the_pages(root: Path) -> None:
    found = await client(root).json("/openapi.json")
    assert set(found["paths"]) == {
        "/api/host/devices",
        "/api/host/events/{device}",
        "/api/host/heatmap/{device}",
        "/api/host/playlist/{device}.m3u8",
        "/api/host/screenshot/{device}",
        "/api/host/{kind}/{device}/{hour}",
        "/healthz",
        "/host/stream/{device}/{kind}/",
        "/host/stream/{device}/{kind}/{hour}/{name}",
        "/host/stream/{device}/{kind}/{name}",
        "/metrics",
        "/openapi.json",
    }


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/api", "/api/host", "/host/stream", "/host/stream/capture1/"])
async def test_what_is_no_path_of_ours_is_not_there(root: Path, path: str) -> None:
    found = await client(root).ask(path)
    assert (found.status, found.json()) == (404, {"error": "not found"})


@pytest.mark.parametrize("name", ["..", "nothing.js", "../index.html", ".", "\0", "x" * 255])
async def test_the_pages_files_are_those_of_its_folder(root: Path, name: str) -> None:
    assert (await client(root).ask(f"/assets/{name}")).status in (404, 422)
