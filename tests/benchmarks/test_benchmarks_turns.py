"""What benchmarks share, and those whose answer is known."""

import importlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from repro.commands.bench import _package, located
from repro.plan.layers import multiply_adds
from repro.spec.protocol import Model


@pytest.fixture(scope="module")
def part():
    """A benchmark module by name."""
    package = _package(located())
    return lambda name: importlib.import_module(f"{package}.{name}")


def test_contenders_take_turns_after_one_to_warm_up(part):
    order = []
    took = part("turns").take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, turns=2)
    assert order == ["a", "b"] * 3
    assert [len(seconds) for seconds in took.values()] == [2, 2]


def test_a_ratio_is_the_median_of_the_turns_own(part):
    # on a machine that slows down tenfold half-way the ratio stays
    assert part("turns").ratios([1.0, 10.0, 1.0], [2.0, 20.0, 3.0]) == (2.0, (2.0, 3.0))


def test_share_of_the_floor_has_the_same_sense_for_rates_and_times(part):
    row = part("turns").Row
    assert row("x", 50.0, "images/s", floor=100.0).share == 0.5
    assert row("x", 2.0, "s", floor=1.0).share == 0.5
    assert row("x", 2.0, "s").share is None


def test_the_rate_of_a_product_is_that_of_its_multiply_adds(part):
    rate = part("turns").matmul_rate("cpu", half=False)
    a, began = torch.randn(1024, 1024), time.perf_counter()
    for _ in range(3):
        a @ a
    assert rate >= 0.5 * 3 * 1024**3 / (time.perf_counter() - began)


def test_peak_memory_counts_children(part):
    hold = "import time; held = b'x' * 200_000_000; time.sleep(1.5)"
    grow = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    seconds, code, most = part("turns").peak_memory([sys.executable, "-c", grow], stdout=subprocess.DEVNULL)
    assert code == 0
    assert seconds > 1
    assert 2e8 < most < 6e8


def test_counting_agrees_with_detectron2s_rule(part):
    # `counting` raises where the two differ; here the rule itself against a loop
    import numpy as np

    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 21, (2, 7, 5))
    truth[0, 0] = 255
    counts = part("evaluate").detectron2(prediction, truth)
    for p in range(21):
        for t in range(21):
            assert counts[p, t] == ((prediction == p) & (truth == t)).sum()


def test_operations_of_a_strategy_are_those_of_its_passes(part):
    evaluate = part("evaluate")
    model = Model(head="aspp", atrous_rates=(6, 12, 18), image_pooling=True)
    single = multiply_adds(model, 8, 97, 97)
    assert evaluate.operations(evaluate.STRATEGIES["OS=8"], 97) == single
    several = evaluate.operations(evaluate.STRATEGIES["OS=8, MS"], 97)
    assert evaluate.operations(evaluate.STRATEGIES["OS=8, MS, Flip"], 97) == 2 * several
    assert several > 7 * single


@pytest.mark.slow
def test_trainings_and_planning_grow_with_seeds_no_faster_than_linearly():
    """Calls, not seconds: six times the seeds make about six times the Python calls, less what is shared."""
    from repro.run import session
    from repro.run.session import Options
    from repro.store.store import Store

    def calls(seeds):
        options = Options(("v3/table3", "v3/table6"), "tiny", seeds, store=Path("no such store"))
        suite, counted = session.load(options), 0
        for table in options.tables:
            suite.find(table)

        def count(_frame, event, _argument):
            nonlocal counted
            counted += event == "call"

        sys.setprofile(count)
        try:
            plan = session.make_plan(options, suite, Store(options.store))
            session.work_of(plan, Store(options.store), None)
        finally:
            sys.setprofile(None)
        return counted, len(plan.trainings)

    calls(1)  # what is imported and remembered once
    (one, few), (six, many) = calls(2), calls(12)
    assert many <= 6 * few
    assert six < 6.3 * one


def test_reading_records_grows_linearly(part, tmp_path):
    from repro.store.store import Store

    suite = part("suite")

    def calls(count):
        root = tmp_path / str(count)
        suite.write(root, count)
        counted = 0

        def tally(_frame, event, _argument):
            nonlocal counted
            counted += event in ("call", "c_call")

        store = Store(root)
        list(store.records("evaluation"))
        sys.setprofile(tally)
        try:
            assert len(list(store.records("evaluation"))) == count
        finally:
            sys.setprofile(None)
        return counted

    small, large = calls(50), calls(500)
    assert large < 10.5 * small


def test_records_are_read_into_a_frame_without_torch(part, tmp_path):
    suite = part("suite")
    suite.write(tmp_path, 20)
    assert suite.read(str(tmp_path), 20) > 0
    with pytest.raises(RuntimeError, match="AssertionError"):
        suite.read(str(tmp_path), 21)


def test_a_paced_training_runs_as_many_steps_as_a_turn_allows(part):
    from repro.train.loop import StoppedError

    done = []

    def train(should_stop):
        while True:
            done.append(len(done))
            if should_stop():
                raise StoppedError

    training = part("paced").Paced(train)
    assert not done
    for turn in range(1, 4):
        training.turn(2)
        assert len(done) == 2 * turn
    training.close()
    assert len(done) == 6


def test_a_paced_training_that_fails_says_so(part):
    def train(_should_stop):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        part("paced").Paced(train).turn(1)
    with pytest.raises(RuntimeError, match="before its turns"):
        part("paced").Paced(lambda _stop: None).turn(1)
