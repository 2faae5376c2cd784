"""Jobs through submitit, with its local executor in place of Slurm."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from run_jobs import EXECUTE, Job, works

from repro.errors import InputError
from repro.run.executors.loop import run
from repro.run.executors.order import Work
from repro.run.executors.slurm import SlurmExecutor, parsed
from repro.run.progress.events import Message, TrainingDone, TrainingStarted, TrainingStep
from repro.store.store import Store

submitit = pytest.importorskip("submitit", reason="the extra slurm is not installed")


@pytest.fixture
def log(tmp_path, monkeypatch):
    # jobs are new processes: they import their function from where the tests have it
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(here.parents[2]), str(here))))
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", warn=print)


def _executor(store, jobs=2, options=()):
    return SlurmExecutor(EXECUTE, store, "cpu", 1, jobs, 1, options, where="local")


def test_jobs_run_in_order_and_tell_their_progress(log, store):
    events = []
    work = works(log, 3, after_first=True, steps=2)
    outcome = run(work, _executor(store), events.append)
    assert outcome.done[0] == "k0"
    assert set(outcome.done) == {"k0", "k1", "k2"}
    assert (outcome.failed, outcome.interrupted) == ({}, False)
    assert next(e.key for e in events if isinstance(e, TrainingStarted)) == "k0"
    assert {e.key for e in events if isinstance(e, TrainingDone)} == {"k0", "k1", "k2"}
    assert len([e for e in events if isinstance(e, TrainingStep)]) == 6
    assert all(store.get("training", key) for key in outcome.done)
    assert not list((store.root / "slurm").iterdir())  # what went well leaves nothing behind


def test_a_failed_job_fails_what_waits_for_it_and_no_more(log, store):
    work = [
        Work("k0", Job("k0", log, ending="raise")),
        Work("k1", Job("k1", log), after="k0"),
        Work("k2", Job("k2", log)),
    ]
    outcome = run(work, _executor(store, 3), lambda _: None)
    assert outcome.done == ("k2",)
    assert outcome.failed == {
        "k0": "RuntimeError: the loss is not finite",
        "k1": "its pre-training failed: RuntimeError: the loss is not finite",
    }
    assert "and more" in store.failures("k0")[0]["traceback"]


def test_a_lost_job_is_done_again_from_its_checkpoint(log, store):
    """The first process kills itself, as a machine that goes down does; the file it leaves lets the second one live."""
    job = Job("k0", log, steps=1, ending="SIGKILL once")
    events = []
    outcome = run([Work("k0", job)], _executor(store), events.append)
    assert outcome.done == ("k0",)
    assert [e.text for e in events if isinstance(e, Message)] == [
        e.text for e in events if isinstance(e, Message) and "goes on from its last checkpoint" in e.text
    ]
    assert len([e for e in events if isinstance(e, TrainingStarted)]) == 2


def test_wrong_input_ends_the_run(log, store):
    with pytest.raises(InputError, match=r"a\.png is missing"):
        run([Work("k0", Job("k0", log, ending="wrong input"))], _executor(store), lambda _: None)


def test_an_interrupted_run_stops_with_checkpoints_and_goes_on(log, store, interruptible):  # noqa: ARG001
    work = works(log, 2, steps=400, step_seconds=0.05)

    sent = []

    def interrupt(event):
        if isinstance(event, TrainingStep) and event.step >= 2 and not sent:
            sent.append(event)  # a second one would end the jobs at once
            os.kill(os.getpid(), signal.SIGINT)

    outcome = run(work, _executor(store), interrupt)
    assert outcome.interrupted
    assert set(outcome.left) == {"k0", "k1"}
    steps = {key: int((store.checkpoint_dir(key) / "step").read_text()) for key in ("k0", "k1")}
    key = max(steps, key=lambda one: steps[one])
    assert 2 <= steps[key] < 400
    short = [Work(key, Job(key, log, steps=steps[key] + 1))]
    events = []
    assert run(short, _executor(store), events.append).done == (key,)
    assert [e.resumed_at for e in events if isinstance(e, TrainingStarted)] == [steps[key]]


def test_options_are_checked():
    assert parsed(["partition=gpu", "mem-gb=64", "time=60"], submitit) == {
        "slurm_partition": "gpu",
        "mem_gb": 64,
        "slurm_time": 60,
    }
    with pytest.raises(InputError, match=r"partitoin is no option .*'partition'"):
        parsed(["partitoin=gpu"], submitit)
    assert parsed(["exclusive=true"], submitit) == {"slurm_exclusive": True}
    with pytest.raises(InputError, match=r"time=1:00:00: .* not a number of minutes"):
        parsed(["time=1:00:00"], submitit)
    with pytest.raises(InputError, match="KEY=VALUE"):
        parsed(["gpu"], submitit)


def test_a_machine_without_slurm_is_told(store, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="no sbatch"):
        SlurmExecutor(EXECUTE, store, "auto", 1, None, 1)


class _Sbatch:
    """A stand-in for Slurm: writes down what is submitted and runs nothing."""

    def __init__(self, folder):
        self.folder = folder
        sbatch = folder / "sbatch"
        sbatch.write_text(
            f'#!/bin/sh\ncat "$1" >> {folder}/scripts\necho Submitted batch job $(wc -c < {folder}/scripts)\n'
        )
        (folder / "sinfo").write_text("#!/bin/sh\necho gpu:8\n")
        for name in ("sacct", "scancel", "squeue", "srun"):
            (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {folder}/calls\n')
        for path in folder.iterdir():
            path.chmod(0o755)


def test_slurm_is_told_of_gpus_options_and_dependencies(tmp_path, store, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    _Sbatch(folder)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    cluster = SlurmExecutor(EXECUTE, store, "auto", 4, None, 1, ["partition=gpu", "account=me", "time=90"])
    assert cluster.accepts_dependents
    store.prepare()
    first = cluster.submit("k0", b"", None)
    cluster.submit("k1", b"", first)
    script = (folder / "scripts").read_text()
    assert script.count("#SBATCH --gpus-per-node=4") == 2
    assert script.count("#SBATCH --partition=gpu") == 2
    assert script.count("#SBATCH --account=me") == 2
    assert script.count("#SBATCH --time=90") == 2
    assert script.count(f"#SBATCH --dependency=afterok:{first.submitted.job_id}") == 1
    assert script.count("#SBATCH --kill-on-invalid-dep=yes") == 1
    assert script.count("#SBATCH --cpus-per-task=16") == 2
    assert script.count(" --cpus-per-task=16 ") == 2  # srun's own


def test_without_gpus_a_job_asks_for_a_cpu_for_each_process(tmp_path, store, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    _Sbatch(folder)
    (folder / "sinfo").write_text("#!/bin/sh\necho '(null)'\n")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    store.prepare()
    cluster = SlurmExecutor(EXECUTE, store, "auto", 2, None, 1)
    assert cluster.device == "cpu"
    cluster.submit("k0", b"", None)
    script = (folder / "scripts").read_text()
    assert "#SBATCH --cpus-per-task=2" in script
    assert "--gpus" not in script


def test_a_refused_submission_is_told_with_the_remedy(tmp_path, store, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    _Sbatch(folder)
    (folder / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: Invalid generic resource (gres)' >&2\nexit 1\n")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    store.prepare()
    with pytest.raises(InputError, match=r"Invalid generic resource .* Use --device cpu where there are no GPUs"):
        SlurmExecutor(EXECUTE, store, "cuda", 1, None, 1).submit("k0", b"", None)
    assert not list((store.root / "slurm").iterdir())
