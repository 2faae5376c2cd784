"""Verdicts on made-up evidence: each kind, each way to be inconclusive, and the words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from repro.judge.claims import judge
from repro.judge.evidence import Evidence, cell_estimate, gather
from repro.judge.result import ClaimResult
from repro.spec.claim import Claim
from repro.spec.table import Cell
from repro.studies.worlds import table_of

NOISE = (0.004, -0.003, 0.001, -0.004, 0.002)
"""Of five seeds, mean 0."""


def made(kind: str = "greater", name: str = "made.up", **fields: Any) -> Claim:
    if kind in ("greater", "gain", "ratio", "equal") and "left" not in fields:
        fields |= {"left": {"width": 1}, "right": {"width": 0}}
    return Claim(id=name, text="net 1 beats net 0", kind=kind, **fields)


def values(*means: float, seeds: int = 5, spread: float = 1.0) -> dict[tuple[str, int], float]:
    """(cell, seed) -> mean of the cell, plus noise that is not shared by cells."""
    return {
        (f"made/up/{k}", s): mean + spread * NOISE[(s + k) % 5] for k, mean in enumerate(means) for s in range(seeds)
    }


def one(claim: Claim, evidence: Evidence, cells: Sequence[Cell] | None = None) -> ClaimResult:
    return judge([(claim, cells or table_of(3))], evidence)[0]


def test_greater_is_scipys_paired_t_test() -> None:
    evidence = Evidence(values(0.50, 0.51))
    result = one(made(), evidence)
    left, right = ([evidence.values[f"made/up/{k}", s] for s in range(5)] for k in (1, 0))
    expected = stats.ttest_rel(left, right)
    assert result.p == pytest.approx(expected.pvalue)
    assert result.effect is not None
    assert result.effect.value == pytest.approx(1.0)  # points
    low, high = expected.confidence_interval(0.95)
    assert (result.effect.low, result.effect.high) == pytest.approx((100 * low, 100 * high))
    assert result.effect.dof == pytest.approx(4)
    assert result.per_seed[0] == pytest.approx((0, 100 * (left[0] - right[0])))
    assert (result.verdict, result.seeds, result.q) == ("supported", (0, 1, 2, 3, 4), result.p)


@pytest.mark.parametrize(
    ("means", "verdict"), [((0.5, 0.53), "supported"), ((0.53, 0.5), "contradicted"), ((0.5, 0.502), "inconclusive")]
)
def test_verdict_follows_direction_and_noise(means: tuple[float, float], verdict: str) -> None:
    result = one(made(), Evidence(values(*means)))
    assert result.verdict == verdict
    assert result.sentence.startswith(verdict.capitalize())


def test_margin_moves_the_bar() -> None:
    evidence = Evidence(values(0.50, 0.53))
    assert one(made(margin=1.0), evidence).verdict == "supported"
    assert one(made(margin=5.0), evidence).verdict == "contradicted"
    assert one(made(margin=3.0), evidence).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(1, 5, "supported"), (4, 9, "contradicted"), (3, 9, "inconclusive"), (-9, 1, "contradicted")],
)
def test_gain_lies_in_its_range_as_a_whole_interval(low: float, high: float, verdict: str) -> None:
    result = one(made("gain", low=low, high=high), Evidence(values(0.50, 0.53)))
    assert result.verdict == verdict
    assert (result.parts[0].low, result.parts[0].high) == (low, high)


def test_equal_needs_evidence_of_sameness_not_absence_of_difference() -> None:
    assert one(made("equal", tolerance=1.5), Evidence(values(0.5, 0.501))).verdict == "supported"
    assert one(made("equal", tolerance=0.3), Evidence(values(0.5, 0.501))).verdict == "inconclusive"
    assert one(made("equal", tolerance=0.3), Evidence(values(0.5, 0.55))).verdict == "contradicted"


def test_ratio_is_tested_on_logarithms_and_shown_as_ratio() -> None:
    evidence = Evidence(values(0.2, 0.6))
    result = one(made("ratio", low=2.5, high=3.5), evidence)
    assert result.verdict == "supported"
    assert result.unit == "x"
    ratios = [evidence.values["made/up/1", s] / evidence.values["made/up/0", s] for s in range(5)]
    assert result.effect is not None
    assert result.effect.value == pytest.approx(stats.gmean(ratios))
    assert [v for _, v in result.per_seed] == pytest.approx(ratios)
    low, high = stats.t.interval(0.95, 4, np.log(ratios).mean(), stats.sem(np.log(ratios)))
    assert (result.effect.low, result.effect.high) == pytest.approx((math.exp(low), math.exp(high)))
    assert (result.parts[0].low, result.parts[0].high) == pytest.approx((2.5, 3.5))


def test_monotone_is_as_sure_as_its_weakest_step() -> None:
    claim = made("monotone", over="every", along="width", direction="increasing")
    result = one(claim, Evidence(values(0.5, 0.53, 0.54)))
    tails = [stats.t.sf(p.estimate.value / p.estimate.standard_error, 4) for p in result.parts]
    assert result.p_for == pytest.approx(max(tails))
    assert result.effect is result.parts[1].estimate
    assert result.verdict == "supported"
    assert one(claim, Evidence(values(0.5, 0.53, 0.531))).verdict == "inconclusive"
    against = one(claim, Evidence(values(0.5, 0.53, 0.51)))
    assert against.verdict == "contradicted"
    assert against.p_against == pytest.approx(2 * min(p.p_outside for p in against.parts))
    assert "the weakest step of 2, net 2 − net 1, is −2.00 points" in against.sentence


def test_best_must_beat_every_rival() -> None:
    claim = made("best", over="every", left={"width": 2}, among={})
    assert one(claim, Evidence(values(0.5, 0.51, 0.54))).verdict == "supported"
    assert one(claim, Evidence(values(0.5, 0.539, 0.54))).verdict == "inconclusive"
    lost = one(claim, Evidence(values(0.5, 0.56, 0.54)))
    assert lost.verdict == "contradicted"
    assert lost.parts[lost.decisive].label == "net 2 − net 1"
    assert "the strongest rival of 2, net 2 − net 1, is −2.00 points" in lost.sentence
    rivals = table_of(12)
    behind = one(
        made("best", over="every", left={"width": 11}, among={}), Evidence(values(*[0.5] * 10, 0.518, 0.51)), rivals
    )
    assert behind.verdict == "inconclusive"
    assert behind.effect is not None
    assert behind.effect.high < 0
    assert "the worst of 11" in behind.sentence


def curve(gains: Sequence[float], seeds: int = 5) -> tuple[tuple[Cell, ...], Evidence]:
    """Two nets measured at len(gains) band widths; net 1 gains so much over net 0."""
    cells = tuple(
        Cell(
            "made/up", k, w, f"net {k}", f"{w} px", "miou", "measured",
            {"model.width": k, "evaluate.trimap_px": w}, 50.0 + k * g, 2, f"made/up/{k}/{w}",
        )
        for k in (0, 1)
        for w, g in enumerate(gains)
    )  # fmt: skip
    found = {
        (c.id, s): 0.5 + c.row * gains[c.column] / 100 + NOISE[(s + c.column) % 5] for c in cells for s in range(seeds)
    }
    # the noise of a column is shared by both nets: only net 1's own noise remains in a gain
    return cells, Evidence({k: v + (NOISE[(k[1] * 2) % 5] / 4 if "/1/" in k[0] else 0) for k, v in found.items()})


@pytest.mark.parametrize(
    ("at", "verdict"), [(0, "supported"), (2, "contradicted"), ({"any": [0, 1]}, "supported"), (1, "contradicted")]
)
def test_largest_gain_is_where_it_is_said_to_be(at: Any, verdict: str) -> None:
    cells, evidence = curve([4.0, 2.0, 1.0])
    claim = made("largest-gain-at", over="every", left={"width": 1}, right={"width": 0}, along="trimap_px", at=at)
    jitter = {k: v + 0.0002 * math.sin(7 * i) for i, (k, v) in enumerate(evidence.values.items())}
    assert one(claim, Evidence(jitter), cells).verdict == verdict


def test_several_pairs_are_averaged_by_seed_and_those_that_differ_are_named() -> None:
    cells = tuple(
        Cell("made/up", k, b, f"net {k}", f"block{b}", "miou", "measured", {"model.width": k, "model.last_block": b},
             50.0 + k, 2, f"made/up/{k}/{b}")
        for k in (0, 1)
        for b in (4, 5)
    )  # fmt: skip

    def found(gain4: float, gain5: float) -> Mapping[tuple[str, int], float]:
        return {
            (f"made/up/{k}/{b}", s): 0.5 + k * gain / 100 + NOISE[(s + k + b) % 5] / 4
            for k in (0, 1)
            for b, gain in ((4, gain4), (5, gain5))
            for s in range(5)
        }

    both = one(made(over="mean"), Evidence(found(1.0, 3.0)), cells)
    assert both.effect is not None
    assert both.effect.value == pytest.approx(2.0)
    assert [p.estimate.value for p in both.pairs] == pytest.approx([1.0, 3.0])
    assert both.published_effect == pytest.approx(1.0)  # 51 - 50 printed, at both blocks
    assert "The paper's: +1.00 points." in both.sentence
    assert both.differences is not None  # 2 points apart, with hardly any noise
    assert (both.verdict, both.qualifier) == ("supported on average", "most for block5")
    assert both.sentence.startswith("Supported on average, most for block5: the mean of 2 differences is +2.00 points")
    alike = one(made(over="mean"), Evidence(found(2.0, 2.0)), cells)
    assert (alike.verdict, alike.qualifier, alike.differences) == ("supported", "", None)
    carried = one(made(over="mean"), Evidence(found(0.0, 3.0)), cells)
    assert carried.qualified_verdict == "supported on average, carried by block5"
    assert "+3.00 points for block5, 0.00 points for block4" in carried.sentence
    mixed = one(made(over="mean"), Evidence(found(-1.0, 5.0)), cells)
    assert mixed.qualified_verdict == "supported on average, carried by block5"
    assert "The opposite holds for block4." in mixed.sentence
    lost = one(made(over="mean"), Evidence(found(1.0, -5.0)), cells)
    assert lost.qualified_verdict == "contradicted on average, carried by block5"
    assert "It holds for block4." in lost.sentence
    open_ = one(made(over="mean"), Evidence(found(-2.0, 2.1)), cells)
    assert (open_.verdict, open_.qualifier) == ("inconclusive", "")
    assert "The pairs are farther apart than noise explains" in open_.sentence


def test_every_pair_has_to_bear_it_out_and_the_weakest_decides() -> None:
    """Gains of 3, 2.5, 2 and -0.8 points: as a mean supported, over every pair contradicted by the last."""
    gains = (3.0, 2.5, 2.0, -0.8)
    cells, _ = curve(gains)
    measured = {
        (c.id, s): 0.5 + c.row * gains[c.column] / 100 + 0.3 * NOISE[(s + c.row + 2 * c.column) % 5]
        for c in cells
        for s in range(5)
    }
    mean = one(made(over="mean"), Evidence(measured), cells)
    assert (mean.verdict, mean.over, len(mean.parts)) == ("supported on average", "mean", 1)
    every = one(made(over="every"), Evidence(measured), cells)
    assert (every.verdict, every.over, len(every.parts)) == ("contradicted", "every", 4)
    assert every.effect is not None
    assert every.effect.value == pytest.approx(-0.8)
    assert every.p_for == pytest.approx(max(part.p_inside for part in every.parts))
    assert "the weakest of 4, net 1, 3 px − net 0, 3 px, is −0.80 points" in every.sentence


def test_one_seed_is_never_a_verdict() -> None:
    matrices = {(f"made/up/{k}", 0): confusion(60, 0.5 + 0.1 * k, seed=k) for k in range(2)}
    result = one(made(), gather(values(0.5, 0.9, seeds=1), matrices=matrices))
    assert result.verdict == "inconclusive"
    assert result.p is None
    assert result.effect is not None
    assert result.effect.covers == "images only"
    assert "5 seeds" in result.sentence
    assert "validation images" in result.sentence


def confusion(images: int, right: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    share = np.clip(rng.normal(right, 0.1, size=(images, 3)), 0, 1)
    out = np.zeros((images, 3, 3), dtype=np.int64)
    for c in range(3):
        out[:, c, c] = 100 * share[:, c]
        out[:, c, (c + 1) % 3] = 100 - out[:, c, c]
    return out


def test_images_shared_by_both_cells_cancel() -> None:
    """Hard images hurt both nets alike: the paired interval is far narrower than that of either cell."""
    hard = np.random.default_rng(0).uniform(0.2, 0.9, size=80)
    stored = {}
    for k in range(2):
        for s in range(3):
            tp = np.rint(1000 * (hard + 0.02 * k + 0.003 * s * (k + 1))).astype(np.int64)
            stored[f"made/up/{k}", s] = np.stack([np.stack([tp, 1000 - tp], -1), np.stack([1000 - tp, tp], -1)], 1)
    scores = {key: float(np.diagonal(m.sum(0)).sum() / m.sum()) for key, m in stored.items()}
    evidence = gather(scores, matrices=stored)
    result, cell = one(made(), evidence), cell_estimate("made/up/0", evidence)
    assert result.effect is not None
    assert cell is not None
    assert result.effect.covers == cell.covers == "images and seeds"
    assert result.effect.image_error < 0.1 * 100 * cell.image_error
    assert result.effect.images == 80


def test_missing_cells_and_seeds_are_not_run() -> None:
    result = one(made(), Evidence(values(0.5)))
    assert (result.verdict, result.missing) == ("not run", ("made/up/1",))
    assert "made/up/1" in result.sentence
    apart = {("made/up/0", 0): 0.5, ("made/up/1", 1): 0.6}
    assert one(made(), Evidence(apart)).verdict == "not run"
    assert "seed in common" in one(made(), Evidence(apart)).sentence


def test_only_common_seeds_are_paired() -> None:
    found = values(0.5, 0.53) | {("made/up/1", 9): 0.1}
    assert one(made(), Evidence(found)).seeds == (0, 1, 2, 3, 4)


def computed(*amounts: float) -> tuple[tuple[Cell, ...], Evidence]:
    cells = tuple(
        Cell("made/up", 0, k, "net", f"net {k}", "multiply_adds", "computed", {"model.width": k}, a, 2, f"made/up/{k}")
        for k, a in enumerate(amounts)
    )
    return cells, Evidence({}, {c.id: a for c, a in zip(cells, amounts, strict=True)})


def test_computed_cells_are_decided_exactly() -> None:
    cells, evidence = computed(52.43, 74.20)
    result = one(made("gain", metric="multiply_adds", low=21.77, high=21.77), evidence, cells)
    assert (result.verdict, result.p, result.q, result.unit) == ("supported", None, None, "B")
    assert "Computed" in result.sentence
    assert one(made(metric="multiply_adds", margin=21.77), evidence, cells).verdict == "contradicted"


def test_texts_and_quoted_numbers_are_never_judged() -> None:
    text = one(made("text", why="it shows pictures."), Evidence(values(0.5, 0.6)))
    assert (text.verdict, text.testable, text.published_holds) == ("not run", False, "not testable")
    assert "it shows pictures." in text.sentence
    quoted = tuple(
        Cell("made/up", 0, k, "", f"net {k}", "miou", "quoted", {}, 50.0 + k, 1, f"made/up/{k}") for k in range(2)
    )
    claim = made(left={"column": "net 1"}, right={"column": "net 0"})
    result = one(claim, Evidence(values(0.5, 0.6)), quoted)
    assert (result.verdict, result.testable, result.published_holds) == ("not run", False, "holds")


def test_many_claims_raise_the_bar() -> None:
    found = {**values(0.5, 0.509), **{("made/up/2", s): 0.5 + NOISE[s] for s in range(5)}}
    alone = one(made(), Evidence(found))
    null = [made(name=f"made.null{k}", left={"width": 2}, right={"width": 0}) for k in range(9)]
    among = judge([(claim, table_of(3)) for claim in (made(), *null)], Evidence(found))[0]
    assert alone.verdict == "supported"
    assert among.p == alone.p
    assert among.q == pytest.approx(10 * (alone.p or 1))
    assert among.verdict == "inconclusive"
    assert among.tests == 10
    assert "not for one of 10" in among.sentence


def test_order_of_claims_and_cells_changes_nothing() -> None:
    claims = [made(), made("best", "made.best", over="every", left={"width": 2}, among={})]
    evidence = Evidence(values(0.5, 0.52, 0.55))
    forth = judge([(c, table_of(3)) for c in claims], evidence)
    back = judge([(c, tuple(reversed(table_of(3)))) for c in reversed(claims)], evidence)
    assert [(r.id, r.q, r.verdict) for r in forth] == [(r.id, r.q, r.verdict) for r in reversed(back)]


def test_resampled_images_depend_on_seed_and_their_number_only() -> None:
    stored = {(f"made/up/{k}", 0): confusion(30, 0.6, seed=k) for k in range(2)}
    scores = dict.fromkeys(stored, 0.5)
    forth = gather(scores, matrices=stored, replicates=50)
    back = gather(scores, matrices=dict(reversed(stored.items())), replicates=50)
    other = gather(scores, matrices=stored, seed=1, replicates=50)
    for key in stored:
        assert (forth.replicates[key] == back.replicates[key]).all()
        assert (forth.replicates[key] != other.replicates[key]).any()


def test_cells_of_one_measurement_are_not_compared() -> None:
    """Else their difference, 0 with every seed and every set of images, would refute any claim with certainty."""
    measured = values(0.5, 0.5, 0.53)
    alone = {f"made/up/{k}": f"measurement {k}" for k in range(3)}
    assert one(made(), Evidence(measured, measured_by=alone)).verdict == one(made(), Evidence(measured)).verdict
    result = one(made(), Evidence(measured, measured_by={**alone, "made/up/1": "measurement 0"}))
    assert (result.verdict, result.p, result.parts) == ("not run", None, ())
    assert result.sentence.startswith("Not run: made/up/0 and made/up/1 are one measurement here")
    # a claim about other cells is judged, and not corrected for the one that is not
    both = [
        (made(name="made.a"), table_of(3)),
        (made(name="made.b", left={"width": 2}, right={"width": 0}), table_of(3)),
    ]
    first, second = judge(both, Evidence(measured, measured_by={**alone, "made/up/1": "measurement 0"}))
    assert (first.verdict, second.verdict) == ("not run", "supported")
    assert second.tests == 1
