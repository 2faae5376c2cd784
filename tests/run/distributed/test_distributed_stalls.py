"""No worker group waits for ever without a word: a stand-in for torchrun, or real processes, do what may go wrong."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from filelock import FileLock
from test_distributed_worker_group import PROTOCOL

from repro.plan.chain import training_of
from repro.run.distributed import ddp_worker, heartbeat, worker_group
from repro.run.distributed.ddp_worker import JOB, REST, WEIGHTS, OutOfStepError, writing
from repro.run.execute import execute
from repro.run.job import ExecutionOptions, Job
from repro.run.progress.events import Message, TrainingDone, TrainingStarted
from repro.run.session import Options, inputs
from repro.spec.load import load_suite
from repro.store.errors import no_space
from repro.store.store import Store
from repro.train.context import Hooks
from repro.train.loop import StoppedError

SITE = "import os\nif os.environ.get('RANK') == '1':\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "runs")
    store.prepare()
    return store


@pytest.fixture
def job(store: Store) -> Job:
    told = inputs(Options((), store=store.root), load_suite(), store)
    return Job(training_of(PROTOCOL, 0, told), (), execution=ExecutionOptions(processes=2), label="block4 seed 0")


class Group(worker_group._WorkerGroup):
    """A worker group whose torchrun is a Python script; its first argument is the group's folder."""

    script = ""

    def _command(self) -> tuple[str, ...]:
        return sys.executable, "-c", self.script, str(self.folder)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[Group]:
    monkeypatch.setattr(worker_group, "_WorkerGroup", Group)
    monkeypatch.setattr(worker_group, "_GRACE_SECONDS", 1.0)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.1)
    return Group


def train(job: Job, store: Store, folder: Path, **hooks: object) -> object:
    return worker_group.train_distributed(job, store, "cpu", Hooks(folder=folder, **hooks))  # type: ignore[arg-type]


def test_a_listener_that_fails_ends_the_worker_group_with_its_reason(
    job: Job, store: Store, tmp_path: Path, stand_in: type[Group]
) -> None:
    """Where nobody reads any more, the processes would wait as soon as 64 KiB are written."""
    stand_in.script = (
        "import json\nfor step in range(20000):\n    print(json.dumps(['step', step, 1.0, 0.1]), flush=True)\n"
        "import time; time.sleep(60)"
    )

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left for scalars")

    began = time.monotonic()
    with pytest.raises(OSError, match="no space left for scalars"):
        train(job, store, tmp_path / "checkpoints", on_step=full)
    assert time.monotonic() - began < 30


def test_every_line_is_read_whatever_it_holds(job: Job, store: Store, tmp_path: Path, stand_in: type[Group]) -> None:
    stand_in.script = (
        "import sys\nwrite = sys.stdout.buffer.write\nwrite(b'\\xff\\xfe warning of a library\\n[1\\n' * 9000)\n"
        "write(b'[\"step\", 3, 1.0, 0.1]\\n')\nsys.exit(3)"
    )
    steps: list[int] = []
    with pytest.raises(worker_group.WorkerGroupError, match="exit code 3"):
        train(job, store, tmp_path / "checkpoints", on_step=lambda step, *_: steps.append(step))
    assert steps == [3]


def test_a_torchrun_that_does_not_end_after_its_work_is_ended(
    job: Job, store: Store, tmp_path: Path, stand_in: type[Group]
) -> None:
    rest = {"curve": {"step": [0], "loss": [1.5], "lr": [0.1]}, "seconds": 1.0, "images_per_second": 2.0}
    rest |= {"parameters": 3, "layouts": []}
    safetensors.torch.save_file({"w": torch.ones(2)}, tmp_path / WEIGHTS)
    stand_in.script = (
        f"import os, shutil, sys, time\nfrom pathlib import Path\nfolder = Path(sys.argv[1])\n"
        f"shutil.copy({str(tmp_path / WEIGHTS)!r}, folder)\n(folder / {REST!r}).write_text({json.dumps(rest)!r})\n"
        "time.sleep(60)"
    )
    began = time.monotonic()
    trained = train(job, store, tmp_path / "checkpoints")
    assert trained.curve.loss == [1.5]  # type: ignore[attr-defined]
    assert time.monotonic() - began < 30


def test_a_worker_group_that_waits_for_ever_begins_again_and_then_fails_with_what_each_was_at(
    job: Job, store: Store, tmp_path: Path, stand_in: type[Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "GIVE_UP_SECONDS", 0.5)
    told: list[str] = []
    (tmp_path / "runs-of-it").mkdir()
    stand_in.script = (
        "import json, sys, time\nfrom pathlib import Path\nfolder = Path(sys.argv[1])\n"
        f"Path({str(tmp_path / 'runs-of-it')!r}, folder.name).touch()\n"
        "for rank in range(2):\n    pulse = {'rank': rank, 'at': time.monotonic(), 'step': 2, 'waits': True}\n"
        "    pulse |= {'where': f'repro/train/distributed.py:{rank} (total)', 'computed': 1.0}\n"
        "    (folder / f'heartbeat-{rank}.json').write_text(json.dumps(pulse))\ntime.sleep(60)"
    )
    with pytest.raises(
        worker_group.WorkerGroupError, match=r"all 2 processes wait for each other: .* \(after 3 attempts\)"
    ) as caught:
        train(job, store, tmp_path / "checkpoints", tell=told.append)
    assert "process 1, after step 2, waits for the others in repro/train/distributed.py:1 (total)" in str(caught.value)
    assert [text.endswith("Going on from the last checkpoint.") for text in told] == [True, True]
    assert len(list((tmp_path / "runs-of-it").iterdir())) == 3  # each in a folder of its own
    assert len(list((tmp_path / "checkpoints").glob("workers-*"))) == 1


def test_what_one_attempt_leaves_is_not_read_by_the_next(
    job: Job, store: Store, tmp_path: Path, stand_in: type[Group]
) -> None:
    """The wish to stop of an earlier run, or the word of one of its processes that ended late."""
    old = tmp_path / "checkpoints" / "workers-1-00"
    old.mkdir(parents=True)
    (old / "stop").touch()
    stand_in.script = (
        f"import os, sys; sys.exit(4 if sorted(os.listdir(sys.argv[1])) == [{JOB!r}, 'stderr.txt'] else 5)"
    )
    with pytest.raises(worker_group.WorkerGroupError, match="exit code 4"):
        train(job, store, tmp_path / "checkpoints")
    assert not old.exists()


def test_processes_at_different_steps_begin_again(
    job: Job, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    tried: list[Path] = []

    def run(self: worker_group._WorkerGroup) -> str:
        tried.append(self.folder)
        if len(tried) == 1:
            raise OutOfStepError("processes found different checkpoints, of steps 0 and 2")
        return "trained"

    monkeypatch.setattr(worker_group._WorkerGroup, "run", run)
    assert train(job, store, tmp_path, tell=told.append) == "trained"
    assert told == [
        "processes found different checkpoints, of steps 0 and 2. Going on from the last checkpoint.",
    ]
    assert tried[0] != tried[1]


@pytest.mark.parametrize(("kind", "type_"), [("apart", OutOfStepError), ("space", OSError)])
def test_words_of_one_process(job: Job, store: Store, tmp_path: Path, kind: str, type_: type[Exception]) -> None:
    one = worker_group._WorkerGroup(job, store, "cpu", Hooks(folder=tmp_path))
    one.folder.mkdir()
    for number, word in enumerate((kind, "error")):
        told = {"kind": word, "text": "told", "type": "E", "traceback": ""}
        (one.folder / f"word-{number}.json").write_text(json.dumps(told))
    failure = one._failure(1)
    assert type(failure) is type_
    assert no_space(failure) == (kind == "space")  # a full disk is the user's to answer, not a failed cell


def test_others_torchrun_does_not_configure_this_one(
    job: Job, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PET_NNODES=2 of a cluster's launcher would have torchrun wait ten minutes for a second machine."""
    monkeypatch.setenv("PET_NNODES", "2")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "other")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    one = worker_group._WorkerGroup(job, store, "cpu", Hooks(folder=tmp_path))
    env = one._env()
    assert not [key for key in env if key.startswith(("PET_", "TORCHELASTIC_"))]
    command = one._command()
    assert command[command.index("--nnodes") + 1] == "1"
    assert env["GLOO_SOCKET_IFNAME"] in ("lo", "lo0")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth7")
    assert one._env()["GLOO_SOCKET_IFNAME"] == "eth7"


def test_a_training_is_not_taken_over_while_it_is_still_written(job: Job, store: Store, tmp_path: Path) -> None:
    """A killed worker's lock is free at once; the processes that it started end a moment later."""
    told: list[str] = []
    hooks = Hooks(folder=tmp_path, tell=told.append)
    orphan = FileLock(store.root / "locks" / f"{writing(job)}.lock", thread_local=False)
    worker_group.await_checkpoint_writer(job, store, hooks)
    assert told == []
    orphan.acquire()
    timer = threading.Timer(0.5, orphan.release)
    began = time.monotonic()
    timer.start()
    worker_group.await_checkpoint_writer(job, store, hooks)
    assert time.monotonic() - began >= 0.4
    assert len(told) == 1
    assert "still write" in told[0]
    with orphan, pytest.raises(StoppedError):
        worker_group.await_checkpoint_writer(job, store, replace(hooks, should_stop=lambda: True))


def _plant(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `code` in the second process before anything else."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(SITE + "".join(f"    {line}\n" for line in code.splitlines()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(folder / "site"), os.getcwd())))


@pytest.mark.slow  # four processes that import torch
def test_a_process_that_finds_another_checkpoint_is_noticed(
    job: Job, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process does not see the checkpoint the first time; without a word all would wait for each other."""
    alone = replace(job, execution=ExecutionOptions())
    steps: list[object] = []
    execute(alone, store, "cpu", steps.append, lambda: len(steps) >= 3)
    assert list(store.checkpoint_dir(job.training.key).glob("step-*"))
    flag = tmp_path / "seen"
    code = (
        "from pathlib import Path\nfrom repro.train import checkpoint\nwhole = checkpoint.load\n"
        f"flag = Path({str(flag)!r})\ndef blind(*words):\n    first = not flag.exists()\n    flag.touch()\n"
        "    return None if first else whole(*words)\ncheckpoint.load = blind"
    )
    _plant(tmp_path, code, monkeypatch)
    events: list[object] = []
    execute(job, store, "cpu", events.append, lambda: False)
    told = [event.text for event in events if isinstance(event, Message)]
    assert any("different checkpoints, of steps 0 and" in text for text in told)
    assert isinstance(events[-1], TrainingDone)
    assert [event.resumed_at > 0 for event in events if isinstance(event, TrainingStarted)] == [True]


@pytest.mark.slow  # two processes that import torch, of which one sleeps
def test_a_process_that_never_comes_is_named(
    job: Job, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import time\nfrom repro.train import loop\nwhole = loop.backward\ndef late(*words):\n"
        "    time.sleep(3600 if words[-1] == 2 else 0)\n    return whole(*words)\nloop.backward = late"
    )
    _plant(tmp_path, code, monkeypatch)
    monkeypatch.setattr(heartbeat, "TELL_SECONDS", 15.0)
    told: list[str] = []
    stop = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        if "no step finished" in text and "process 1, after step 2" in text:
            stop.set()

    group = worker_group._WorkerGroup(job, store, "cpu", Hooks(folder=tmp_path / "checkpoints", tell=tell))
    monkeypatch.setattr(worker_group, "_GRACE_SECONDS", 1.0)

    def ended() -> bool:
        if stop.is_set():
            raise StoppedError("seen")  # the worker group cannot stop by itself
        return False

    group.hooks = replace(group.hooks, should_stop=ended)
    with pytest.raises(StoppedError, match="seen"):
        group.run()
    said = next(text for text in told if "process 1, after step 2" in text)
    assert said.startswith("training block4 seed 0: no step finished for ")
    assert "process 0, after step 2, waits for the others in repro/" in said
    assert "process 1, after step 2, is in repro/train/loop.py" in said


def test_processes_that_begin_at_the_same_step_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest of (step, -step) over processes: here of this one and of one at `other`."""
    other = [4]

    def largest(ends: torch.Tensor, _: object) -> None:
        ends.copy_(torch.maximum(ends, torch.tensor([other[0], -other[0]])))

    monkeypatch.setattr(torch.distributed, "all_reduce", largest)
    heartbeat_writer = heartbeat.HeartbeatWriter(Path(), 0)
    ddp_worker._begin_together(4, heartbeat_writer)
    assert heartbeat_writer.heartbeat().step == 4
    for other[0] in (0, 9):
        with pytest.raises(OutOfStepError, match=f"of steps {min(4, other[0])} and {max(4, other[0])}"):
            ddp_worker._begin_together(4, heartbeat_writer)
