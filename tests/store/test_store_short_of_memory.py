"""A training that ran out of memory gives way to micro-batches: in plans, keys and the list of deviations."""

from dataclasses import replace

import pytest

from repro.plan.chain import Inputs
from repro.plan.code import Code
from repro.plan.plan import Request, build
from repro.spec.load import load_suite
from repro.store.short_of_memory import in_micro_batches
from repro.store.store import Store

INPUTS = Inputs(
    data=lambda _data, _split: "images",
    code=lambda _stage, _data: Code(()),
    classes=lambda _name: ("background",),
    weights=lambda _backbone: "",
)


def planned(scale="smoke", **more):
    suite = load_suite()
    return build(suite, Request((suite.find("v3/table9"),), scale, **more), INPUTS)


def short(store, training, micro_batch):
    store.put_failure(training.key, "training", "out of memory", micro_batch=micro_batch)


def put(store, training):
    parent = training.parent.key if training.parent else None
    store.put("training", training.key, {**training.identity(), "parent": parent, "result": {}}, {})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", warn=lambda text: pytest.fail(text))


def test_where_nothing_was_short_the_plan_is_as_it_was(store):
    plan = planned()
    store.put_failure(next(iter(plan.trainings)), "training", "the loss is nan")
    found = in_micro_batches(plan, store)
    assert (found.cells, found.trainings) == (plan.cells, plan.trainings)


def test_the_smallest_part_that_was_tried_is_planned_under_its_own_key(store):
    plan = planned()
    batch = plan.cells[0].resolved.protocol.train.batch_size
    training = plan.cells[0].evaluations[0].training
    short(store, training, batch // 2)
    once = in_micro_batches(plan, store).cells[0]
    assert once.evaluations[0].training.settings.micro_batch == batch // 2
    assert once.evaluations[0].key != plan.cells[0].evaluations[0].key
    (told,) = [d for d in once.resolved.deviations if d.key == "train.micro_batch"]
    assert (told.published, told.value, told.direction) == (None, batch // 2, "lower")
    assert once.resolved.protocol.train.micro_batch == batch // 2
    short(store, once.evaluations[0].training, batch // 4)
    twice = in_micro_batches(plan, store).cells[0]
    assert twice.evaluations[0].training.settings.micro_batch == batch // 4
    # stored all the same, on another machine: the whole batch counts
    put(store, training)
    assert in_micro_batches(plan, store).cells[0].evaluations[0].training.key == training.key


def test_at_scale_paper_such_a_cell_is_not_comparable(store):
    plan = planned("paper", overrides=("train.start=random",))
    assert "train.micro_batch" not in {d.key for d in plan.cells[0].resolved.departures}
    short(store, plan.cells[0].evaluations[0].training, 2)
    found = in_micro_batches(plan, store).cells[0].resolved
    assert "train.micro_batch" in {d.key for d in found.departures}


def test_what_starts_from_it_starts_from_the_micro_batches(store):
    plan = planned()
    first = plan.cells[0].evaluations[0].training.parent
    short(store, first, first.settings.batch_size // 2)
    for one in in_micro_batches(plan, store).cells:
        for evaluation in one.evaluations.values():
            if evaluation.training.parent.settings.batch_size == first.settings.batch_size:
                assert evaluation.training.parent.settings.micro_batch == first.settings.batch_size // 2
                assert evaluation.training.settings.micro_batch is None
                assert "pretrain.micro_batch" in {d.key for d in one.resolved.departures}


@pytest.mark.parametrize("value", ["none", "8"])
def test_who_says_how_many_gets_so_many(store, value):
    plan = planned(overrides=(f"train.micro_batch={value}",))
    for training in plan.trainings.values():
        short(store, training, 2)
    assert in_micro_batches(plan, store) is plan
    other = replace(plan, request=replace(plan.request, overrides=()))
    assert in_micro_batches(other, store).trainings.keys() != plan.trainings.keys()
