"""Tests of several processes run side by side, but one that sets a kernel parameter runs alone."""

import threading
from pathlib import Path

from tests.sharing import machine


def test_many_side_by_side_one_alone_and_nobody_overtakes_him(tmp_path: Path) -> None:
    happened: list[str] = []
    alone_waits, alone_is_in, go = threading.Event(), threading.Event(), threading.Event()

    def alone() -> None:
        alone_waits.set()
        with machine(alone=True, folder=tmp_path):
            happened.append("alone")
            alone_is_in.set()
            go.wait(10)
            happened.append("alone goes")

    def late() -> None:
        with machine(alone=False, folder=tmp_path):
            happened.append("late")

    one, two = threading.Thread(target=alone), threading.Thread(target=late)
    with machine(alone=False, folder=tmp_path):
        with machine(alone=False, folder=tmp_path):
            happened.append("two beside each other")
        one.start()
        assert alone_waits.wait(10)
        assert not alone_is_in.wait(0.1)
    assert alone_is_in.wait(10)
    two.start()
    two.join(0.1)
    assert two.is_alive(), "came in beside the one who must be alone"
    go.set()
    one.join(10)
    two.join(10)
    assert happened == ["two beside each other", "alone", "alone goes", "late"]


def test_who_waits_to_be_alone_keeps_the_others_waiting(tmp_path: Path) -> None:
    happened: list[str] = []
    done = threading.Event()

    def alone() -> None:
        with machine(alone=True, folder=tmp_path):
            happened.append("alone")

    def late() -> None:
        with machine(alone=False, folder=tmp_path):
            happened.append("late")
            done.set()

    with machine(alone=False, folder=tmp_path):
        one, two = threading.Thread(target=alone), threading.Thread(target=late)
        one.start()
        one.join(0.1)  # has the gate by now, or the order below is by chance right
        two.start()
        assert not done.wait(0.1)
    one.join(10)
    two.join(10)
    assert happened == ["alone", "late"]
