"""From options to work: weights that must be there, and what they do to keys."""

from dataclasses import replace

import pytest
import torch

from repro.errors import InputError
from repro.nets.deeplab import build
from repro.run import session
from repro.run.compute import start_of
from repro.run.job import ExecutionOptions, Job
from repro.run.session import Options
from repro.spec.protocol import Model
from repro.store.store import Store

SMALL = ("train.start=imagenet", "data.train_images=4", "data.val_images=4")


def _options(tmp_path, **more):
    return Options(("v3/table2",), "smoke", only=("last_block=5",), overrides=SMALL, store=tmp_path / "runs", **more)


def _plan(options):
    store = Store(options.store)
    store.prepare()
    return session.make_plan(options, session.load(options), store), store


def test_a_plan_needs_no_weights_and_a_run_says_what_it_lacks(tmp_path):
    plan, store = _plan(_options(tmp_path))
    assert all(training.needs_weights for training in plan.trainings.values())
    with pytest.raises(InputError, match=r"--weights: .*resnet.*\*.safetensors"):
        session.work_of(plan, store, None, None)


def test_the_content_of_the_weights_is_part_of_the_key(tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    keys = []
    for content in (b"one", b"other"):
        for backbone in ("resnet50", "resnet101"):
            (folder / f"{backbone}.pth").write_bytes(content)
        plan, store = _plan(_options(tmp_path, weights=folder))
        keys.append(set(plan.trainings))
        # a plan knows the files by their content; that this is none of weights is told before a run begins
        with pytest.raises(InputError, match=r"resnet\d+\.pth: damaged, or holds more than tensors"):
            session.work_of(plan, store, None, folder)
    without, _ = _plan(_options(tmp_path))
    assert not keys[0] & keys[1]
    assert not keys[0] & set(without.trainings)


def test_weights_that_are_not_there_are_told(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        _plan(_options(tmp_path, weights=tmp_path / "nowhere"))


def test_a_worker_reads_the_weights_of_its_backbone(tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    state = build(Model(backbone="resnet50", units=(1, 1, 1, 1), width=2, stem_width=2), 3, 16).state_dict()
    for backbone in ("resnet50", "resnet101"):
        torch.save(state, folder / f"{backbone}.pth")
    plan, store = _plan(_options(tmp_path, weights=folder))
    job = Job(next(iter(plan.trainings.values())), (), None, folder)
    start = start_of(job, store)
    assert start.kind == "imagenet"
    assert start.state.keys() == state.keys()
    assert job.training.model.backbone in start.source
    with pytest.raises(InputError, match="no weights are given"):
        start_of(replace(job, weights=None), store)


def test_a_number_of_processes_that_does_not_fit_a_batch_is_refused_before_anything_runs(tmp_path):
    """v2 trains on batches of 10 and of 30: a run of both tables would come to one of them after days."""
    options = Options(("v2/table2", "v2/table4"), "paper", store=tmp_path / "runs", overrides=("train.start=random",))
    store = Store(options.store)
    store.prepare()
    plan = session.make_plan(options, session.load(options), store, {})
    sizes = {training.settings.batch_size for training in plan.trainings.values()}
    assert sizes == {10, 30}
    with pytest.raises(
        InputError, match=r"--gpus-per-training 4: a batch of 10 images \(.*\) is not divisible by .* choose 2"
    ):
        session.work_of(plan, store, None, None, ExecutionOptions(processes=4))
    assert session.work_of(plan, store, None, None, ExecutionOptions(processes=2))


def test_a_batch_that_is_parted_for_normalisation_is_not_parted_otherwise(tmp_path):
    parted = replace(_options(tmp_path), overrides=("train.batch_norm_parts=2", "train.start=random"))
    plan, store = _plan(parted)
    with pytest.raises(InputError, match=r"train.batch_norm_parts says .* --gpus-per-training parts it otherwise"):
        session.work_of(plan, store, None, None, ExecutionOptions(processes=2))
    assert session.work_of(plan, store, None, None)
    with pytest.raises(InputError, match=r"train.batch_norm_parts says .* train.micro_batch .* parts it otherwise"):
        _plan(replace(parted, overrides=(*parted.overrides, "train.micro_batch=8")))


def test_processes_share_micro_batches_evenly(tmp_path):
    plan, store = _plan(replace(_options(tmp_path), overrides=("train.micro_batch=2", "train.start=random")))
    assert session.work_of(plan, store, None, None, ExecutionOptions(processes=2))
    with pytest.raises(InputError, match=r"--gpus-per-training 4: a micro-batch of 2 images .* choose 2"):
        session.work_of(plan, store, None, None, ExecutionOptions(processes=4))
