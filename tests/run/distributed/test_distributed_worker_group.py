"""One training by two processes: the same numbers as by one; stopping, failing and short memory."""

import errno
import pickle
import time
from dataclasses import replace

import pytest
import torch
from torch.multiprocessing.spawn import ProcessExitedException

from repro.errors import InputError
from repro.plan.chain import training_of
from repro.run.distributed import ddp_worker, worker_group
from repro.run.distributed.ddp_worker import OutOfStepError
from repro.run.execute import execute
from repro.run.job import ExecutionOptions, Job, ShortOfMemoryError
from repro.run.progress.events import Stopped, TrainingDone, TrainingStarted, TrainingStep
from repro.run.remarks import remarks
from repro.run.session import Options, inputs
from repro.spec.load import load_suite
from repro.spec.protocol import Data, Model, Protocol, Train
from repro.store.errors import no_space
from repro.store.store import Store
from repro.train import loop
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
    plain = {"launch": "eager", "precision": "float32", "kernels": "torch"}
    assert found["layouts"] == [
        {"from_step": 0, "processes": 1, "micro_batch": 4, **plain},
        {"from_step": 2, "processes": 2, "micro_batch": 2, **plain},
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


def short_of_memory(rank, pipes, told):
    """The second process fails at its third step; the first waits for it in a sum."""
    whole = loop.backward

    def backward(*words):
        if rank == 1 and words[-1] >= 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(*words)

    loop.backward = backward
    ddp_worker.main(rank, pipes, told)


@pytest.mark.slow  # two processes, of which one fails
def test_a_process_that_fails_ends_all_at_once_and_tells_why(store, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_group._WorkerGroup, "main", staticmethod(short_of_memory))
    hooks = Hooks(folder=tmp_path / "checkpoints")
    began = time.monotonic()
    with pytest.raises(torch.OutOfMemoryError):
        worker_group.train_distributed(_job(store, ExecutionOptions(processes=2)), store, "cpu", hooks)
    assert time.monotonic() - began < 600  # not until a sum gives up, after half an hour


@pytest.mark.slow
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
    ("met", "expected"),
    [
        ((RuntimeError("a"), torch.OutOfMemoryError("b")), torch.OutOfMemoryError),
        ((DivergedError("a"), DivergedError("b")), DivergedError),
        ((RuntimeError("a"), InputError("b")), InputError),
        ((RuntimeError("a"), RuntimeError("b")), worker_group.WorkerGroupError),
        ((RuntimeError("a"), OutOfStepError("b")), OutOfStepError),
        ((RuntimeError("a"), OSError(errno.ENOSPC, "No space left on device")), OSError),
    ],
)
def test_the_cause_counts_before_its_consequences(store, tmp_path, met, expected):
    group = _group(store, tmp_path)
    sent = [pickle.loads(pickle.dumps(ddp_worker._portable(error, store))) for error in met]
    group.failures = dict(enumerate(sent))
    failure = group._failure(None)
    assert type(failure) is expected
    assert no_space(failure) == (expected is OSError)  # a full disk is the user's to answer, not a failed cell


def test_a_process_that_is_told_to_end_before_it_has_begun_has_not_failed(store, tmp_path):
    killed = {"error_index": 0, "error_pid": 7}
    ended = ProcessExitedException("process 0 terminated", **killed, exit_code=-15, signal_name="SIGTERM")
    assert type(_group(store, tmp_path)._failure(ended)) is StoppedError
    died = ProcessExitedException(
        "process 0 terminated with signal SIGKILL", **killed, exit_code=-9, signal_name="SIGKILL"
    )
    assert "terminated with signal SIGKILL" in str(_group(store, tmp_path)._failure(died))


def test_what_the_others_met_is_told_with_those_that_died(store, tmp_path):
    group = _group(store, tmp_path)
    group.failures = {0: worker_group.WorkerGroupError("RuntimeError: Connection closed by peer")}
    told = str(group._failure(None))
    assert told == "1 of 2 processes died without a word (killed?); RuntimeError: Connection closed by peer"


@pytest.mark.parametrize(
    ("visible", "device", "expected"),
    [("", "cuda:2,3", "2,3"), ("4,5,6,7", "cuda:2,3", "6,7"), ("GPU-a,GPU-b", "cuda:1", "GPU-b")],
)
def test_a_worker_group_sees_its_own_gpus_only(store, tmp_path, monkeypatch, visible, device, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    group = worker_group._WorkerGroup(_job(store, ExecutionOptions(processes=2)), store, device, Hooks(folder=tmp_path))
    told = group._assignment(29500)
    assert told.environment["CUDA_VISIBLE_DEVICES"] == expected
    assert told.device == "cuda"


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
    def short(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop, "backward", short)
    with pytest.raises(torch.OutOfMemoryError):
        execute(_job(store, batch_norm=batch_norm, micro_batch=fewest), store, "cpu", lambda _: None, lambda: False)
