"""Verdicts of one seed with seed noise from reference runs: Student's t of their spread, and nothing else of theirs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from repro.judge.borrowed import misfit, with_reference
from repro.judge.claims import judge
from repro.judge.evidence import Evidence, gather
from repro.judge.heterogeneity import heterogeneity
from repro.judge.intervals import estimate, image_variance, mixed_quantile
from repro.judge.reference import ReferenceRuns
from repro.studies.pairs import better, grid_of
from repro.studies.reference_runs import PLAIN, reference_tasks, simulate_reference
from repro.studies.worlds import World, greater, table_of

CELLS = table_of(2)
A, B = (cell.id for cell in CELLS)
CLAIM = [(greater(1, 0), CELLS)]
SOURCE = "5 seeds, commit 1a2b3c4"


def runs(spread: float = 0.01, seeds: int = 5, cells: tuple[str, ...] = (A, B)) -> dict[str, ReferenceRuns]:
    """Scores around 0.5 for all cells but the first, whose scores are spread evenly."""
    steps = np.linspace(-1, 1, seeds)
    return {
        cell: ReferenceRuns({s: 0.5 + spread * float(step) * (k == 0) for s, step in enumerate(steps)}, SOURCE)
        for k, cell in enumerate(cells)
    }


def one_seed(a: float = 0.5, b: float = 0.5) -> Evidence:
    return Evidence({(A, 0): a, (B, 0): b})


@pytest.mark.parametrize("gain", [0.004, 0.02, 0.03])
def test_a_contrast_has_the_t_interval_of_the_reference_runs_spread(gain: float) -> None:
    """Against scipy: one more draw of what m draws are known of, whose own mean does not count."""
    reference = runs(spread=0.01)
    deviation = float(np.std(100 * np.array([*reference[A].scores.values()]), ddof=1))
    half = stats.t.ppf(0.975, 4) * deviation
    # the reference's second cell has 0.5 in every seed: nothing but 0.5 fits it, so the first one moves
    [result] = judge([(greater(0, 1), CELLS)], with_reference(one_seed(a=0.5 + gain), reference))
    assert result.effect is not None
    assert (result.effect.low, result.effect.high) == pytest.approx((100 * gain - half, 100 * gain + half))
    assert result.effect.dof == pytest.approx(4)
    assert result.p == pytest.approx(2 * stats.t.sf(100 * gain / deviation, 4))
    assert result.verdict == ("supported" if 100 * gain > half else "inconclusive")
    assert f"one seed; seed noise taken from reference runs ({SOURCE})" in result.sentence
    assert result.per_seed == ((0, pytest.approx(100 * gain)),)


def test_images_and_borrowed_seeds_add() -> None:
    world = World(cells=(0.0, 0.1))
    matrices = world.measure(6, np.random.default_rng(3))
    values = {(cell, s): 0.0 for cell in (A, B) for s in range(6)}
    whole = gather(values, matrices={(c, s): matrices[k, s] for k, c in enumerate((A, B)) for s in range(6)}, seed=1)
    scores = {key: float(np.diagonal(m).sum() / m.sum()) for key, m in whole.totals.items()}
    alone = Evidence({(c, 5): scores[c, 5] for c in (A, B)}, {}, *(
        {(c, 5): kept[c, 5] for c in (A, B)} for kept in (whole.replicates, whole.images)
    ))  # fmt: skip
    reference = {c: ReferenceRuns({s: scores[c, s] for s in range(5)}, SOURCE) for c in (A, B)}
    [result] = judge(CLAIM, with_reference(alone, reference))
    effect = result.effect
    assert effect is not None
    before = 100 * np.array([scores[B, s] - scores[A, s] for s in range(5)])
    rows = 100 * (alone.replicates[B, 5] - alone.replicates[A, 5])[None]
    assert effect.seed_error == pytest.approx(np.std(before, ddof=1))
    assert effect.image_error == pytest.approx(math.sqrt(image_variance(rows)))
    assert effect.standard_error == pytest.approx(math.hypot(effect.seed_error, effect.image_error))
    times = mixed_quantile(0.025, (effect.seed_error / effect.standard_error) ** 2, 4, 99)
    assert effect.high - effect.value == pytest.approx(times * effect.standard_error)
    assert effect.covers == "images and seeds"


def test_without_fitting_runs_all_stays_as_it_was() -> None:
    plain = judge(CLAIM, one_seed(b=0.6))
    assert plain[0].verdict == "inconclusive"
    for other in ({}, runs(seeds=4), {A: runs()[A]}, {"another": runs()[A]}):
        assert judge(CLAIM, with_reference(one_seed(b=0.6), other)) == plain
    # one cell's runs have no seeds in common with the other's
    shifted = {**runs(), B: ReferenceRuns({s + 9: 0.5 for s in range(5)}, SOURCE)}
    assert judge(CLAIM, with_reference(one_seed(), shifted)) == judge(CLAIM, one_seed())


def test_runs_that_do_not_vary_show_no_noise() -> None:
    still = with_reference(one_seed(), runs(spread=0.0))
    assert still.reference_seeds([A, B]) == tuple(range(5))
    [result] = judge(CLAIM, still)
    assert (result.verdict, result.reference, result.p) == ("inconclusive", "", None)


@given(st.integers(2, 6), st.integers(0, 10**6))
@settings(max_examples=20)
def test_several_seeds_of_ones_own_are_never_replaced(seeds: int, number: int) -> None:
    rng = np.random.default_rng(number)
    own = Evidence({(cell, s): float(rng.uniform(0.3, 0.7)) for cell in (A, B) for s in range(seeds)})
    assert with_reference(own, runs()) == own
    assert judge(CLAIM, replace(own, reference=runs())) == judge(CLAIM, own)


def test_scores_unlike_their_reference_runs_are_not_judged_with_them() -> None:
    reference = runs(spread=0.01)
    far = with_reference(one_seed(a=0.7), reference)
    assert far.unlike == {A: SOURCE}
    [result] = judge(CLAIM, far)
    assert (result.verdict, result.reference) == ("inconclusive", "")
    assert with_reference(one_seed(a=0.505), reference).unlike == {}


def test_one_more_run_is_seldom_called_unlike() -> None:
    """Of tables whose runs are of one kind, 1 % name a cell."""
    rng = np.random.default_rng(5)
    tables, cells = 1500, 8
    drawn = rng.normal(size=(tables, cells, 6))
    named = [any(misfit(row[0], row[1:].tolist(), cells) for row in table) for table in drawn]
    assert np.mean(named) == pytest.approx(0.01, abs=3 * math.sqrt(0.01 * 0.99 / tables))


@pytest.mark.parametrize("over", ["every", "mean"])
@settings(max_examples=30)
@given(number=st.integers(0, 10**6))
def test_intervals_say_what_verdicts_say(over: str, number: int) -> None:
    rng = np.random.default_rng(number)
    cells = grid_of(2, 3)
    truth = 0.5 + 0.02 * rng.normal(size=len(cells))
    drawn = truth[:, None] + 0.01 * rng.normal(size=(len(cells), 6))
    own = Evidence({(cell.id, 0): float(row[0]) for cell, row in zip(cells, drawn, strict=True)})
    known = {
        cell.id: ReferenceRuns(dict(enumerate(row[1:].tolist())), SOURCE)
        for cell, row in zip(cells, drawn, strict=True)
    }
    evidence = replace(own, reference=known)
    for result in judge([(better(over, 1, 0, over), cells)], evidence):
        assert result.reference == SOURCE
        sides = [
            "inside" if part.interval.low >= part.low else "outside" if part.interval.high < part.low else "across"
            for part in result.parts
            if part.interval is not None
        ]
        said = result.verdict.removesuffix(" on average")
        expected = "contradicted" if "outside" in sides else "inconclusive" if "across" in sides else "supported"
        assert said == expected


def test_pairs_of_two_comparisons_differ_as_their_difference_does() -> None:
    """With two comparisons the test is that of their difference, one run against the spread of others."""
    rng = np.random.default_rng(8)
    reference = rng.normal(size=(2, 5))
    scores = np.array([[4.0], [0.5]])
    deviation = np.std(reference[0] - reference[1], ddof=1)
    found = heterogeneity(scores, None, None, reference)
    assert found.p == pytest.approx(2 * stats.t.sf(3.5 / deviation, 4))
    with pytest.raises(ValueError, match="two of each"):
        heterogeneity(scores, None, None, reference[:, :1])


def test_estimates_of_reference_runs_are_those_of_one_seed_alone() -> None:
    with_runs = estimate(np.array([0.4]), None, None, np.array([0.5, 0.6, 0.7, 0.8, 0.9]))
    assert (with_runs.value, with_runs.seeds, with_runs.reference_seeds, with_runs.seed_dof) == (0.4, 1, 5, 4)
    assert with_runs.covers == "seeds only"


def test_simulated_worlds_are_those_that_are_asked_for() -> None:
    """A few experiments of each kind: shares are shares, and the world without noise elsewhere is the calmest."""
    chosen = {(task[0], task[1].rpartition(", ")[0]): task for task in reference_tasks(1)}
    for task in chosen.values():
        row = simulate_reference((*task[:4], 2))
        assert row.experiments == 2
    calm, wild = (simulate_reference(("borrowed", f"{PLAIN}, own seed", elsewhere, 5, 150)) for elsewhere in (0.0, 5.0))
    assert calm.supported <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)  # type: ignore[union-attr]
    assert wild.unlike > calm.unlike  # type: ignore[union-attr]
