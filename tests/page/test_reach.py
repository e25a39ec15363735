"""Who can use the page: without a mouse, without seeing it, with weak eyes, on a phone."""

import re
from typing import Final

import pytest

from tests.page.conftest import Look, Stack
from tests.page.history import MINUTE
from tests.page.looking import Watched

PHONE: Final = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True}

# Each visible text against the colours that lie under it (WCAG 2.2, 1.4.3): 4.5 to 1, or 3 to 1 where it is large.
# What is disabled is exempt there.
CONTRAST: Final = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const read = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
    };
    const over = (top, under) => [0, 1, 2].map((each) => top[each] * top[3] + under[each] * (1 - top[3]));
    const light = (colour) => {
        const [red, green, blue] = colour.map((part) => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ground = (element) => {
        const layers = [];
        for (let each = element; each !== null; each = each.parentElement) {
            const colour = read(getComputedStyle(each).backgroundColor);
            layers.push(colour);
            if (colour[3] === 1) break;
        }
        return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
    };
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode.textContent.trim(), element = texts.currentNode.parentElement;
        if (text === "" || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        if (element.closest("option, .visually-hidden, .skip, :disabled, [aria-disabled=true]")) continue;
        const style = getComputedStyle(element), size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        const under = ground(element);
        const [dark, bright] = [light(over(read(style.color), under)), light(under)].sort((a, b) => a - b);
        found.push({ text, ratio: (bright + 0.05) / (dark + 0.05), wanted: large ? 3 : 4.5 });
    }
    return found;
}"""

# What is no text and must be seen (1.4.11): 3 to 1.
TOKENS: Final = """() => {
    const style = getComputedStyle(document.documentElement);
    const light = (name) => {
        const parts = style.getPropertyValue(name).trim().slice(1).match(/../g).map((part) => parseInt(part, 16) / 255);
        const [red, green, blue] = parts.map((share) =>
            share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    return Object.fromEntries([
        ["--edge", "--panel"], ["--accent", "--panel"], ["--accent", "--ground"], ["--gap-edge", "--gap"],
        ["--good", "--panel"], ["--text", "--panel"], ["--black-edge", "--panel"],
    ].map(([one, other]) => {
        const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
        return [`${one} on ${other}`, (bright + 0.05) / (dark + 0.05)];
    }));
}"""

# Targets (2.5.8): 24 by 24 pixels, but for links in a text.
SMALL: Final = """() => [...document.querySelectorAll("button, select, input, a")]
    .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.matches(".skip, .tile a"))
    .map((each) => ({ name: each.ariaLabel ?? each.textContent, ...each.getBoundingClientRect().toJSON() }))
    .filter(({ width, height }) => width < 24 || height < 24)"""


def focused(seen: Watched) -> str:
    """The time of the minute that has the focus; empty: none has it."""
    return str(seen.page.evaluate("() => document.activeElement?.dataset.time ?? ''"))


def test_the_day_is_walked_by_the_arrows_and_the_space_bar_plays(stack: Stack, look: Look) -> None:
    seen = look()
    seen.open_device(stack.url, "capture1")
    stops = 0
    while not focused(seen):
        seen.page.keyboard.press("Tab")
        stops += 1
        assert stops < 30
    start = seen.page.evaluate("() => Date.parse(document.activeElement.dataset.time)")

    def moved(key: str) -> float:
        seen.page.keyboard.press(key)
        at = seen.page.evaluate("() => Date.parse(document.activeElement.dataset.time)")
        return float(at - start) / 60_000

    assert moved("ArrowLeft") == -1
    assert moved("ArrowUp") == -61
    assert seen.by("preview-time").is_visible()
    seen.shot("day-keyboard-light")
    assert moved("ArrowRight") == -60
    assert moved("ArrowDown") == 0
    for _ in range(3):  # nobody goes into what is still to come
        moved("ArrowRight")
    assert seen.page.evaluate("() => document.activeElement.ariaCurrent") == "time"
    start = seen.page.evaluate("() => Date.parse(document.activeElement.dataset.time)")
    minute = stack.past.before_gap.start
    cell = seen.minute(minute)
    for _ in range(round((start / 1000 - minute) / MINUTE)):
        seen.page.keyboard.press("ArrowLeft")
    assert cell.evaluate("(cell) => cell === document.activeElement")
    seen.page.keyboard.press("Enter")
    seen.playing(lambda shown: shown.agrees and not shown.paused, "the minute")
    assert cell.get_attribute("aria-selected") == "true"
    seen.page.keyboard.press("Space")
    seen.playing(lambda shown: shown.paused, "it to stand still")
    seen.page.keyboard.press("Space")
    seen.playing(lambda shown: not shown.paused, "it to go on")
    seen.page.keyboard.press("Tab")
    assert not focused(seen)  # one stop in the tab order, not 1,440


def test_every_control_and_picture_has_a_name_and_each_view_one_heading(stack: Stack, look: Look) -> None:
    seen = look()
    tree = ""
    for path, wanted in (
        ("/", ('heading "Devices" [level=1]', 'list "Files in the hot folders"|term', "listitem", "banner")),
        (
            "/#/device/capture1",
            (
                'heading "capture1" [level=1]',
                'heading "Last 24 hours" [level=2]',
                'region "Player"',
                'group "Player controls"',
                'grid "The last 24 hours, a cell a minute, a row an hour"',
                'button "Pause"',
                'combobox "Another device"',
                'list "What the cells mean"',
            ),
        ),
    ):
        seen.page.goto("about:blank")
        if path == "/":
            seen.page.goto(stack.url)
            seen.until("pictures", seen.by("picture").first.is_visible)
        else:
            seen.open_device(stack.url, "capture1")
            seen.playing(lambda shown: not shown.paused, "live video")
        tree = seen.page.locator("body").aria_snapshot()
        for line in wanted:
            assert any(each in tree for each in line.split("|")), line
        nameless = re.findall(  # lines without a name in quotes
            r"^\s*- (?:button|link|textbox|combobox|img|grid|gridcell|checkbox)(?: \[.*\])?:?$", tree, re.MULTILINE
        )
        assert not nameless
        assert tree.count("[level=1]") == 1
    assert tree.count('gridcell "') == 1440
    assert tree.count('rowheader "') == 24


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.timeout(90)
def test_text_and_controls_stand_out_from_what_they_stand_on(stack: Stack, look: Look, scheme: str) -> None:
    seen = look(color_scheme=scheme)
    seen.page.goto(stack.url)
    seen.until("the tiles", lambda: seen.by("tile").count() == 4)
    complaints = seen.page.locator('[data-device="capture2"] [data-incident]')
    seen.until("something that is complained about", lambda: complaints.count() > 0)
    texts = seen.page.evaluate(CONTRAST)
    seen.open_device(stack.url, "capture1")
    seen.playing(lambda shown: shown.agrees and not shown.paused, "live video")
    seen.minute(stack.past.before_gap.start).hover()
    texts += seen.page.evaluate(CONTRAST)
    seen.minute(stack.past.before_gap.end).click()
    seen.by("play-next").wait_for()
    texts += seen.page.evaluate(CONTRAST)
    seen.by("play-next").click()
    seen.playing(lambda shown: shown.agrees and not shown.paused, "the recording")
    texts += seen.page.evaluate(CONTRAST)
    seen.open_device(stack.url, "capture4")
    seen.page.locator('[data-testid="notice"][data-sort="stale"]').wait_for()
    texts += seen.page.evaluate(CONTRAST)
    words = {text["text"] for text in texts}
    assert {"Devices", "black picture", "Live", "Recorded", "capture4 is stale", "Last 24 hours"} <= words
    assert not [text for text in texts if text["ratio"] < text["wanted"]]
    tokens = seen.page.evaluate(TOKENS)
    assert not {pair: ratio for pair, ratio in tokens.items() if ratio < 3}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(stack: Stack, look: Look, scheme: str) -> None:
    seen = look(color_scheme=scheme, **PHONE)

    def narrow() -> bool:
        sizes = seen.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
        return bool(sizes[0] <= sizes[1] == 390)

    seen.page.goto(stack.url)
    seen.until("pictures", seen.by("picture").first.is_visible)
    assert narrow()
    assert not seen.page.evaluate(SMALL)
    seen.shot(f"phone-devices-{scheme}", whole=True)
    seen.open_device(stack.url, "capture1")
    seen.playing(lambda shown: shown.agrees and not shown.paused, "live video")
    assert narrow()
    assert not seen.page.evaluate(SMALL)
    seen.shot(f"phone-live-{scheme}", whole=True)
    minute = stack.past.before_gap.start
    seen.minute(minute).tap()
    seen.playing(lambda shown: shown.agrees and (shown.clock or 0) < (minute + MINUTE) * 1000, "the minute")
    assert narrow()
    assert not seen.page.evaluate(SMALL)
    seen.shot(f"phone-archive-{scheme}", whole=True)
    seen.by("picture-of-moment").click()
    seen.until("the picture", lambda: "180" in seen.by("still-said").inner_text())
    assert narrow()
    seen.shot(f"phone-still-{scheme}")
