"""A whole chain of trainings and its evaluations, from protocol to records."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from repro.evaluate import measure as measuring
from repro.plan.chain import evaluation_of, training_of
from repro.run import execute as module
from repro.run.execute import execute
from repro.run.job import Job
from repro.run.progress.events import EvaluationDone, Failed, TrainingDone
from repro.run.session import Options, inputs
from repro.spec.load import load_suite
from repro.spec.protocol import Coco, Data, Evaluate, Model, Pretrain, Protocol, SecondStage, Train
from repro.store.store import Store

STAGE = SecondStage(output_stride=8, iterations=2, lr=0.001, train_split="trainaug")
PROTOCOL = Protocol(
    model=Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2),
    data=Data(name="scenes", classes=9, side=33, train_images=6, val_images=3, duplicated=("wheel", "pole")),
    train=Train(start="coco", crop=33, batch_size=2, iterations=2, optimizer="adamw", lr=0.01, second_stage=STAGE),
    pretrain=Pretrain(crop=33, batch_size=2, iterations=2),
    coco=Coco(name="scenes", train_split="extra", images=5, start="presence", iterations=2),
)
WAYS = [{}, {"trimap_px": 2}, {"average": "image"}, {"void": "background"}, {"flip": True}]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs")
    store.prepare()
    return store


def _job(store):
    told = inputs(Options((), store=store.root), load_suite(), store)
    training = training_of(PROTOCOL, 1, told)
    evaluates = [Evaluate(output_stride=8, canvas=(33, 33), **execution) for execution in WAYS]
    evaluations = [evaluation_of(PROTOCOL.model_copy(update={"evaluate": e}), training, told) for e in evaluates]
    return Job(training, tuple(evaluations))


def test_every_training_of_the_chain_starts_from_the_one_before(store, monkeypatch):
    calls = []
    measure = module.measure
    monkeypatch.setattr(module, "measure", lambda *words: calls.append(len(words[2])) or measure(*words))
    job, events = _job(store), []
    chain = job.training.chain()
    assert [one.task for one in chain] == ["presence", "segment", "segment", "segment"]
    for one in chain[:-1]:
        execute(Job(one, ()), store, "cpu", events.append, lambda: False)
    execute(job, store, "cpu", events.append, lambda: False)
    assert not [e for e in events if isinstance(e, Failed)]
    assert [e.key for e in events if isinstance(e, TrainingDone)] == [one.key for one in chain]
    assert {e.key for e in events if isinstance(e, EvaluationDone)} == {e.key for e in job.evaluations}
    assert sorted(calls) == [1, 4]  # four ways of scoring share their predictions
    for one in chain[1:]:
        assert store.get("training", one.key)["parent"] == one.parent.key
    records = [store.get("evaluation", e.key) for e in job.evaluations]
    counts = []
    for evaluation in job.evaluations:
        with np.load(store.file("evaluation", evaluation.key, "confusion.npz")) as archive:
            counts.append(archive["matrices"].sum())
    assert counts[1] < counts[0] == counts[2] < counts[3] == 3 * 33 * 33
    assert records[2]["result"]["metrics"]["miou"] != records[0]["result"]["metrics"]["miou"]


def test_a_failure_is_recorded_for_each_way_of_scoring(store, monkeypatch):
    def broken(*_):
        raise RuntimeError("out of memory, say")

    job, events = _job(store), []
    for one in job.training.chain():
        execute(Job(one, ()), store, "cpu", events.append, lambda: False)
    monkeypatch.setattr(module, "measure", broken)
    execute(job, store, "cpu", events.append, lambda: False)
    failed = {e.key: e.reason for e in events if isinstance(e, Failed)}
    assert set(failed) == {e.key for e in job.evaluations}
    assert set(failed.values()) == {"RuntimeError: out of memory, say"}
    assert all(store.failures(key) for key in failed)


def _short_above(monkeypatch, most):
    """Memory that holds the pass of so many images at most."""
    whole = measuring.probabilities

    def short(network, images, *more):
        if len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return whole(network, images, *more)

    monkeypatch.setattr(measuring, "probabilities", short)


def test_memory_short_at_test_is_answered_and_said_in_the_record(store, monkeypatch):
    job, events = _job(store), []
    for one in job.training.chain():
        execute(Job(one, ()), store, "cpu", lambda _: None, lambda: False)
    one = replace(job, evaluations=job.evaluations[:1])
    with monkeypatch.context() as patch:
        _short_above(patch, 0)
        execute(one, store, "cpu", events.append, lambda: False)
    (failed,) = [e for e in events if isinstance(e, Failed)]
    assert failed.reason.startswith("OutOfMemoryError: memory is short for one image at a time (CUDA out of memory)")
    assert "--device cpu" in failed.reason
    # the same command again, with more memory
    _short_above(monkeypatch, 2)
    execute(one, store, "cpu", events.append, lambda: False)
    assert isinstance(events[-1], EvaluationDone)
    result = store.get("evaluation", one.evaluations[0].key)["result"]
    (remark,) = result["remarks"]
    assert remark.startswith("memory was short and 2 images were evaluated at once, not 8")
