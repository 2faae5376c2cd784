"""Learning-rate policies, as multipliers of the base rate."""

from __future__ import annotations

from repro.spec.protocol import Pretrain, Train


def multiplier(train: Train | Pretrain, step: int) -> float:
    """Learning rate of `step` (from 0) over the base rate.

    poly: (1 - step / iterations) ** power (paper v2, section 4.1.2; v3, section 4.1).
    step: step_gamma ** (step // step_iterations) (paper v2, section 4.1.1).
    A linear warm-up, where a scale asks for one, multiplies either.
    """
    warm = min(1.0, (step + 1) / (train.warmup_iterations + 1))
    if isinstance(train, Pretrain):
        return float(warm * (1 - step / train.iterations) ** 0.9)
    if train.policy == "poly":
        return float(warm * (1 - step / train.iterations) ** train.power)
    every = train.step_iterations or max(1, train.iterations // 3)
    return float(warm * train.step_gamma ** (step // every))
