"""What a baseline freezes of a plan: a step of each different training, and each different evaluation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from repro.plan.plan import Plan
from repro.plan.work import Evaluation, Split, Training
from repro.spec.protocol import Train

SEED = 0
"""Of batches; weights are frozen."""
MOST_IMAGES = 32
"""Of an evaluation's split."""


@dataclass(frozen=True)
class Probe:
    """One computation that starts from frozen weights, in float32: a training's step, or an evaluation."""

    name: str
    kind: Literal["step", "evaluation"]
    training: Training
    """Of the plan."""
    evaluation: Evaluation | None = None
    also: tuple[str, ...] = ()
    """Names of the same computation under other cells."""

    @property
    def alone(self) -> Training:
        """The training as it is probed: without what it started from."""
        training = self.training
        changes = {"precision": "float32"} | ({"start": "random"} if isinstance(training.settings, Train) else {})
        settings = training.settings.model_copy(update=changes)
        return replace(training, parent=None, settings=settings, weights="")

    @property
    def measured(self) -> Evaluation:
        """The evaluation as it is probed: on the first images, without a search for parameters of a CRF."""
        assert self.evaluation is not None
        changes: dict[str, Any] = {"precision": "float32"}
        if (crf := self.evaluation.evaluate.crf) is not None:
            lists = {key: getattr(crf, key) for key in ("w1", "sigma_alpha", "sigma_beta")}
            changes["crf"] = crf.model_copy(update={k: v[0] if isinstance(v, tuple) else v for k, v in lists.items()})
        evaluate = self.evaluation.evaluate.model_copy(update=changes)
        return replace(
            self.evaluation, training=self.alone, images=_first_images(self.evaluation.images), evaluate=evaluate
        )


def probes(plan: Plan, table: str) -> list[Probe]:
    """What a table's measured cells come down to, in their order; what is alike once, under its first cell's name."""
    by_digest: dict[str, Probe] = {}
    for probe in _all(plan, table):
        first = by_digest.setdefault(digest := _digest(probe), probe)
        if first is not probe:
            by_digest[digest] = replace(first, also=(*first.also, probe.name))
    return list(by_digest.values())


def _all(plan: Plan, table: str) -> Iterator[Probe]:
    for planned in plan.of_table(table):
        evaluation = planned.evaluations.get(SEED)
        if evaluation is None or evaluation.training.given:
            continue
        name = planned.cell.id
        chain = evaluation.training.chain()
        for number, training in enumerate(chain, start=1):
            of = f" (training {number} of {len(chain)})" if number < len(chain) else ""
            yield Probe(f"{name}: step{of}", "step", training)
        yield Probe(f"{name}: evaluation", "evaluation", evaluation.training, evaluation)


def _digest(probe: Probe) -> str:
    """Of all that decides a probe's result, but for the code."""
    training = probe.training
    content: list[Any] = [probe.kind, training.task, training.model.model_dump(mode="json")]
    if probe.evaluation is None:
        content += [training.config(), training.images.fingerprint]
    else:
        content += [probe.evaluation.config(), probe.evaluation.images.fingerprint]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _first_images(split: Split) -> Split:
    key = "val_images" if split.split == split.data.val_split else "train_images"
    count = getattr(split.data, key)
    if count is not None and count <= MOST_IMAGES:
        return split
    return replace(split, data=split.data.model_copy(update={key: MOST_IMAGES}))
