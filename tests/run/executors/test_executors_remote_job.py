"""What a cluster's machine checks before it works."""

import pickle
from dataclasses import replace

from repro.plan.chain import training_of
from repro.plan.code import Code
from repro.run.executors.remote_job import other_code, work_here
from repro.run.job import Job
from repro.run.session import EXECUTE, Options, inputs
from repro.spec.load import load_suite
from repro.spec.protocol import Data, Protocol
from repro.store.store import Store


def _job(store):
    told = inputs(Options((), store=store.root), load_suite(), store)
    protocol = Protocol(data=Data(name="scenes", classes=9, side=33, train_images=6, val_images=3))
    training = training_of(
        protocol.model_copy(update={"train": protocol.train.model_copy(update={"start": "random"})}), 0, told
    )
    return Job(training, ())


def test_the_same_code_is_found_to_be_the_same(tmp_path):
    assert other_code(_job(Store(tmp_path))) == []


def test_a_machine_with_other_code_refuses_the_job(tmp_path):
    store = Store(tmp_path)
    store.prepare()
    job = _job(store)
    modules = tuple(
        (name, "0" * 12 if name == "repro.nets.resnet" else digest) for name, digest in job.training.code.modules
    )
    other = replace(job, training=replace(job.training, code=Code(modules)))
    end = work_here(pickle.dumps((other.training.key, other)), EXECUTE, store, "cpu", 1, lambda _: None, lambda: False)
    assert end.how == "wrong_input"
    assert "repro.nets.resnet" in end.reason
    assert store.get("training", other.training.key) is None
