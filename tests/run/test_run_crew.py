"""One training by two processes: the same numbers as by one; stopping, failing and short memory."""

import json
import os
import time
from dataclasses import replace

import pytest
import torch

from repro.errors import InputError
from repro.plan.chain import training_of
from repro.run import crew
from repro.run.events import Message, Stopped, TrainingDone, TrainingStarted, TrainingStep
from repro.run.execute import execute
from repro.run.job import Job, Way
from repro.run.remarks import remarks
from repro.run.session import Options, inputs
from repro.spec.load import load_suite
from repro.spec.protocol import Data, Model, Protocol, Train
from repro.store.store import Store
from repro.train.loop import DivergedError, Hooks, Layout, StoppedError

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


def _job(store, way=Way(), **train):  # noqa: B008
    told = inputs(Options((), store=store.root), load_suite(), store)
    protocol = PROTOCOL.model_copy(update={"train": PROTOCOL.train.model_copy(update=train)})
    return Job(training_of(protocol, 0, told), (), way=way)


def test_two_processes_train_as_one_and_resume_each_others_checkpoints(store, tmp_path):
    alone, events = Store(tmp_path / "alone"), []
    alone.prepare()
    job = _job(store)
    execute(job, alone, "cpu", lambda _: None, lambda: False)
    expected = alone.get("training", job.training.key)["result"]
    # one process begins, two go on
    steps = []
    execute(job, store, "cpu", lambda event: steps.append(isinstance(event, TrainingStep)), lambda: sum(steps) >= 2)
    together = replace(job, way=Way(processes=2))
    execute(together, store, "cpu", events.append, lambda: False)
    found = store.get("training", job.training.key)["result"]
    assert [e.resumed_at for e in events if isinstance(e, TrainingStarted)] == [2]
    assert [e.step for e in events if isinstance(e, TrainingStep)] == [3, 4, 5]
    assert isinstance(events[-1], TrainingDone)
    assert found["curve"]["loss"] == pytest.approx(expected["curve"]["loss"], abs=1e-5)
    assert found["layouts"] == [
        {"from_step": 0, "processes": 1, "micro_batch": 4, "launch": "eager"},
        {"from_step": 2, "processes": 2, "micro_batch": 2, "launch": "eager"},
    ]
    assert found["remarks"] == []
    weights = [s.file("training", job.training.key, "weights.safetensors") for s in (alone, store)]
    one, two = (crew.safetensors.torch.load_file(path) for path in weights)
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-4, rtol=1e-4)


@pytest.mark.slow  # up to four processes that import torch
@pytest.mark.parametrize(
    ("way", "batch_norm"), [(Way(processes=4), "train"), (Way(processes=4), "frozen"), (Way(2, 1), "frozen")]
)
def test_more_processes_and_micro_batches_train_as_one(store, tmp_path, way, batch_norm):
    """Five steps of batches of four: one image for each of four processes, or two by two in micro-batches of one."""
    alone = Store(tmp_path / "alone")
    alone.prepare()
    job = _job(store, batch_norm=batch_norm)
    execute(job, alone, "cpu", lambda _: None, lambda: False)
    execute(replace(job, way=way), store, "cpu", lambda _: None, lambda: False)
    expected, found = (s.get("training", job.training.key)["result"] for s in (alone, store))
    assert len(expected["curve"]["loss"]) == 5
    assert found["curve"]["loss"] == pytest.approx(expected["curve"]["loss"], abs=1e-5)
    assert [(one["processes"], one["micro_batch"]) for one in found["layouts"]] == [(way.processes, 1)]
    weights = [s.file("training", job.training.key, "weights.safetensors") for s in (alone, store)]
    one, many = (crew.safetensors.torch.load_file(path) for path in weights)
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
    told, tried = [], []
    run = crew._Crew.run

    def timed(self):
        tried.append(self.job.way.micro_batch)
        return run(self)

    monkeypatch.setattr(crew._Crew, "run", timed)
    hooks = Hooks(folder=tmp_path / "checkpoints", tell=told.append)
    began = time.monotonic()
    with pytest.raises(torch.OutOfMemoryError):
        crew.train_together(_job(store, Way(processes=2)), store, "cpu", hooks)
    assert tried == [None, 1]  # once more with one image at a time, in vain
    assert "with 1 images at once" in told[0]
    assert time.monotonic() - began < 600  # not until a sum gives up, after half an hour


def test_a_crew_stops_with_a_checkpoint(store):
    job, events = _job(store, Way(processes=2), iterations=100_000), []
    seen = []

    def emit(event):
        events.append(event)
        seen.append(isinstance(event, TrainingStarted))

    execute(job, store, "cpu", emit, lambda: any(seen))
    assert isinstance(events[-1], Stopped)
    assert list(store.checkpoint_dir(job.training.key).glob("step-*"))


def test_a_batch_that_cannot_be_parted_is_refused(store):
    with pytest.raises(InputError, match=r"--gpus-per-training 3: a batch of 4 .* divisor of 4"):
        execute(_job(store, Way(processes=3)), store, "cpu", lambda _: None, lambda: False)


def _crew(store, tmp_path, way=Way(processes=2)):  # noqa: B008
    return crew._Crew(_job(store, way), store, "cpu", Hooks(folder=tmp_path))


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("error", "memory"), torch.OutOfMemoryError),
        (("diverged", "diverged"), DivergedError),
        (("error", "input"), InputError),
        (("error", "error"), crew.CrewError),
    ],
)
def test_the_cause_counts_before_its_consequences(store, tmp_path, kinds, expected):
    one = _crew(store, tmp_path)
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
    one = _crew(store, tmp_path)
    one.folder.mkdir()
    (one.folder / "stderr.txt").write_text(f"Traceback\n{last}")
    assert type(one._failure(code)) is StoppedError


def test_what_the_others_met_is_told_with_those_that_died(store, tmp_path):
    one = _crew(store, tmp_path)
    one.folder.mkdir()
    word = {"kind": "error", "text": "Connection closed by peer", "type": "RuntimeError", "traceback": ""}
    (one.folder / "word-0.json").write_text(json.dumps(word))
    told = str(one._failure(1))
    assert told == "1 of 2 processes died without a word (killed?); RuntimeError: Connection closed by peer"


def test_a_process_that_dies_without_a_word_is_told_with_its_last_lines(store, tmp_path):
    one = _crew(store, tmp_path)
    one.folder.mkdir()
    (one.folder / "stderr.txt").write_text("a\nb\nSegmentation fault\n")
    assert "exit code 1" in str(one._failure(1))
    assert str(one._failure(1)).endswith("Segmentation fault")


def test_short_memory_halves_the_images_at_once_until_it_fits(store, monkeypatch):
    tried = []

    def run(self):
        tried.append(self.job.way.micro_batch)
        if self.job.way.micro_batch != 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "trained"

    monkeypatch.setattr(crew._Crew, "run", run)
    told = []
    hooks = Hooks(folder=store.root, tell=told.append)
    assert crew.train_together(_job(store, Way(processes=2)), store, "cpu", hooks) == "trained"
    assert tried == [None, 1]
    assert "with 1 images at once" in told[0]


@pytest.mark.parametrize(
    ("visible", "device", "expected"),
    [("", "cuda:2,3", "2,3"), ("4,5,6,7", "cuda:2,3", "6,7"), ("GPU-a,GPU-b", "cuda:1", "GPU-b")],
)
def test_a_crew_sees_its_own_gpus_only(store, tmp_path, monkeypatch, visible, device, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    one = crew._Crew(_job(store, Way(processes=2)), store, device, Hooks(folder=tmp_path))
    assert one._env()["CUDA_VISIBLE_DEVICES"] == expected
    assert one._command()[-1] == "cuda"


def test_what_departs_from_a_whole_batch_is_said():
    layouts = [Layout(0, 1, 16), Layout(40, 2, 4), Layout(50, 2, 8)]
    settings = Train(batch_size=16)
    (said,) = remarks(settings, layouts)
    assert said.startswith("from step 40 on, batches of 16 were computed 8 images at a time")
    assert "statistics of 8 images" in said
    assert "statistics" not in remarks(settings.model_copy(update={"batch_norm": "frozen"}), layouts)[0]


def test_memory_that_is_short_in_one_process_is_answered_and_recorded(store, monkeypatch):
    from repro.train import loop

    whole = loop.backward

    def short(trainer, x, y, train, team, micro_batch, seed, step):
        if step >= 2 and (micro_batch or len(x)) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return whole(trainer, x, y, train, team, micro_batch, seed, step)

    monkeypatch.setattr(loop, "backward", short)
    job, events = replace(_job(store, batch_norm="frozen"), checkpoint_steps=1), []
    execute(job, store, "cpu", events.append, lambda: False)
    found = store.get("training", job.training.key)["result"]
    assert [e.resumed_at for e in events if isinstance(e, TrainingStarted)] == [0, 2, 2]
    assert [one["micro_batch"] for one in found["layouts"]] == [4, 1]
    assert found["layouts"][1]["from_step"] == 2
    assert found["remarks"][0].startswith("from step 2 on, batches of 4 were computed 1 images at a time")
    assert [e.text for e in events if isinstance(e, Message)][-1].startswith("out of memory; going on")
    other = Store(store.root.parent / "other")
    other.prepare()
    monkeypatch.setattr(loop, "backward", whole)
    execute(job, other, "cpu", lambda _: None, lambda: False)
    expected = other.get("training", job.training.key)["result"]["curve"]["loss"]
    assert found["curve"]["loss"] == pytest.approx(expected, abs=1e-5)


def test_memory_that_is_short_for_one_image_is_a_failure(store, monkeypatch):
    from repro.train import loop

    def short(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop, "backward", short)
    with pytest.raises(torch.OutOfMemoryError):
        execute(_job(store), store, "cpu", lambda _: None, lambda: False)
