from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotcold_inotify.brake import BUILT_YEAR, Brake

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
HOUR = 3_600.0
DAY = 86_400.0


class Machine:
    """Both clocks of a machine and a brake that looks at them."""

    def __init__(self, wall: float = NOON, brake: Brake | None = None) -> None:
        self.wall = wall
        self.boottime = 5.0
        self.brake = brake or Brake()
        self.believed = self.look()

    def look(self) -> bool:
        self.believed = self.brake.observe(self.wall, self.boottime)
        return self.believed

    def set(self, wall: float) -> bool:
        self.wall = wall
        return self.look()

    def run(self, seconds: float, pace: float = 1.0, every: float = 30.0) -> bool:
        """Let time pass, looking now and then; `pace` is the wall clock's."""
        end = self.boottime + seconds
        while self.boottime < end:
            passed = min(every, end - self.boottime)
            self.boottime += passed
            self.wall += passed * pace
            self.look()
        return self.believed


def year(number: int) -> float:
    return datetime(number, 6, 1, tzinfo=UTC).timestamp()


def test_i6_a_steady_clock_is_believed_from_the_first_look() -> None:
    machine = Machine()
    assert machine.believed
    assert machine.brake.reason is None
    assert machine.run(2 * DAY, every=600)
    assert machine.brake.reason is None


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (HOUR, "set forward by 1 h"),
        (-HOUR, "set back by 1 h"),
        (DAY, "set forward by 1 d"),
        (-DAY, "set back by 1 d"),
        (0.001 - DAY, "set back by 1 d"),
        (90.0, "set forward by 1.5 min"),
        (-61.0, "set back by 1 min"),
        (14 * DAY, "set forward by 14 d"),
    ],
)
def test_i6_a_step_puts_the_brake_on_and_says_its_size(step: float, words: str) -> None:
    machine = Machine()
    assert not machine.set(machine.wall + step)
    assert words in str(machine.brake.reason)
    assert "10 min" in str(machine.brake.reason)
    assert not machine.run(599)
    assert machine.run(1)
    assert machine.brake.reason is None


def test_a_step_within_the_tolerance_is_none() -> None:
    machine = Machine()
    assert machine.set(machine.wall + 60)
    machine = Machine()
    assert machine.set(machine.wall - 60)


def test_i6_small_steps_do_not_add_up_unseen() -> None:
    machine = Machine()
    assert machine.set(machine.wall + 50)
    assert machine.run(10)
    assert not machine.set(machine.wall + 50)


@pytest.mark.parametrize(
    ("wrong", "shown"), [(0.0, "1970"), (year(2099), "2099"), (-1e18, "1"), (1e18, "9999"), (year(2025), "2025")]
)
def test_i6_there_and_back_again_takes_the_hold_from_the_second_step(wrong: float, shown: str) -> None:
    machine = Machine()
    assert not machine.set(wrong)
    assert f"the year {shown}," in str(machine.brake.reason)
    assert not machine.run(2 * HOUR), "a wrong year is never believed, however steady"
    assert not machine.set(NOON + 2 * HOUR)
    assert "set " in str(machine.brake.reason)
    assert not machine.run(599)
    assert machine.run(1)


def test_i6_a_further_step_restarts_the_hold() -> None:
    machine = Machine()
    assert not machine.set(machine.wall + HOUR)
    assert not machine.run(500)
    assert not machine.set(machine.wall - HOUR)
    assert "set back" in str(machine.brake.reason)
    assert not machine.run(599)
    assert machine.run(1)


def test_i6_a_start_without_a_set_clock_holds_from_the_moment_it_is_set() -> None:
    machine = Machine(wall=20.0)
    assert not machine.believed
    assert "the year 1970" in str(machine.brake.reason)
    assert not machine.run(1_000)
    assert not machine.set(NOON)
    assert not machine.run(599)
    assert machine.run(1)


def test_i6_walking_into_a_believable_year_takes_the_hold_too() -> None:
    new_year = datetime(BUILT_YEAR, 1, 1, tzinfo=UTC).timestamp()
    machine = Machine(wall=new_year - 60)
    assert not machine.run(30)
    assert not machine.run(599), "counted from the last look that showed a wrong year"
    assert machine.run(1)


@pytest.mark.parametrize(("number", "believed"), [(2025, False), (2026, True), (2051, True), (2052, False)])
def test_i6_which_years_are_believed(number: int, believed: bool) -> None:
    assert Machine(wall=year(number)).believed is believed


def test_a_wrong_year_is_not_believed_without_a_hold_either() -> None:
    machine = Machine(wall=0.0, brake=Brake(hold=0.0))
    assert not machine.believed
    assert "for 0 s" in str(machine.brake.reason)
    assert machine.set(NOON)


@pytest.mark.parametrize("pace", [1.0005, 0.9995, 1 + 1 / 12, 1 - 1 / 12])
def test_a_slow_correction_by_a_time_server_is_no_step(pace: float) -> None:
    machine = Machine()
    for _ in range(200):
        assert machine.run(60, pace=pace)
    assert abs(machine.wall - NOON - 12_000) > 5, "else this shows nothing"


def test_a_clock_that_races_is_stepping() -> None:
    assert not Machine().run(300, pace=1.5)


def test_suspend_is_no_step() -> None:
    machine = Machine()
    assert machine.run(3 * DAY, every=3 * DAY)


def test_hold_and_tolerance_act() -> None:
    machine = Machine(brake=Brake(hold=10.0, tolerance=5.0))
    assert not machine.set(machine.wall + 6)
    assert "6 s" in str(machine.brake.reason)
    assert machine.run(10, every=5)


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 2_000), st.sampled_from([0.0, 0.0, HOUR, -HOUR, DAY, -DAY, 70.0])), max_size=20
    )
)
def test_i6_believed_exactly_when_no_step_was_seen_for_the_hold(steps: list[tuple[float, float]]) -> None:
    machine = Machine()
    stepped: float | None = None
    for wait, step in steps:
        machine.boottime += wait
        machine.wall += wait + step
        if step:
            stepped = machine.boottime
        believed = machine.look()
        assert believed is (stepped is None or machine.boottime - stepped >= 600)
        assert (machine.brake.reason is None) is believed


def test_i6_what_was_finished_before_a_step_is_as_old_as_it_is() -> None:
    machine = Machine()
    machine.run(HOUR)
    early, late = NOON + 60, NOON + HOUR
    assert machine.brake.finished(early) == early
    machine.set(machine.wall + DAY)
    assert (machine.brake.finished(early), machine.brake.finished(late)) == (early + DAY, late + DAY)
    machine.run(300)
    machine.set(machine.wall - DAY)
    assert (machine.brake.finished(early), machine.brake.finished(late)) == (early, late)
    assert machine.brake.finished(late + DAY + 200) == late + 200, "of the five minutes ahead"


def test_i6_of_two_times_that_an_mtime_may_mean_the_later_counts() -> None:
    machine = Machine()
    machine.run(2 * HOUR)
    machine.set(machine.wall - HOUR)
    machine.run(600)
    machine.set(machine.wall + HOUR)
    behind = NOON + HOUR + 300
    assert machine.brake.finished(behind) == behind + HOUR, "of the first hour, or of the ten minutes"
    assert machine.brake.finished(NOON + 300) == NOON + 300
    assert machine.brake.finished(machine.wall) == machine.wall
    assert machine.brake.finished(NOON - DAY) == NOON - DAY, "of before boot"


def test_i6_what_is_of_before_the_clock_was_set() -> None:
    machine = Machine(wall=20.0)
    machine.run(40)
    machine.set(NOON)
    assert machine.brake.finished(30.0) == pytest.approx(NOON - 30)


def test_a_step_is_forgotten_after_days() -> None:
    machine = Machine()
    machine.run(HOUR)
    machine.set(machine.wall + HOUR)
    machine.run(3 * DAY, every=HOUR)
    assert machine.brake.finished(NOON + 300) == NOON + 300 + HOUR
    machine.set(machine.wall + HOUR)
    assert machine.brake.finished(NOON + 300) == NOON + 300


def test_a_clock_that_steps_all_the_time_fills_no_memory() -> None:
    machine = Machine()
    for _ in range(200):
        machine.run(60)
        machine.set(machine.wall + 120)
    assert len(machine.brake._shown) == 64
    assert machine.brake.finished(NOON + 30) >= NOON + 30 + 200 * 120, "those of the first steps seem younger, at most"


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 90_000), st.sampled_from([0.0, 0.0, HOUR, -HOUR, DAY, -DAY, 70.0, -1e9])), max_size=20
    ),
    pauses=st.lists(st.floats(0, 60), min_size=20, max_size=20),
)
def test_i6_no_file_is_taken_for_older_than_it_is(steps: list[tuple[float, float]], pauses: list[float]) -> None:
    """Files that are finished at any moment between two looks, before and after the step that comes between these."""
    machine = Machine()
    born: list[tuple[float, float]] = []  # mtime, boottime
    for (wait, step), pause in zip(steps, pauses, strict=False):
        machine.run(wait, every=3_600)
        machine.boottime += pause
        machine.wall += pause
        born.append((machine.wall, machine.boottime))
        machine.wall += step
        born.append((machine.wall, machine.boottime))
        machine.look()
        for mtime, boottime in born:
            if machine.boottime - boottime < 3 * DAY - HOUR:
                age = machine.boottime - boottime
                assert machine.wall - machine.brake.finished(mtime) <= age + 1
