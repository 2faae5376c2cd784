"""The judge judged on worlds with a known truth. Quick versions here run always; the thorough ones are marked slow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from repro.judge.power import power
from repro.metrics import miou
from repro.studies.judge_study import SKEWED, TINY, WORLDS, Covered, DetectionRate, Likeness, simulate, tasks
from repro.studies.worlds import World, coverage, greater, verdicts, without_seed_noise

NOMINAL = 0.95


def rng(*key: int) -> np.random.Generator:
    return np.random.default_rng([2026, *key])


def test_truth_is_what_endless_images_and_seeds_give() -> None:
    """The definition of the truth against a plain average over one huge experiment."""
    world = World(images=4000, cells=(0.0, 0.3))
    plain = miou(world.measure(60, rng(1)).sum(axis=2)).mean(axis=1)
    np.testing.assert_allclose(World(cells=(0.0, 0.3)).truth(rng(2)), plain, atol=0.006)


def test_cells_with_the_same_level_are_exchangeable() -> None:
    truth = World().truth(rng(3))
    assert truth[0] == truth[1]
    better = World(cells=(0.0, 0.1)).truth(rng(3))
    assert 0.01 < better[1] - better[0] < 0.025


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_intervals_cover_quick(seeds: int) -> None:
    """400 experiments have a simulation error of 1.1 points; the promise is 2."""
    world = World(images=60)
    found = coverage(without_seed_noise(world) if seeds == 1 else world, seeds, 400, rng(4, seeds), replicates=200)
    allowed = 0.02 + 2.5 * found.simulation_error
    assert found.cell == pytest.approx(NOMINAL, abs=allowed)
    assert found.difference == pytest.approx(NOMINAL, abs=allowed)
    if seeds > 1:
        assert found.cell_seeds_only < found.cell  # the image part is needed


@pytest.mark.parametrize(("seeds", "percentile"), [(3, 0.75), (5, 0.84)])
def test_percentile_bootstrap_over_seeds_falls_short(seeds: int, percentile: float) -> None:
    """Why Student's t: resampling 3 seeds, 5 seeds, covers as the module says."""
    scores = rng(5, seeds).normal(size=(4000, seeds))
    means = scores[:, rng(6).integers(0, seeds, size=(400, seeds))].mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert ((low <= 0) & (high >= 0)).mean() == pytest.approx(percentile, abs=0.03)


def test_a_true_null_is_seldom_called_a_finding_quick() -> None:
    found = verdicts(World(images=60), [greater(1, 0)], [0], seeds=3, experiments=300, rng=rng(7))
    assert found.supported <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 300)
    assert found.any_wrong <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 300)


def test_large_differences_are_found_and_their_direction_is_right() -> None:
    found = verdicts(World(cells=(0.0, 0.5)), [greater(1, 0), greater(0, 1)], [1, -1], 5, 20, rng(8))
    assert (found.supported, found.contradicted) == (0.5, 0.5)
    assert found.any_wrong == 0


def test_one_seed_never_finds_anything() -> None:
    found = verdicts(World(cells=(0.0, 1.0)), [greater(1, 0)], [1], seeds=1, experiments=5, rng=rng(9))
    assert found.supported == found.contradicted == 0


def test_skewed_seeds_have_the_mean_and_spread_they_claim() -> None:
    """The truth by quantiles against a plain average over many seeds; a long tail lies below."""
    world = World(seed=0.0, seed_cell=0.3, skewed=True, images=300, cells=(0.0,))
    scores = miou(world.measure(400, rng(20)).sum(axis=2))[0]
    assert world.truth(rng(21))[0] == pytest.approx(float(scores.mean()), abs=0.02)
    assert np.median(scores) - scores.min() > 2 * (scores.max() - np.median(scores))
    with pytest.raises(ValueError, match="no simple quantiles"):
        replace(world, seed=0.1).truth(rng(22))


def test_true_claims_that_were_found_are_counted() -> None:
    """A claim and its opposite about a large difference: both get the verdict that they call for."""
    found = verdicts(World(cells=(0.0, 0.5)), [greater(1, 0), greater(0, 1)], [1, -1], 5, 20, rng(8))
    assert found.right == 1.0
    assert verdicts(World(images=30), [greater(1, 0)], [0], 3, 5, rng(9)).right == 0.0


def test_every_row_of_the_proof_can_be_simulated_again() -> None:
    """Rows depend on their own task only: any of them alone is what it is among the others."""
    assert {t[1] for t in tasks(3)} >= set(WORLDS) | set(SKEWED)
    name = "40 images, 12 classes"
    row = simulate(("coverage", name, 0.0, 3, 4))
    assert isinstance(row, Covered)
    assert row == simulate(("coverage", name, 0.0, 3, 4))
    assert row != simulate(("coverage", name, 0.0, 5, 4))
    assert not simulate(("coverage", next(iter(SKEWED)), 0.0, 3, 2)).promised  # type: ignore[union-attr]
    found = simulate(("power", "", 0.3, 10, 3))
    assert isinstance(found, DetectionRate)
    assert found.foretold > 0.95


def test_the_first_world_is_like_what_was_measured() -> None:
    like = simulate(("likeness", "as at scale tiny", 0.0, 60, 1))
    assert isinstance(like, Likeness)
    assert like.score == pytest.approx(TINY["score"], abs=3)
    assert like.seeds == pytest.approx(TINY["seeds"], rel=0.3)
    assert like.images_error == pytest.approx(TINY["images"], rel=0.3)
    assert like.difference_seeds == pytest.approx(TINY["difference_seeds"], rel=0.3)
    assert like.difference_images == pytest.approx(TINY["difference_images"], rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3, 5, 10])
@pytest.mark.parametrize("name", WORLDS)
def test_intervals_cover_within_two_points(name: str, seeds: int) -> None:
    world = without_seed_noise(WORLDS[name]) if seeds == 1 else WORLDS[name]
    found = coverage(world, seeds, 3000, rng(10, seeds, len(name)))
    allowed = 0.02 + 2 * found.simulation_error
    assert found.cell == pytest.approx(NOMINAL, abs=allowed)
    assert found.difference == pytest.approx(NOMINAL, abs=allowed)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("name", WORLDS)
def test_a_true_null_is_supported_at_most_as_often_as_promised(name: str, seeds: int) -> None:
    found = verdicts(WORLDS[name], [greater(1, 0)], [0], seeds, 2000, rng(11, seeds, len(name)))
    assert found.supported <= 0.05
    assert found.any_wrong <= (0.07 if seeds > 2 else 0.1)  # two seeds: the interval itself covers 93 % at worst


@pytest.mark.slow
def test_false_discoveries_over_a_table_stay_below_five_per_cent() -> None:
    """Twelve claims that share cells, nine of them null: the mean share of wrong verdicts among those made."""
    world = World(cells=(0.0, 0.0, 0.0, 0.0, 0.0, 0.25))
    claims = [greater(k, 0) for k in (1, 2, 3, 4)] + [greater(k, 1) for k in (2, 3, 4)] + [greater(3, 2), greater(4, 2)]
    claims += [greater(5, k) for k in (0, 1, 2)]
    found = verdicts(world, claims, [0] * 9 + [1] * 3, seeds=5, experiments=600, rng=rng(12))
    assert found.false_discovery <= 0.05 + 2 * np.sqrt(0.05 / 600)
    assert found.supported > 0.6 * 3 / 12  # it is found at all


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 8])
def test_power_is_as_foretold(seeds: int) -> None:
    """What `repro plan` foretells from the spread over seeds against the rate at which the judge finds it."""
    world = replace(World(cells=(0.0, 0.15)), image_cell=0.0, images=200)
    truth = world.truth(rng(13))
    scores = miou(world.measure(400, rng(14)).sum(axis=2))
    deviation = float((scores[1] - scores[0]).std(ddof=1))
    found = verdicts(world, [greater(1, 0)], [1], seeds, 1000, rng(15, seeds))
    foretold = power(float(truth[1] - truth[0]), deviation, seeds)
    assert found.supported == pytest.approx(foretold, abs=0.06)
