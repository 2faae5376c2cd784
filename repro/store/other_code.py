"""Records that another version of the code made, where nothing else differs.

A key holds the digest of the code, so that after a change of a module that computes everything is computed again:
right for minutes on a laptop, dear after weeks of GPU time. A user who knows that a change does not matter to the
numbers may have such records taken; each keeps naming the code that made it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from repro.plan.code import Code
from repro.plan.plan import Plan, PlannedCell, of_cells
from repro.plan.work import Evaluation, Training
from repro.store.explain import History
from repro.store.store import Store

Planned = TypeVar("Planned", Training, Evaluation)


def with_any_code(plan: Plan, store: Store) -> Plan:
    """The plan, in which a training or an evaluation that is not stored gives way to one that is, alike but for code.

    Settings, seed, images, and what it starts from have to be the same. Of several the newest is taken.
    """
    taken = _Taken(store)
    cells = tuple(
        PlannedCell(
            planned.cell, planned.resolved, {seed: taken.evaluation(e) for seed, e in planned.evaluations.items()}
        )
        for planned in plan.cells
    )
    return of_cells(plan.request, cells, frozenset(taken.others))


class _Taken:
    """What stands for each training and evaluation of a plan."""

    def __init__(self, store: Store) -> None:
        self._history = History(store)
        self._trainings: dict[str, Training] = {}
        self.others: set[str] = set()

    def evaluation(self, wanted: Evaluation) -> Evaluation:
        """The stored evaluation that stands for one; itself where it is stored, or nothing is."""
        wanted = replace(wanted, training=self.training(wanted.training))
        return self._stored(wanted)

    def training(self, wanted: Training) -> Training:
        """Likewise, with what it starts from."""
        if wanted.key not in self._trainings:
            self._trainings[wanted.key] = self._find(wanted)
        return self._trainings[wanted.key]

    def _find(self, wanted: Training) -> Training:
        if wanted.parent is not None:
            wanted = replace(wanted, parent=self.training(wanted.parent))
        return self._stored(wanted)

    def _stored(self, wanted: Planned) -> Planned:
        records = self._history.alike(wanted.identity())
        if any(record["key"] == wanted.key for record in records):
            return wanted
        for record in records:
            other = replace(wanted, code=Code(tuple(record["code"]["modules"].items())))
            if other.key == record["key"]:  # so its images and what it starts from are the same as well
                self.others.add(other.key)
                return other
        return wanted
