"""The simulations of claims are simulations of what they say: their truths, their verdicts, their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from repro.judge.claims import judge
from repro.judge.result import ClaimResult
from repro.studies.pairs import (
    TABLES,
    _all_kinds,
    _is_wrong,
    _of_interval,
    _ordinary_claims,
    _true_effects,
    every,
    grid_of,
    missed,
    pair_tasks,
    scores,
)


def results(deviation: float, seed: int = 0) -> tuple[tuple[ClaimResult, ...], dict[str, float]]:
    rng = np.random.default_rng(seed)
    truth = 60 + rng.normal(0, 2, size=(3, 4))
    cells = grid_of(3, 4)
    claims = [(claim, cells) for claim in (*_ordinary_claims(), *_all_kinds())]
    found = judge(claims, scores(truth, np.full_like(truth, deviation), 5, rng))
    return found, dict(zip((cell.id for cell in cells), truth.reshape(-1).tolist(), strict=True))


def test_without_noise_every_effect_is_the_true_one_and_every_verdict_right() -> None:
    found, truth = results(1e-9)
    assert {result.kind for result in found} == {"greater", "gain", "equal", "monotone", "best", "largest-gain-at"}
    assert {result.verdict.removesuffix(" on average") for result in found} == {"supported", "contradicted"}
    for result in found:
        effects = [part.estimate.value for part in result.parts]
        assert _true_effects(result, truth) == pytest.approx(effects, abs=1e-6)
        assert not _is_wrong(result, truth)
        assert _of_interval(result) == result.verdict.removesuffix(" on average")


def test_the_opposite_verdict_is_wrong() -> None:
    found, truth = results(1e-9)
    mirrored = {cell: -score for cell, score in truth.items()}
    ordinary = [result for result in found if result.kind == "greater" and result.over is None]
    assert len(ordinary) == 8
    for result in ordinary:
        assert _is_wrong(result, mirrored)
        assert _is_wrong(result, dict.fromkeys(truth, 60.0))  # no difference: neither verdict is right


def test_noise_leaves_claims_open() -> None:
    found, _ = results(30.0)
    assert {result.verdict for result in found} == {"inconclusive"}
    assert {_of_interval(result) for result in found} == {"inconclusive"}


def test_one_bad_place_of_four_spoils_every_and_not_the_mean() -> None:
    row = every("3, 2.5, 2, -0.8", 5, 60, np.random.default_rng(1))
    assert row.every_supported <= 0.05 + 3 * (0.05 * 0.95 / 60) ** 0.5
    assert row.mean_supported > 0.7
    assert row.mean_plain < row.mean_supported


def test_intervals_of_decided_claims_miss_seldom() -> None:
    row = missed(TABLES[1], 5, 40, np.random.default_rng(2))
    assert row.at_odds == 0
    assert 0.1 < row.decided < 0.8
    assert row.missed_decided <= 0.05 + 3 * (0.05 * 0.95 / 40) ** 0.5


def test_tasks_are_for_every_kind() -> None:
    assert {task[0] for task in pair_tasks(10)} == {"every", "apart", "missed"}
    assert all(task[-1] >= 1 for task in pair_tasks(1))
