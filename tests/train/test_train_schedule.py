"""Learning-rate policies against the papers' formulas."""

import math

import pytest

from repro.spec.protocol import Train
from repro.train.schedule import multiplier


def test_poly_follows_the_papers_formula():
    train = Train(iterations=30_000, power=0.9)
    for step in (0, 1, 15_000, 29_999):
        assert multiplier(train, step) == pytest.approx((1 - step / 30_000) ** 0.9)
    # half way through, the rate has fallen to 0.5 ** 0.9
    assert multiplier(train, 15_000) == pytest.approx(math.exp(0.9 * math.log(0.5)))


def test_step_policy_multiplies_every_2000_iterations():
    train = Train(iterations=6000, policy="step", step_iterations=2000, step_gamma=0.1)
    rates = [multiplier(train, step) for step in (0, 1999, 2000, 3999, 4000, 5999)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_warm_up_rises_to_the_policys_own_rate():
    train = Train(iterations=100, warmup_iterations=9)
    rates = [multiplier(train, step) for step in range(10)]
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx((1 - 9 / 100) ** 0.9)
