"""Printed intervals say what verdicts say, whatever the table: every kind of claim, one seed and several."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from repro.errors import InputError
from repro.judge.claims import judge
from repro.judge.evidence import Evidence
from repro.judge.result import ClaimResult, EffectResult
from repro.judge.simultaneous import common_level
from repro.spec.claim import Claim
from repro.spec.questions import question
from repro.spec.table import Cell
from repro.studies.worlds import table_of

PAIR: dict[str, Any] = {"left": {"width": 1}, "right": {"width": 0}}


def grid(rows: int, columns: int) -> tuple[Cell, ...]:
    """Cells that set model.width by row and train.crop by column."""
    return tuple(
        Cell("made/up", r, c, f"net {r}", f"crop {c}", "miou", "measured", {"model.width": r, "train.crop": c},
             50.0, 2, f"made/up/{r}/{c}")
        for r in range(rows)
        for c in range(columns)
    )  # fmt: skip


def claims(columns: int, ends: tuple[float, float]) -> list[Claim]:
    """Every kind of claim on a grid of three rows, over every comparison and over their mean where there is one."""
    low, high = sorted(ends)
    fields: list[dict[str, Any]] = [
        {"kind": "greater", **PAIR, "margin": low},
        {"kind": "gain", **PAIR, "low": low},
        {"kind": "gain", **PAIR, "high": high},
        {"kind": "gain", **PAIR, "low": low, "high": high},
        {"kind": "equal", **PAIR, "tolerance": abs(high)},
        {"kind": "ratio", **PAIR, "low": 1 + low / 50, "high": 1 + high / 50},
        {"kind": "ratio", **PAIR, "low": 1 + low / 50},
        {"kind": "monotone", "along": "width", "direction": "increasing"},
        {"kind": "best", "left": {"width": 2, "crop": 0}, "among": {}},
        {"kind": "largest-gain-at", **PAIR, "along": "crop", "at": 0},
        {"kind": "largest-gain-at", **PAIR, "along": "crop", "at": {"any": [0, 1]}},
    ]
    made = []
    for k, field in enumerate(fields):
        for over in ("every", "mean", None):
            try:
                claim = Claim(id=f"made.c{k}.{over or 'single'}", text="", over=over, **field)
                question(claim, grid(3, columns))
            except InputError:
                continue
            made.append(claim)
    return made


def evidence(rng: np.random.Generator, cells: tuple[Cell, ...], seeds: int, images: bool) -> Evidence:
    """Scores with effects of a few points and noise from a tenth of a point to some points, unequal between cells."""
    keys = [(cell.id, seed) for cell in cells for seed in range(seeds)]
    level = dict(zip((c.id for c in cells), 0.5 + rng.normal(0, 10 ** rng.uniform(-4, -1.5), len(cells)), strict=True))
    noise = dict(zip((c.id for c in cells), 10 ** rng.uniform(-3, -2, len(cells)), strict=True))
    scores = {key: float(level[key[0]] + noise[key[0]] * rng.normal()) for key in keys}
    if not images:
        return Evidence(scores)
    shared = rng.normal(0, 10 ** rng.uniform(-4, -2), 30)
    rows = {key: scores[key] + shared + rng.normal(0, 10 ** rng.uniform(-4, -2), 30) for key in keys}
    return Evidence(scores, {}, rows, dict.fromkeys(keys, int(rng.integers(20, 500))))


def near_ends(rng: np.random.Generator, measured: Evidence, columns: int, seeds: int) -> tuple[float, float]:
    """Return ends of a range that some differences of rows 1 and 0 miss or reach by a few standard errors."""
    ends = []
    for column in rng.integers(0, columns, 2):
        gaps = [100 * (measured.values[f"made/up/1/{column}", s] - measured.values[f"made/up/0/{column}", s])
                for s in range(seeds)]  # fmt: skip
        ends.append(float(np.mean(gaps) + rng.uniform(-8, 8) * np.std(gaps, ddof=1) / math.sqrt(seeds)))
    return ends[0], ends[1]


def side(part: EffectResult) -> str:
    assert part.interval is not None
    if part.interval.low >= part.low and part.interval.high <= part.high:
        return "inside"
    return "outside" if part.interval.high < part.low or part.interval.low > part.high else "across"


def verdict_of_intervals(result: ClaimResult) -> str:
    """Read a verdict off the printed intervals alone."""
    alternatives = [
        [side(part) for part in result.parts if part.alternative == k]
        for k in sorted({part.alternative for part in result.parts})
    ]
    if any(all(place == "inside" for place in places) for places in alternatives):
        return "supported"
    return "contradicted" if all("outside" in places for places in alternatives) else "inconclusive"


def at_the_edge(result: ClaimResult) -> bool:
    """Whether p is so near to the level that rounding decides."""
    assert result.level is not None
    assert result.p is not None
    return abs(result.p / result.level - 1) < 1e-6


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 7), st.booleans(), st.integers(1, 12))
def test_a_claim_is_supported_exactly_where_every_interval_lies_inside(
    seed: int, columns: int, seeds: int, images: bool, number: int
) -> None:
    rng = np.random.default_rng(seed)
    cells = grid(3, columns)
    measured = evidence(rng, cells, seeds, images)
    declared = claims(columns, near_ends(rng, measured, columns, seeds))
    chosen = [declared[k] for k in rng.choice(len(declared), min(number, len(declared)), replace=False)]
    results = judge([(claim, cells) for claim in chosen], measured)
    assert len({result.level for result in results}) == 1
    for result in results:
        assert result.interval is not None
        if at_the_edge(result):
            continue
        verdict = result.verdict.removesuffix(" on average")
        assert verdict_of_intervals(result) == verdict, result.id
        # and the one interval that is printed in a table says the same
        assert {"supported": "inside", "contradicted": "outside"}.get(verdict, "across") == side(
            result.parts[result.decisive]
        ) or len({part.alternative for part in result.parts}) > 1, result.id
        assert result.interval.low <= result.effect.value <= result.interval.high  # type: ignore[union-attr]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(2, 4))
def test_intervals_of_scores_that_are_all_noise_stay_possible_and_decide_the_same(
    seed: int, columns: int, seeds: int
) -> None:
    """A difference of two scores lies within 100 points, one of two gains within 200, and a ratio above 0."""
    rng = np.random.default_rng(seed)
    cells = grid(3, columns)
    values = {(cell.id, s): float(rng.uniform(1e-3, 1 - 1e-3)) for cell in cells for s in range(seeds)}
    declared = [(claim, cells) for claim in claims(columns, (-20, 30))]
    for result in judge(declared, Evidence(values)):
        farthest = 200.0 if result.kind == "largest-gain-at" else 100.0
        for part in (*result.parts, *result.pairs):
            low, high = (0.0, math.inf) if result.unit == "x" else (-farthest, farthest)
            assert part.interval is not None
            for ends in (part.interval, part.estimate):
                assert low <= ends.low <= part.estimate.value <= ends.high <= high, result.id
        if not at_the_edge(result):
            assert verdict_of_intervals(result) == result.verdict.removesuffix(" on average"), result.id


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.integers(1, 3), st.booleans())
def test_one_seed_has_no_interval_of_a_test(seed: int, columns: int, images: bool) -> None:
    rng = np.random.default_rng(seed)
    cells = grid(3, columns)
    for result in judge([(c, cells) for c in claims(columns, (-1, 1))], evidence(rng, cells, 1, images)):
        assert (result.verdict, result.p, result.level, result.interval) == ("inconclusive", None, None, None)
        assert (result.shown_interval is not None) == images  # of the choice of images, and said to be that
        assert result.sentence.startswith("Inconclusive: ")
        assert "with one seed" in result.sentence


@settings(deadline=None)
@given(st.lists(st.floats(1e-9, 1, exclude_min=True), min_size=1, max_size=20))
def test_the_level_decides_as_benjamini_and_hochberg_do(p: list[float]) -> None:
    level = common_level(p)
    adjusted = stats.false_discovery_control(p)
    assert [value <= level for value in p] == [bool(q <= 0.05 + 1e-12) for q in adjusted]
    assert 0.05 / len(p) <= level <= 0.05 + 1e-12


def values(*means: float) -> Evidence:
    noise = (0.004, -0.003, 0.001, -0.004, 0.002)
    return Evidence({(f"made/up/{k}", s): m + noise[(s + k) % 5] for k, m in enumerate(means) for s in range(5)})


def test_one_claim_of_one_pair_has_the_interval_of_the_paired_t_test() -> None:
    found = values(0.50, 0.51)
    claim = Claim(id="made.up", text="", kind="greater", **PAIR)
    (result,) = judge([(claim, table_of(2))], found)
    left, right = ([100 * found.values[f"made/up/{k}", s] for s in range(5)] for k in (1, 0))
    assert result.interval == pytest.approx(stats.ttest_rel(left, right).confidence_interval(0.95))
    assert result.level == 0.05


def test_the_worst_of_many_is_wide_towards_the_claim_only() -> None:
    """Eleven rivals: the lower end is that of one comparison, the upper that of eleven (Bonferroni)."""
    claim = Claim(id="made.up", text="", kind="best", over="every", left={"width": 11}, among={})
    (result,) = judge([(claim, table_of(12))], values(*[0.5] * 10, 0.518, 0.51))
    part = result.parts[result.decisive]
    error, value = part.estimate.standard_error, part.estimate.value
    assert result.interval == pytest.approx(
        (value - stats.t.ppf(0.975, 4) * error, value + stats.t.ppf(1 - 0.025 / 11, 4) * error)
    )
    assert result.verdict == "inconclusive"
    assert part.estimate.high < 0 < part.interval.high  # type: ignore[union-attr]


def test_support_needs_no_correction_for_the_number_of_rivals() -> None:
    """Each of eleven rivals is 3.2 standard errors behind: enough for one comparison (2.78), not for eleven (5.2)."""
    claim = Claim(id="made.up", text="", kind="best", over="every", left={"width": 11}, among={})
    # a rival's noise is the leader's with the opposite sign: the error of each difference is known beforehand
    noise = np.array([0.004, -0.003, 0.001, -0.004, 0.002])
    error = 2 * noise.std(ddof=1) / np.sqrt(5)
    measured = {(f"made/up/{k}", s): 0.5 + (1 if k == 11 else -1) * noise[s] for k in range(12) for s in range(5)}
    measured |= {("made/up/11", s): 0.5 + 3.2 * error + noise[s] for s in range(5)}
    (result,) = judge([(claim, table_of(12))], Evidence(measured))
    assert result.verdict == "supported" == verdict_of_intervals(result)
    assert result.interval is not None
    assert result.interval.low == pytest.approx(100 * error * (3.2 - stats.t.ppf(0.975, 4)))
    assert result.interval.high == pytest.approx(100 * error * (3.2 + stats.t.ppf(1 - 0.025 / 11, 4)))


def test_a_wide_end_stops_where_the_test_decided() -> None:
    """Two ends, four comparisons: each lies inside by one comparison's standard, not by four's."""
    cells = grid(2, 4)
    noise = np.array([0.004, -0.003, 0.001, -0.004, 0.002])
    error = 200 * noise.std(ddof=1) / np.sqrt(5)
    measured = Evidence({(c.id, s): 0.5 + (1 - 2 * c.row) * noise[s] for c in cells for s in range(5)})
    reach = 1.1 * stats.t.ppf(0.975, 4) * error  # of four (Bonferroni) it would take 1.55 times as much
    claim = Claim(id="made.up", text="", kind="equal", tolerance=reach, over="every", **PAIR)
    (result,) = judge([(claim, cells)], measured)
    assert result.verdict == "supported" == verdict_of_intervals(result)
    assert result.interval == pytest.approx((-reach / 1.1, reach))


def test_several_places_of_which_one_must_do_share_the_level() -> None:
    """Two places named, a third elsewhere: an end that speaks for the claim misses with a quarter of 5 %."""
    cells = grid(2, 3)
    measured = evidence(np.random.default_rng(6), cells, 5, images=False)
    fields: dict[str, Any] = {"kind": "largest-gain-at", "over": "every", **PAIR, "along": "crop"}
    claim = Claim(id="made.up", text="", at={"any": [0, 1]}, **fields)
    (result,) = judge([(claim, cells)], measured)
    assert [part.alternative for part in result.parts] == [0, 1]
    for part in result.parts:
        value, error = part.estimate.value, part.estimate.standard_error
        ends = value - stats.t.ppf(1 - 0.05 / 4, 4) * error, value + stats.t.ppf(1 - 0.05 / 2, 4) * error
        assert part.interval == pytest.approx(ends)


def test_a_range_with_two_ends_is_missed_on_either_side() -> None:
    """A single pair: contradicted exactly where the ordinary interval lies beyond an end."""
    claim = Claim(id="made.up", text="", kind="equal", tolerance=0.5, **PAIR)
    for gap, verdict in (
        (0.0, "inconclusive"),
        (0.012, "inconclusive"),
        (0.02, "contradicted"),
        (-0.02, "contradicted"),
    ):
        (result,) = judge([(claim, table_of(2))], values(0.5, 0.5 + gap))
        assert result.verdict == verdict == verdict_of_intervals(result)
        assert result.interval == pytest.approx((result.effect.low, result.effect.high))  # type: ignore[union-attr]


def test_pairs_behind_a_mean_hold_together() -> None:
    claim = Claim(id="made.up", text="", kind="greater", over="mean", **PAIR)
    cells = grid(2, 4)
    rng = np.random.default_rng(2)
    (result,) = judge([(claim, cells)], evidence(rng, cells, 5, images=False))
    for pair in result.pairs:
        half = stats.t.ppf(1 - 0.025 / 4, 4) * pair.estimate.standard_error
        assert pair.interval == pytest.approx((pair.estimate.value - half, pair.estimate.value + half))


def test_a_ratio_far_from_one_has_an_interval_without_end() -> None:
    """Two seeds that disagree by ten powers of ten: the upper end is infinite, nothing overflows."""
    found = Evidence({("made/up/0", 0): 1e-12, ("made/up/0", 1): 0.5, ("made/up/1", 0): 0.5, ("made/up/1", 1): 0.5})
    claim = Claim(id="made.up", text="", kind="ratio", low=2.0, **PAIR)
    many = [replace_id(claim, k) for k in range(20)]
    result = judge([(c, table_of(2)) for c in many], found)[0]
    assert result.interval is not None
    assert result.interval.low < 1e-100
    assert math.isinf(result.interval.high)


def replace_id(claim: Claim, k: int) -> Claim:
    return claim.model_copy(update={"id": f"made.up{k}"})


def test_an_exact_claim_has_no_interval() -> None:
    cells = tuple(replace(c, kind="computed", metric="multiply_adds") for c in table_of(2))
    claim = Claim(id="made.up", text="", kind="greater", metric="multiply_adds", **PAIR)
    (result,) = judge([(claim, cells)], Evidence({}, {c.id: 10.0 + c.column for c in cells}))
    assert (result.verdict, result.interval, result.shown_interval, result.level) == ("supported", None, None, None)
