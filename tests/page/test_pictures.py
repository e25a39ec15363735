"""The pictures that open the README, as they are made: HOTCOLD_PICTURES says where to."""

from typing import Final

import pytest

from tests.machine import CLONE
from tests.page.conftest import Look, Stack
from tests.page.looking import Shown
from tests.page.test_day import at

LARGEST: Final = 200_000


@pytest.mark.timeout(90)
def test_the_devices_and_the_day_look_like_the_pictures_in_the_readme(stack: Stack, look: Look) -> None:
    seen = look(viewport={"width": 1280, "height": 376})
    seen.page.goto(stack.url)
    seen.until("all pictures", lambda: seen.page.locator('.picture[data-shown="true"]').count() == 4)
    complaints = seen.page.locator('[data-device="capture2"] [data-incident]')
    seen.until("something that is complained about", lambda: complaints.count() == 2)
    seen.shot("readme-devices")
    last = stack.past.after_restart
    seen.page.set_viewport_size({"width": 1280, "height": 600})
    seen.open_device(stack.url, "capture1", at(last.end - 3))

    def passed(shown: Shown) -> bool:
        return shown.agrees and (shown.strip or 0) / 1000 > last.end + 10 and shown.message.startswith("Gap of ")

    seen.playing(passed, "what comes after the gap", 40)
    seen.page.locator('[data-testid="minute"][data-incidents~="frozen"]').nth(-3).hover()
    seen.until("the minute's picture", seen.by("preview-picture").is_visible)
    seen.shot("readme-day")


@pytest.mark.parametrize("name", ["devices", "day"])
def test_a_picture_of_the_readme_is_small(name: str) -> None:
    picture = (CLONE / "docs" / "pictures" / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < LARGEST
