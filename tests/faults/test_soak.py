"""A day and more in minutes, with all that goes wrong in it: nothing is lost, and the reactor does not grow.

`HOTCOLD_TURNS=30 HOTCOLD_SEED=2 pytest tests/faults/test_soak.py -s` is a day and a quarter; without a seed one is
drawn.
"""

import itertools
import os
import random
import statistics
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.soaking import OTHERS, RESTARTS, Sample, Soak

TURNS = int(os.environ.get("HOTCOLD_TURNS", "4"))
SEED = int(os.environ.get("HOTCOLD_SEED", "1"))
# Bytes that an allocator keeps are no leak; a file that were remembered for good would be some hundred of them.
_GROWTH_KIB = 4096


def story(turns: int, draw: random.Random) -> list[list[str]]:
    """What happens in each hour. It restarts in the first third and the last hour: one reactor lives long."""
    deck: list[str] = []
    hours: list[list[str]] = []
    for turn in range(turns):
        if len(deck) < 2:
            deck += draw.sample(OTHERS, len(OTHERS))
        hours.append([deck.pop(), deck.pop()])
        if turn == turns - 1 or turn < max(1, turns // 3):
            hours[-1].insert(draw.randrange(3), RESTARTS[turn % 2])
    return hours


@pytest.mark.timeout(60 + 30 * TURNS)
def test_a_day_of_troubles_loses_nothing_and_leaks_nothing(tmp_path: Path) -> None:
    print(f"HOTCOLD_SEED={SEED} HOTCOLD_TURNS={TURNS}")  # noqa: T201 - brings the same story back
    hours = story(TURNS, random.Random(SEED))
    soak = Soak(tmp_path, random.Random(SEED))
    try:
        for number, incidents in enumerate(hours):
            soak.turn(incidents)
            assert not soak.wrong, "\n".join([f"seed {SEED}, hour {number}: {incidents}", *soak.wrong[:20]])
    finally:
        soak.close()
    assert soak.happened == Counter(itertools.chain(*hours))
    flat(soak.samples)
    print(f"{soak.closed} files, {dict(soak.happened)}, normal after {soak.slowest:.1f} s at most")  # noqa: T201


def flat(samples: list[Sample]) -> None:
    """The longest life of one reactor: what it holds in its last third is what it held in its first."""
    lives = {pid: [sample for sample in samples if sample.pid == pid] for pid in {sample.pid for sample in samples}}
    life = max(lives.values(), key=len)
    third = max(1, len(life) // 3)
    first, last = life[:third], life[-third:]
    resident = [round(statistics.mean(one.resident_kib for one in part)) for part in (first, last)]
    descriptors = [min(one.descriptors for one in part) for part in (first, last)]
    print(f"{len(life)} hours without restart: RSS {resident} KiB, descriptors {descriptors}")  # noqa: T201
    assert len(life) >= 2
    assert descriptors[0] == descriptors[1], [one.descriptors for one in life]
    assert resident[1] - resident[0] < _GROWTH_KIB, [one.resident_kib for one in life]
