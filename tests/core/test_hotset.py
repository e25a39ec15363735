from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hotcold_inotify.hotset import HotSet
from hotcold_inotify.names import FileName

# Few names, so that they come again.
names = st.integers(0, 12).map(lambda number: FileName(f"segment_{number}.ts", number, 0))


def name(number: int) -> FileName:
    return FileName(f"segment_{number}.ts", number, 0)


def drained(hot: HotSet) -> list[int]:
    left = []
    while (oldest := hot.overflow()) is not None:
        left.append(oldest.number)
    return left


def test_the_oldest_leaves_first_and_only_beyond_the_limit() -> None:
    hot = HotSet(2)
    for number in (5, 3, 9, 1):
        hot.add(name(number))
    assert drained(hot) == [5, 3]
    assert [one.number for one in hot] == [9, 1]


def test_a_name_that_is_finished_again_counts_once_and_is_the_newest() -> None:
    hot = HotSet(2)
    for number in (1, 2, 1, 3):
        hot.add(name(number))
    assert len(hot) == 3
    assert drained(hot) == [2]


def test_the_newest_are_those_that_stay() -> None:
    hot = HotSet(2)
    hot.add(name(5))
    assert [one.number for one in hot.newest()] == [5]
    for number in (3, 9, 1):
        hot.add(name(number))
    assert [one.number for one in hot.newest()] == [1, 9]
    assert len(hot) == 4, "nothing is taken out"


class HotSetAgainstAList(RuleBasedStateMachine):
    """A plain list is the model: oldest first, each name once."""

    @initialize(limit=st.integers(1, 5))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.hot = HotSet(limit)
        self.model: list[FileName] = []

    @rule(one=names)
    def finished(self, one: FileName) -> None:
        self.model = [*(other for other in self.model if other != one), one]
        self.hot.add(one)

    @rule(one=names)
    def deleted(self, one: FileName) -> None:
        self.model = [other for other in self.model if other != one]
        self.hot.discard(one.text)

    @rule(found=st.lists(names, unique=True))
    def looked(self, found: list[FileName]) -> None:
        self.model = found
        self.hot.replace(iter(found))

    @rule()
    def i3_settled(self) -> None:
        left = []
        while (one := self.hot.overflow()) is not None:
            left.append(one)
        beyond = max(0, len(self.model) - self.limit)
        assert left == self.model[:beyond]
        assert len(self.hot) <= self.limit
        self.model = self.model[beyond:]

    @invariant()
    def the_same_names_in_the_same_order(self) -> None:
        if hasattr(self, "hot"):
            assert list(self.hot) == self.model
            assert len(self.hot) == len(self.model)
            assert all(one.text in self.hot for one in self.model)
            assert "segment_99.ts" not in self.hot


HotSetAgainstAList.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
test_i3_the_hot_set_against_a_list: Any = HotSetAgainstAList.TestCase


def test_a_name_that_is_known_need_not_be_parsed_again() -> None:
    hot = HotSet(1)
    hot.add(name(1))
    assert hot.get(name(1).text) == name(1)
    assert hot.get(name(2).text) is None
