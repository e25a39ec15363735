"""Ask for what a person would look at: screenshots, and the day's thumbnails."""

import json
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from hotcold_inotify.acceptance.asking import Answer, Client
from hotcold_inotify.acceptance.holding import Found
from hotcold_inotify.acceptance.pictures import Album, is_whole
from hotcold_inotify.checklist.day import Day, Minute, hourly
from hotcold_inotify.checklist.screenshot import Shots
from hotcold_inotify.hours import Calendar

SCREENSHOT_ROUTE: Final = "/api/host/screenshot/{device}"
_TIMES: Final = 100


def screenshots(client: Client, device: str, album: Album) -> Shots:
    """Ask a hundred times; the first refusal ends it."""
    path = SCREENSHOT_ROUTE.format(device=quote(device, safe=""))
    seconds: list[float] = []
    last, refused = b"", None
    for _ in range(_TIMES):
        answer, took = client.timed(path)
        refused = _refusal(answer)
        if answer is None or refused is not None:
            break
        if not is_whole(answer.body):
            refused = f"{client.base}{path} gave {len(answer.body)} bytes that are no whole JPEG"
            break
        seconds.append(took)
        last = answer.body
    if last:
        album.add(device, None, last)
    return Shots(device, f"{client.base}{path}", tuple(seconds), len(last), refused)


def day(client: Client, device: str, found: Found, calendar: Calendar, album: Album) -> Day:
    """A device's heatmap, and of each of its hours one thumbnail."""
    path = f"/api/host/heatmap/{quote(device, safe='')}"
    answer = client.get(path)
    refused = _refusal(answer)
    if answer is None or refused is not None:
        return Day(device, f"{client.base}{path}", 0.0, 0.0, (), found.generations, found.since, refused=refused)
    try:
        said: dict[str, Any] = json.loads(answer.body)
        start, end = _instant(said["start"]), _instant(said["end"])
        minutes = tuple(
            Minute(_instant(one["time"]), one["files"], one["thumbnail"]) for one in said["minutes"] if one["files"]
        )
    except (ValueError, KeyError, TypeError) as error:
        refused = f"{client.base}{path} gave something that is no heatmap: {type(error).__name__}: {error}"
        return Day(device, f"{client.base}{path}", 0.0, 0.0, (), found.generations, found.since, refused=refused)
    asked, broken = 0, []
    for hour, own in hourly(minutes, calendar).items():
        url = own[len(own) // 2].thumbnail
        if url is None:
            continue
        asked += 1
        thumbnail = client.get(url)
        if thumbnail is not None and thumbnail.status == 200 and is_whole(thumbnail.body):
            album.add(device, hour, thumbnail.body)
        else:
            broken.append(url)
    return Day(
        device, f"{client.base}{path}", start, end, minutes, found.generations, found.since, asked, tuple(broken)
    )


def _refusal(answer: Answer | None) -> str | None:
    if answer is None:
        return "the API does not answer: hotcold serve"
    return None if answer.status == 200 else answer.reason


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
