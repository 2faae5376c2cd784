"""`repro plan`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from repro.commands.output import duration, print_json, print_table
from repro.judge.power import outlook
from repro.plan.cost import evaluation_costs, training_cost
from repro.plan.labels import training_label
from repro.plan.plan import Plan
from repro.run import session
from repro.run.session import Options
from repro.store.explain import History
from repro.store.store import Store

REFERENCE_RATE = 1.8e4
"""Million multiply-adds a second of one CPU core (AMD EPYC, 2.6 GHz) on `tiny` trainings; a store knows better."""


def main(options: Options, device: str, jobs: int | None, as_json: bool) -> None:
    """Print what a run would do."""
    suite = session.load(options)
    store = Store(options.store)
    plan = session.make_plan(options, suite, store)
    workers = session.devices(device, jobs)
    rows = list(_rows(plan, store))
    todo = [row for row in rows if row["state"] != "stored"]
    rate, source = rate_of(plan, store)
    seconds = sum(row["cost"] for row in todo) / rate
    wall = seconds / max(1, min(len(workers), len(todo) or 1))
    summary: dict[str, Any] = {
        "scale": plan.request.scale,
        "seeds": plan.request.seeds,
        "cells": {k: sum(c.cell.kind == k for c in plan.cells) for k in ("computed", "measured", "quoted")},
        "evaluations": len(plan.evaluations),
        "trainings": len(plan.trainings),
        "stored": len(rows) - len(todo),
        "seconds": round(wall, 1),
        "workers": workers,
    }
    if as_json:
        print_json(rows, **summary)
        return
    measured = summary["cells"]["measured"]
    print(
        f"{', '.join(t.id for t in plan.request.tables)} at scale {plan.request.scale}, "
        f"{plan.request.seeds} seed{'s' * (plan.request.seeds > 1)}: {measured} measured cells, "
        f"{len(plan.evaluations)} evaluations of {len(plan.trainings)} trainings after sharing."
    )
    if not todo:
        print("Everything is stored: a run would only write the reports.")
        return
    print_table(
        ("", "training or evaluation", "seed", "about", "why"),
        [
            (row["kind"], row["label"], str(row["seed"]), duration(row["cost"] / rate), row["state"])
            for row in todo
            if row["kind"] == "training" or row["alone"]
        ],
    )
    print(
        f"To do: {sum(r['kind'] == 'training' for r in todo)} trainings and "
        f"{sum(r['kind'] == 'evaluation' for r in todo)} evaluations, about {duration(wall)} on "
        f"{len(workers)} worker{'s' * (len(workers) > 1)} ({', '.join(sorted(set(workers)))}; {source})."
    )
    if measured:
        print(outlook(plan.request.scale, plan.request.seeds))


def rate_of(plan: Plan, store: Store) -> tuple[float, str]:
    """Million multiply-adds a second of one worker: from the store's own records, else the reference machine's."""
    rates = []
    for key, training in plan.trainings.items():
        record = store.peek("training", key)
        if record is not None and record["seconds"] > 0:
            rates.append(training_cost(training) / float(record["seconds"]))
    if rates:
        return sorted(rates)[len(rates) // 2], "at the speed of the stored trainings"
    return REFERENCE_RATE, "at the reference machine's speed"


def _rows(plan: Plan, store: Store) -> Iterable[dict[str, Any]]:
    history = History(store)
    stored_trainings = {k for k in plan.trainings if store.peek("training", k) is not None}
    for key, training in plan.trainings.items():
        state = "stored" if key in stored_trainings else history.explain("training", training.identity())
        yield {
            "id": key,
            "kind": "training",
            "label": training_label(training, plan.cells),
            "seed": training.seed,
            "state": state,
            "cost": training_cost(training),
            "after": training.parent.key if training.parent else None,
            "alone": True,
        }
    costs = evaluation_costs(plan.evaluations.values())
    cells = {e.key: p.cell.id for p in plan.cells for e in p.evaluations.values()}
    for key, evaluation in plan.evaluations.items():
        there = store.peek("evaluation", key) is not None
        yield {
            "id": key,
            "kind": "evaluation",
            "label": cells[key],
            "seed": evaluation.training.seed,
            "state": "stored" if there else history.explain("evaluation", evaluation.identity()),
            "cost": costs[key],
            "after": evaluation.training.key,
            "alone": evaluation.training.key in stored_trainings,
        }
