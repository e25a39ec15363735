"""A long look at everything. HOTCOLD_PAGE_SECONDS says how long; ten minutes, 600, are worth it before a release."""

import os
from typing import Final

import pytest

from tests.page.conftest import Look, Stack
from tests.page.history import MINUTE
from tests.page.looking import Shown

SECONDS: Final = float(os.environ.get("HOTCOLD_PAGE_SECONDS", "10"))


@pytest.mark.timeout(SECONDS + 120)
def test_a_long_look_sees_no_refusal_and_no_error_and_its_video_never_stands_still(stack: Stack, look: Look) -> None:
    """Two windows: one stays on live video all the time, the other goes from place to place. What either of them is
    refused or complains about fails the test when `look` ends.
    """
    stays, goes = look(), look()
    answers: list[int] = []
    for watched in (stays, goes):
        watched.page.on("response", lambda response: answers.append(response.status))
    stays.open_device(stack.url, "capture1")
    stays.playing(lambda shown: shown.agrees and not shown.paused, "live video")
    past = stack.past
    rounds = 0
    began = goes.page.evaluate("() => performance.timeOrigin + performance.now()")
    while goes.page.evaluate("() => performance.timeOrigin + performance.now()") - began < SECONDS * 1000:
        before = stays.playing(
            lambda shown: shown.agrees and not shown.paused, "live video that stands still for no 5 s", 5
        )
        goes.page.goto(f"{stack.url}/#/")
        goes.until("the tiles", lambda: goes.by("tile").count() == 4)
        goes.page.wait_for_timeout(1000)
        goes.page.locator('[data-device="capture1"] a').click()
        goes.await_day()
        goes.playing(lambda shown: shown.agrees and not shown.paused, "live video")
        for minute in (past.before_gap.start, past.before_restart.start, past.after_restart.start // MINUTE * MINUTE):
            goes.minute(minute).hover()
            goes.minute(minute).click()

            def plays(shown: Shown, minute: float = minute) -> bool:
                return shown.agrees and minute - 1 <= (shown.strip or 0) / 1000 < minute + 2 * MINUTE

            goes.playing(plays, f"the minute {minute}")
            goes.page.wait_for_timeout(1500)
        goes.by("go-live").click()
        goes.playing(lambda shown: shown.agrees and not shown.paused, "live video")
        rounds += 1
        stays.playing(
            lambda shown, before=before: shown.agrees and (shown.strip or 0) > (before.strip or 0),  # type: ignore[misc]
            "live video to go on",
            5,
        )
    assert rounds >= 1
    assert len(answers) > 5 * SECONDS
    assert {200, 206} & set(answers)
    assert max(answers) < 400
    assert not stays.troubles + goes.troubles
    print(f"{rounds} rounds in {SECONDS:.0f} s, {len(answers)} answers, none of them a refusal")  # noqa: T201
