"""The comparison as a part of the benchmark: the plan is carried out, step by step."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.comparison import calls
from benchmarks.comparison.contender import ALL, REACTOR, Failed, cores
from benchmarks.comparison.findings import Findings
from benchmarks.comparison.finetime import resolution
from benchmarks.comparison.outcome import Outcome
from benchmarks.comparison.pictures import pictures
from benchmarks.comparison.plan import Step, plan
from benchmarks.comparison.round import run
from benchmarks.comparison.tables import tables
from benchmarks.comparison.targets import targets
from benchmarks.part import Part, Scene


def steps(*, quick: bool) -> int:
    """How many."""
    return len(_plan(quick=quick))


def measure(scene: Scene) -> Part:
    """Carry the plan out."""
    findings = Findings(quick=scene.quick, resolution=resolution(scene.memory, *cores()))
    findings.left_out.update({name: one.missing for name, one in ALL.items() if one.missing})
    if not findings.resolution.fine:
        findings.left_out["targets of latency"] = f"{findings.resolution}: it takes Linux 6.13 or newer"
    if calls.missing():
        findings.left_out["system calls"] = calls.missing()
    for step in _plan(quick=scene.quick):
        scene.step(str(step))
        try:
            _carry_out(step, scene.disk if step.on_disk else scene.memory, findings)
        except Failed as error:
            if REACTOR in step.contenders and not step.traced:
                raise
            findings.left_out[str(step)] = str(error)
    found = tuple(tables(findings)), tuple(targets(findings)), pictures(findings)
    return Part("Comparison", *found)


def _plan(*, quick: bool) -> list[Step]:
    return [step for step in plan(quick=quick) if not (step.traced and calls.missing())]


def _carry_out(step: Step, folder: Path, findings: Findings) -> None:
    if step.traced:
        (one,) = step.contenders
        findings.calls[one.name] = calls.counted(one, step.load, folder)
        return
    for outcome in _run(step, folder):
        findings.add(outcome, on_disk=step.on_disk)


def _run(step: Step, folder: Path) -> list[Outcome]:
    with ThreadPoolExecutor(len(step.contenders)) as side_by_side:
        return list(side_by_side.map(partial(run, load=step.load, folder=folder), step.contenders))
