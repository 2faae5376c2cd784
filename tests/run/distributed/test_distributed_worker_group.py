"""One training by two processes: the same numbers as by one; stopping, failing and short memory."""

import json
import os
import time
from dataclasses import replace

import pytest
import torch

from repro.errors import InputError
from repro.plan.chain import training_of
from repro.run.distributed import worker_group
from repro.run.execute import execute
from repro.run.job import ExecutionOptions, Job, ShortOfMemoryError
from repro.run.progress.events import Stopped, TrainingDone, TrainingStarted, TrainingStep
from repro.run.remarks import remarks
from repro.run.session import Options, inputs
from repro.spec.load import load_suite
from repro.spec.protocol import Data, Model, Protocol, Train
from repro.store.store import Store
from repro.train.context import Hooks
from repro.train.loop import BatchLayout, DivergedError, StoppedError

PROTOCOL = Protocol(
    model=Model(backbone="resnet50", units=(1, 1, 1, 1), width=2, stem_width=2),
    data=Data(name="scenes", classes=9, side=33, train_images=6, val_images=3),
    train=Train(start="random", crop=33, batch_size=4, iterations=5, lr=0.01, precision="float32"),
)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs")
    store.prepare()
    return store


def _job(store, execution=ExecutionOptions(), **train):  # noqa: B008
    told = inputs(Options((), store=store.root), load_suite(), store)
    protocol = PROTOCOL.model_copy(update={"train": PROTOCOL.train.model_copy(update=train)})
    return Job(training_of(protocol, 0, told), (), execution=execution)


def test_two_processes_train_as_one_and_resume_each_others_checkpoints(store, tmp_path):
    alone, events = Store(tmp_path / "alone"), []
    alone.prepare()
    job = _job(store)
    execute(job, alone, "cpu", lambda _: None, lambda: False)
    expected = alone.get("training", job.training.key)["result"]
    # one process begins, two go on
    steps = []
    execute(job, store, "cpu", lambda event: steps.append(isinstance(event, TrainingStep)), lambda: sum(steps) >= 2)
    together = replace(job, execution=ExecutionOptions(processes=2))
    execute(together, store, "cpu", events.append, lambda: False)
    found = store.get("training", job.training.key)["result"]
    assert [e.resumed_at for e in events if isinstance(e, TrainingStarted)] == [2]
    assert [e.step for e in events if isinstance(e, TrainingStep)] == [3, 4, 5]
    assert isinstance(events[-1], TrainingDone)
    assert found["curve"]["loss"] == pytest.approx(expected["curve"]["loss"], abs=1e-5)
    assert found["layouts"] == [
        {"from_step": 0, "processes": 1, "micro_batch": 4, "launch": "eager", "precision": "float32"},
        {"from_step": 2, "processes": 2, "micro_batch": 2, "launch": "eager", "precision": "float32"},
    ]
    assert found["remarks"] == []
    weights = [s.file("training", job.training.key, "weights.safetensors") for s in (alone, store)]
    one, two = (worker_group.safetensors.torch.load_file(path) for path in weights)
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-4, rtol=1e-4)


@pytest.mark.slow  # up to four processes that import torch
@pytest.mark.parametrize(
    ("processes", "batch_norm", "micro_batch"), [(4, "train", None), (4, "frozen", None), (2, "frozen", 2)]
)
def test_more_processes_and_micro_batches_train_as_one(store, tmp_path, processes, batch_norm, micro_batch):
    """Five steps of batches of four: one image for each of four processes, or of two in micro-batches of two."""
    alone = Store(tmp_path / "alone")
    alone.prepare()
    job = _job(store, batch_norm=batch_norm)
    execute(job, alone, "cpu", lambda _: None, lambda: False)
    parted = _job(store, ExecutionOptions(processes=processes), batch_norm=batch_norm, micro_batch=micro_batch)
    execute(parted, store, "cpu", lambda _: None, lambda: False)
    jobs = ((alone, job.training.key), (store, parted.training.key))
    expected, found = (s.get("training", key)["result"] for s, key in jobs)
    assert len(expected["curve"]["loss"]) == 5
    assert found["curve"]["loss"] == pytest.approx(expected["curve"]["loss"], abs=1e-5)
    assert [(one["processes"], one["micro_batch"]) for one in found["layouts"]] == [(processes, 1)]
    weights = [s.file("training", key, "weights.safetensors") for s, key in jobs]
    one, many = (worker_group.safetensors.torch.load_file(path) for path in weights)
    for name, tensor in one.items():
        torch.testing.assert_close(many[name], tensor, atol=1e-4, rtol=1e-4)


@pytest.mark.slow  # two processes, of which one fails
def test_a_process_that_fails_ends_all_at_once_and_tells_why(store, tmp_path, monkeypatch):
    """The others wait for it in a sum. `sitecustomize` plants the failure in the second process."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os\nif os.environ.get('RANK') == '1':\n    import torch\n    from repro.train import loop\n"
        "    whole = loop.backward\n    def short(*words):\n        if words[-1] >= 2:\n"
        "            raise torch.OutOfMemoryError('CUDA out of memory')\n        return whole(*words)\n"
        "    loop.backward = short\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path / "site"), os.getcwd())))
    hooks = Hooks(folder=tmp_path / "checkpoints")
    began = time.monotonic()
    with pytest.raises(torch.OutOfMemoryError):
        worker_group.train_distributed(_job(store, ExecutionOptions(processes=2)), store, "cpu", hooks)
    assert time.monotonic() - began < 600  # not until a sum gives up, after half an hour


def test_a_worker_group_stops_with_a_checkpoint(store):
    job, events = _job(store, ExecutionOptions(processes=2), iterations=100_000), []
    seen = []

    def emit(event):
        events.append(event)
        seen.append(isinstance(event, TrainingStarted))

    execute(job, store, "cpu", emit, lambda: any(seen))
    assert isinstance(events[-1], Stopped)
    assert list(store.checkpoint_dir(job.training.key).glob("step-*"))


def test_a_batch_that_cannot_be_parted_is_refused(store):
    with pytest.raises(InputError, match=r"--gpus-per-training 3: a batch of 4 .* divisor of 4"):
        execute(_job(store, ExecutionOptions(processes=3)), store, "cpu", lambda _: None, lambda: False)


def _group(store, tmp_path, execution=ExecutionOptions(processes=2)):  # noqa: B008
    return worker_group._WorkerGroup(_job(store, execution), store, "cpu", Hooks(folder=tmp_path))


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("error", "memory"), torch.OutOfMemoryError),
        (("diverged", "diverged"), DivergedError),
        (("error", "input"), InputError),
        (("error", "error"), worker_group.WorkerGroupError),
    ],
)
def test_the_cause_counts_before_its_consequences(store, tmp_path, kinds, expected):
    one = _group(store, tmp_path)
    one.folder.mkdir()
    for rank, kind in enumerate(kinds):
        word = {"kind": kind, "text": f"text {rank}", "type": "RuntimeError", "traceback": ""}
        (one.folder / f"word-{rank}.json").write_text(json.dumps(word))
    failure = one._failure(1)
    assert type(failure) is expected
    assert "text" in str(failure)


@pytest.mark.parametrize(
    ("code", "last"),
    [(1, "torch.distributed.elastic.multiprocessing.api.SignalException: Process 7 got signal: 15\n"), (-15, "")],
)
def test_torchrun_that_is_told_to_end_before_its_processes_have_begun_has_not_failed(store, tmp_path, code, last):
    one = _group(store, tmp_path)
    one.folder.mkdir()
    (one.folder / "stderr.txt").write_text(f"Traceback\n{last}")
    assert type(one._failure(code)) is StoppedError


def test_what_the_others_met_is_told_with_those_that_died(store, tmp_path):
    one = _group(store, tmp_path)
    one.folder.mkdir()
    word = {"kind": "error", "text": "Connection closed by peer", "type": "RuntimeError", "traceback": ""}
    (one.folder / "word-0.json").write_text(json.dumps(word))
    told = str(one._failure(1))
    assert told == "1 of 2 processes died without a word (killed?); RuntimeError: Connection closed by peer"


def test_a_process_that_dies_without_a_word_is_told_with_its_last_lines(store, tmp_path):
    one = _group(store, tmp_path)
    one.folder.mkdir()
    (one.folder / "stderr.txt").write_text("a\nb\nSegmentation fault\n")
    assert "exit code 1" in str(one._failure(1))
    assert str(one._failure(1)).endswith("Segmentation fault")


@pytest.mark.parametrize(
    ("visible", "device", "expected"),
    [("", "cuda:2,3", "2,3"), ("4,5,6,7", "cuda:2,3", "6,7"), ("GPU-a,GPU-b", "cuda:1", "GPU-b")],
)
def test_a_worker_group_sees_its_own_gpus_only(store, tmp_path, monkeypatch, visible, device, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    one = worker_group._WorkerGroup(_job(store, ExecutionOptions(processes=2)), store, device, Hooks(folder=tmp_path))
    assert one._env()["CUDA_VISIBLE_DEVICES"] == expected
    assert one._command()[-1] == "cuda"


def test_what_departs_from_a_whole_batch_is_said():
    layouts = [BatchLayout(0, 1, 16), BatchLayout(40, 2, 4), BatchLayout(50, 2, 8)]
    settings = Train(batch_size=16)
    (said,) = remarks(settings, layouts)
    assert said.startswith("from step 40 on, batches of 16 were computed 8 images at a time")
    assert "statistics of 8 images" in said
    assert "statistics" not in remarks(settings.model_copy(update={"batch_norm": "frozen"}), layouts)[0]


@pytest.mark.parametrize(("batch_norm", "processes", "fits"), [("frozen", 1, 2), ("train", 1, 2), ("train", 4, None)])
def test_memory_that_is_short_asks_for_smaller_parts(store, monkeypatch, batch_norm, processes, fits):
    """Four images at once are too many. Of four processes each has one image already."""

    def short(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr("repro.run.execute.train_distributed", short)
    monkeypatch.setattr("repro.train.loop.backward", short)
    job = _job(store, ExecutionOptions(processes=processes), batch_norm=batch_norm)
    kind = torch.OutOfMemoryError if fits is None else ShortOfMemoryError
    with pytest.raises(kind, match="memory") as failure:
        execute(job, store, "cpu", lambda _: None, lambda: False)
    if fits is not None:
        assert failure.value.micro_batch == fits
        assert str(failure.value).startswith("out of memory with 4 images at once; 2 may fit")


@pytest.mark.parametrize(("batch_norm", "fewest"), [("frozen", 1), ("train", 2)])
def test_memory_that_is_short_for_the_fewest_images_is_a_failure(store, monkeypatch, batch_norm, fewest):
    from repro.train import loop

    def short(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop, "backward", short)
    with pytest.raises(torch.OutOfMemoryError):
        execute(_job(store, batch_norm=batch_norm, micro_batch=fewest), store, "cpu", lambda _: None, lambda: False)
