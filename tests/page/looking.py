"""A browser page that is watched: whatever it complains about, and whatever it is refused, fails the test."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
from playwright.sync_api import Locator, Page, Response

T = TypeVar("T")

# The page's clock goes four times a second, the strip has whole seconds; what is beyond this is another moment.
NEAR_MS: Final = 1600

_STRIP: Final = """(element) => {
    const width = element.videoWidth || element.naturalWidth, height = element.videoHeight || element.naturalHeight;
    if (!width || (element.tagName === "VIDEO" && element.readyState < 2)) return null;
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(element, 0, 0);
    let seconds = 0;
    for (let box = 0; box < 32; box++) {
        const [red, green, blue] = context.getImageData(((box + 0.5) * width) / 32, (height * 35) / 36, 1, 1).data;
        seconds = seconds * 2 + (red + green + blue > 382 ? 1 : 0);
    }
    return seconds * 1000;
}"""
_SHOWN: Final = f"""() => {{
    const video = document.querySelector("[data-testid=video]"), strip = {_STRIP};
    if (video === null) return null;
    const clock = document.querySelector("[data-testid=clock]").dataset.ms;
    return {{
        strip: strip(video), clock: clock === undefined ? null : Number(clock), position: video.currentTime,
        paused: video.paused, held: !document.querySelector(".held").hidden,
        segment: document.querySelector("[data-testid=save-segment]").getAttribute("href"),
        message: document.querySelector("[data-testid=message]").textContent,
    }};
}}"""


@attrs.frozen
class Shown:
    """What a player shows, in milliseconds since 1970: `strip` is burnt into the picture, `clock` the page says."""

    strip: int | None
    clock: float | None
    position: float
    paused: bool
    held: bool
    segment: str | None
    message: str

    @property
    def agrees(self) -> bool:
        """Whether the picture is the one of the moment that the page says."""
        if self.strip is None or self.clock is None or self.held:
            return False
        return -NEAR_MS <= self.clock - (self.strip + 500) <= NEAR_MS


@attrs.define(slots=False)  # playwright marks whoever listens
class Watched:
    """A page and its troubles."""

    page: Page
    pictures: Path
    troubles: list[str] = attrs.Factory(list)
    _forgiven: list[re.Pattern[str]] = attrs.Factory(list)

    def __attrs_post_init__(self) -> None:
        self.page.on("response", self._answered)
        self.page.on("console", lambda said: self._said(said.type, said.text, said.location))
        self.page.on("pageerror", lambda error: self.troubles.append(f"uncaught: {error}"))

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.troubles.append(f"{response.status} {response.url}")

    def _said(self, kind: str, text: str, location: Any) -> None:
        if kind in {"error", "warning"}:
            self.troubles.append(f"console {kind}: {text} ({location.get('url', '')})")

    def forgive(self, pattern: str) -> None:
        """A trouble that the test makes itself."""
        self._forgiven.append(re.compile(pattern))

    @property
    def unforgiven(self) -> list[str]:
        return [trouble for trouble in self.troubles if not any(pattern.search(trouble) for pattern in self._forgiven)]

    def by(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def until(self, what: str, look: Callable[[], T], seconds: float = 20) -> T:
        """What `look` says as soon as that is true."""
        for _ in range(round(seconds * 20)):
            if seen := look():
                return seen
            self.page.wait_for_timeout(50)
        self.shot("failed")
        raise AssertionError(f"waited {seconds} s for: {what}; the page says {self.page.inner_text('body')!r}")

    def shown(self) -> Shown | None:
        """What the player shows; None: there is no player."""
        found = self.page.evaluate(_SHOWN)
        return None if found is None else Shown(**found)

    def strip_of(self, picture: Locator) -> int | None:
        """The time that is burnt into a picture, milliseconds since 1970."""
        seconds: int | None = picture.evaluate(_STRIP)
        return seconds

    def playing(self, holds: Callable[[Shown], bool], what: str, seconds: float = 20) -> Shown:
        """What the player shows as soon as it holds."""

        def look() -> Shown | None:
            shown = self.shown()
            return shown if shown is not None and holds(shown) else None

        try:
            return self.until(what, look, seconds)  # type: ignore[return-value]
        except AssertionError as error:
            raise AssertionError(f"{error}; the player shows {self.shown()}") from None

    def minute(self, at: float) -> Locator:
        """The cell of a minute, seconds since 1970."""
        place = self.page.evaluate(
            """(ms) => [...document.querySelectorAll("[data-testid=heatmap] [data-testid=minute]")]
                .findIndex((cell) => Date.parse(cell.dataset.time) === ms)""",
            at * 1000,
        )
        assert place >= 0, f"no cell for {at}"
        return self.by("heatmap").locator(f'[data-place="{place}"]')

    def open_device(self, url: str, device: str, at: str = "") -> None:
        self.page.goto(f"{url}/#/device/{device}{at}")
        self.await_day()

    def await_day(self) -> None:
        self.by("player").wait_for()
        self.until("the day", lambda: self.page.locator(".day-frame:not([data-loading])").count() == 1)

    def shot(self, name: str, *, whole: bool = False) -> Path:
        """Keep a picture of the page."""
        path = self.pictures / f"{name}.png"
        self.page.screenshot(path=path, full_page=whole)
        return path


def pictures_folder(otherwise: Path) -> Path:
    """Where pictures of the page are kept: $HOTCOLD_PICTURES, else a folder that goes with the test."""
    folder = Path(os.environ.get("HOTCOLD_PICTURES") or otherwise)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
