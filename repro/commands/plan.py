"""`repro plan`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from repro.commands.budget import as_record, in_words
from repro.commands.output import duration, print_json, print_table
from repro.judge.power import outlook
from repro.plan.budget import budget
from repro.plan.caveats import caveats
from repro.plan.cost import evaluation_costs, training_cost
from repro.plan.labels import TrainingLabels
from repro.plan.plan import Plan
from repro.plan.work import Training
from repro.report.stored_reference import of_one_seed
from repro.run import session
from repro.run.memory import memory_limit, too_large
from repro.run.session import Options
from repro.spec.bounds import JOBS, check_count
from repro.store.explain import History
from repro.store.store import Store

REFERENCE_RATE = 1.8e4
"""Million multiply-adds a second of one CPU core (AMD EPYC, 2.6 GHz) on `tiny` trainings; a store knows better."""

MOST_TABLES = 6
"""That the first line names one by one."""

DONE = ("stored", NEEDLESS := "not stored, and not needed: its evaluations are")
"""States of what a run would not do."""


def main(options: Options, device: str, jobs: int | None, gpu: str | None, as_json: bool) -> None:
    """Print what a run would do, and on `gpu` what it would cost."""
    check_count("--jobs", jobs, 1, JOBS)
    suite = session.load(options)
    kind = suite.gpu(gpu) if gpu is not None else None
    store = Store(options.store)
    absent: dict[str, str] = {}
    plan = session.make_plan(options, suite, store, absent)
    workers = [str(gpu)] * (jobs or 1) if kind else session.devices(device, jobs)
    work = session.missing(plan, store)
    rows, notes = list(_rows(plan, store, work[0])), list(caveats(suite, plan))
    todo = [row for row in rows if row["state"] not in DONE]
    rate, source = (kind.rate, kind.rate_source) if kind else rate_of(plan, store)
    seconds = sum(row["cost"] for row in todo) / rate
    wall = seconds / max(1, min(len(workers), len(todo) or 1))
    cost = budget(plan, *work, kind, suite.datasets) if kind else None
    summary: dict[str, Any] = {
        "scale": plan.request.scale,
        "seeds": plan.request.seeds,
        "cells": {k: sum(c.cell.kind == k for c in plan.cells) for k in ("computed", "measured", "quoted")},
        "evaluations": len(plan.evaluations),
        "trainings": len(plan.trainings),
        "sharing": sharing(plan),
        "stored": sum(row["state"] == "stored" for row in rows),
        "seconds": round(cost.wall_hours(len(workers)) * 3600 if cost else wall, 1),
        "workers": workers,
        "absent": absent,
        "unjudged": plan.unjudged(),
        "too_large": "" if kind else _too_large(plan, store, workers),
        "caveats": notes,
    }
    if as_json:
        print_json(rows, **summary, **(as_record(cost, str(gpu), suite.gpu(str(gpu))) if cost else {}))
        return
    measured = summary["cells"]["measured"]
    print(
        f"{_tables(plan)} at scale {plan.request.scale}, "
        f"{plan.request.seeds} seed{'s' * (plan.request.seeds > 1)}: {measured} measured cells, "
        f"{len(plan.evaluations)} evaluations of {len(plan.trainings)} trainings after sharing{_shared(plan)}."
    )
    if not todo:
        print("\n".join(["Everything is stored: a run would only write the reports.", *notes]))
        return
    each = "about" if plan.request.seeds == 1 else "about, each"
    print_table(("", "training or evaluation", "seed", each, "why"), _by_seed(todo, rate))
    if kind and cost:
        for line in in_words(cost, kind, len(workers), plan):
            print(line)
    else:
        print(
            f"To do: {sum(r['kind'] == 'training' for r in todo)} trainings and "
            f"{sum(r['kind'] == 'evaluation' for r in todo)} evaluations, about {duration(wall)} on "
            f"{len(workers)} worker{'s' * (len(workers) > 1)} ({', '.join(sorted(set(workers)))}; {source})."
        )
    if summary["too_large"]:
        print(f"Memory: {summary['too_large']}")
    for name, why in absent.items():
        print(f"Data not here: {name}. Planned without it; what is stored for it is not looked up. To run: {why}")
    if measured:
        print(of_one_seed(plan) or outlook(plan.request.scale, plan.request.seeds))
    if unjudged := plan.unjudged():
        print(unjudged)
    for line in notes:
        print(line)


def _too_large(plan: Plan, store: Store, workers: Sequence[str]) -> str:
    """What cannot fit into this machine's memory; empty where all can."""
    there = memory_limit(workers[0])
    trainings, evaluations = session.missing(plan, store)
    return too_large(trainings.values(), evaluations.values(), plan, there) if there else ""


def _by_seed(todo: Iterable[dict[str, Any]], rate: float) -> list[tuple[str, ...]]:
    """A line for what differs in nothing but the seed; an evaluation that follows its training has none."""
    seeds: dict[tuple[str, ...], list[int]] = {}
    for row in todo:
        if row["kind"] == "training" or row["alone"]:
            identity: tuple[str, ...] = (row["kind"], row["label"], duration(row["cost"] / rate), row["state"])
            if row["seed"] in seeds.get(identity, []):
                identity = (*identity, row["id"])  # two of one name: tables differ in what they leave unsaid
            seeds.setdefault(identity, []).append(row["seed"])
    return [(kind, label, _spans(numbers), about, why) for (kind, label, about, why, *_), numbers in seeds.items()]


def _spans(numbers: list[int]) -> str:
    """[0, 1, 2, 5] as "0 to 2, 5"."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in spans)


def sharing(plan: Plan) -> dict[str, int]:
    """How many trainings the measured cells would take each on its own, and how many remain after sharing."""
    alone = [training for c in plan.cells for e in c.evaluations.values() for training in e.training.chain()]
    return {"without": len(alone), "with": len(plan.trainings), "shared": len(alone) - len(plan.trainings)}


def _tables(plan: Plan) -> str:
    ids = [table.id for table in plan.request.tables]
    return ", ".join(ids) if len(ids) <= MOST_TABLES else f"{len(ids)} tables"


def _shared(plan: Plan) -> str:
    shared = sharing(plan)
    return f" ({shared['shared']} of {shared['without']} are shared)" if shared["shared"] else ""


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


def _rows(plan: Plan, store: Store, needed: Mapping[str, Training]) -> Iterable[dict[str, Any]]:
    history, labels = History(store), TrainingLabels(plan.cells)
    stored_trainings = {k for k in plan.trainings if store.peek("training", k) is not None}
    for key, training in plan.trainings.items():
        away = any(link.images.fingerprint == session.NOT_HERE for link in training.chain())
        if key in stored_trainings:
            state = "stored"
        elif key not in needed:
            state = NEEDLESS
        else:
            state = history.explain("training", training.identity())
        state = session.NOT_HERE if away else state
        yield {
            "id": key,
            "kind": "training",
            "label": labels.of(training),
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
            "state": session.NOT_HERE
            if evaluation.images.fingerprint == session.NOT_HERE
            else "stored"
            if there
            else history.explain("evaluation", evaluation.identity()),
            "cost": costs[key],
            "after": evaluation.training.key,
            "alone": evaluation.training.key in stored_trainings,
        }
