"""Trainings that needed more memory than there was: planned in micro-batches, as departures under keys of their own.

A failure that was for want of memory names the images at once to try next. As long as the whole batch is not stored,
the plan has the micro-batches in its place, and so do reports. `--set train.micro_batch=none` asks for whole batches.
"""

from __future__ import annotations

from dataclasses import replace

from repro.plan.plan import Plan, PlannedCell, of_cells
from repro.plan.work import Evaluation, Training
from repro.spec.resolve import Deviation, Resolved
from repro.store.store import Store

SETTING = "train.micro_batch"


def asked_for_parts(plan: Plan) -> bool:
    """Whether the user said how many images are computed at once: then nothing else takes that place."""
    return any(text.partition("=")[0].strip() == SETTING for text in plan.request.overrides)


def in_micro_batches(plan: Plan, store: Store) -> Plan:
    """The plan, in which trainings that ran out of memory, and are not stored, are computed in micro-batches."""
    if asked_for_parts(plan):
        return plan
    fitting = _Fitting(store)
    return of_cells(plan.request, tuple(_planned(planned, fitting) for planned in plan.cells))


def _planned(planned: PlannedCell, fitting: _Fitting) -> PlannedCell:
    evaluations = {seed: fitting.evaluation(e) for seed, e in planned.evaluations.items()}
    parted = {
        f"{'pretrain' if new.task == 'presence' else 'train'}.micro_batch": new.settings.micro_batch
        for seed, evaluation in evaluations.items()
        for new, old in zip(evaluation.training.chain(), planned.evaluations[seed].training.chain(), strict=True)
        if new.settings.micro_batch != old.settings.micro_batch
    }
    if not parted or planned.resolved is None:
        return replace(planned, evaluations=evaluations)
    protocol = planned.resolved.protocol
    for section in ("train", "pretrain"):
        if (micro_batch := parted.get(f"{section}.micro_batch")) is not None:
            settings = getattr(protocol, section).model_copy(update={"micro_batch": micro_batch})
            protocol = protocol.model_copy(update={section: settings})
    more = tuple(
        Deviation(key, None, micro_batch, "memory was short where it was computed", "lower")
        for key, micro_batch in parted.items()
    )
    return PlannedCell(planned.cell, Resolved(protocol, (*planned.resolved.deviations, *more)), evaluations)


class _Fitting:
    """What stands for each training and evaluation of a plan."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._trainings: dict[str, Training] = {}

    def evaluation(self, wanted: Evaluation) -> Evaluation:
        """The evaluation of what stands for its training."""
        training = self.training(wanted.training)
        return wanted if training is wanted.training else replace(wanted, training=training)

    def training(self, wanted: Training) -> Training:
        """The training itself, or in micro-batches; likewise what it starts from."""
        if wanted.key not in self._trainings:
            self._trainings[wanted.key] = self._find(wanted)
        return self._trainings[wanted.key]

    def _find(self, wanted: Training) -> Training:
        if self._store.peek("training", wanted.key) is not None:
            return wanted
        if wanted.parent is not None and (parent := self.training(wanted.parent)) is not wanted.parent:
            return self._find(replace(wanted, parent=parent))
        sizes = [failure["micro_batch"] for failure in self._store.failures(wanted.key) if "micro_batch" in failure]
        if not sizes:
            return wanted
        return self._find(replace(wanted, settings=wanted.settings.model_copy(update={"micro_batch": min(sizes)})))
