"""Runs killed with SIGKILL, all their processes at once: what is stored stays, and the same command ends as if nothing
had happened."""

from __future__ import annotations

import random
import signal
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from command_processes import Home, side_by_side, wait_until

PHASES = {"training": 27, "checkpoint": 88, "record": 53, "cache": 45, "report": 22}
"""Where a run is killed, and at most at which operation (of a training: step) of a process there."""


def check(home: Home, undisturbed: Home, *, damaged: bool = False) -> None:
    """The same bits, each computed once it was not stored, from its newest checkpoint; nothing left half-written."""
    assert len(undisturbed.records()) == 5
    assert home.records() == undisturbed.records()
    begun: dict[str, int] = {}
    for line in home.noted():
        assert damaged or not line.get("stored"), line
        if line["did"] == "train":
            begun[line["key"]] = line["newest"]
        if line["did"] == "start":
            assert damaged or line["step"] == begun[line["key"]], line
    assert home.left() == []
    assert list(home.runs.glob("checkpoints/*")) == []
    assert damaged or list(home.runs.glob("damaged/*")) == []
    assert list(home.runs.glob("failures/*")) == []
    for page in ("deep-table1-smoke.html", "index.html"):
        assert (home.out / page).read_text().rstrip().endswith("</html>")
    assert (home.out / "deep-table1-smoke.md").exists()


def besiege(home: Home, draw: random.Random, kills: int, jobs: str, **how: bool) -> Counter[str]:
    """Run, be killed, run again, until the end or so many kills; how often it was killed in which phase."""
    tally: Counter[str] = Counter()
    while tally.total() < kills:
        phase = draw.choice([*PHASES])
        kill = {"kill_in": phase, "kill_at": draw.randint(1, PHASES[phase]), "wait": draw.random() < 0.5}
        before = home.stamps()
        end = home.run("--jobs", jobs, **kill, delay=0.0 if kill["wait"] else draw.uniform(0, 0.03), **how)
        assert before.items() <= home.stamps().items()
        if end.code == 0:
            break
        assert end.code == -signal.SIGKILL, end.output
        tally[phase] += 1
    end = home.run("--jobs", jobs)
    assert end.code == 0, end.output
    return tally


@pytest.mark.parametrize(("phase", "at", "jobs"), [("checkpoint", 22, "2"), ("record", 33, "1")])
def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path: Path, undisturbed: Home, phase: str, at: int, jobs: str):
    home = Home(tmp_path).make()
    end = home.run("--jobs", jobs, kill_in=phase, kill_at=at)
    assert end.code == -signal.SIGKILL, end.output
    assert home.left()
    stored = home.stamps()
    assert len(stored) < 5
    end = home.run("--jobs", jobs)
    assert end.code == 0, end.output
    assert stored.items() <= home.stamps().items()
    check(home, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_fifty_kills_at_random_moments(tmp_path: Path, undisturbed: Home, jobs: str) -> None:
    """25 with one worker, 25 with two: five stores, each with five kills or killed until it was done."""

    def attack(store: int) -> Counter[str]:
        draw, tally, number = random.Random(f"{jobs} {store}"), Counter[str](), 0
        while tally.total() < 5:
            number += 1
            home = Home(tmp_path / f"{store}-{number}").make()
            tally += besiege(home, draw, 5 - tally.total(), jobs)
            check(home, undisturbed)
        tally["stores"] = number
        return tally

    tally = sum(side_by_side([partial(attack, store) for store in range(5)]), Counter[str]())
    print(f"{jobs} workers: {dict(tally)}")
    assert tally.total() - tally["stores"] == 25


@pytest.mark.slow
def test_kills_of_a_run_as_users_start_it(tmp_path: Path, undisturbed: Home) -> None:
    """Workers that were spawned, not forked."""
    home = Home(tmp_path).make()
    tally = besiege(home, random.Random(1), 6, "2", spawned=True)
    check(home, undisturbed)
    print(f"spawned: {dict(tally)}")


@pytest.mark.parametrize("runners", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_of_runners_on_one_store_one_is_killed_while_it_holds_a_lock(
    tmp_path: Path, undisturbed: Home, runners: int
) -> None:
    home = Home(tmp_path).make()
    words = home.words("run", "--jobs", "1")
    first = home.start(*words, kill_in="checkpoint", kill_at=21)
    wait_until(lambda: any(line["did"] == "start" for line in home.noted()))
    others = [home.start(*words) for _ in range(runners - 1)]
    assert first.end().code == -signal.SIGKILL
    for other in others:
        end = other.end()
        assert end.code == 0, end.output
    check(home, undisturbed)
    started = Counter(line["key"] for line in home.noted() if line["did"] == "start")
    evaluated = Counter(line["key"] for line in home.noted() if line["did"] == "evaluate")
    # what the killed one was at is begun twice, everything else once
    assert sorted(started.values()) == [1, 1, 2]
    assert sorted(evaluated.values()) == [1, 1]
