"""What Slurm's queue tells of jobs that leave no result, by answers made up here; no Slurm is needed."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from repro.run.executors.loop import Lost
from repro.run.executors.slurm import SlurmJobHandle
from repro.run.executors.slurm_queue import SlurmJobState, SlurmQueue, has_gpus
from repro.run.executors.worker import End
from repro.run.progress.events import Message


class Squeue:
    """A queue whose answers the test writes, asked anew each time."""

    def __init__(self) -> None:
        self.now, self.text = 0.0, ""
        self.asked = 0
        self.queue = SlurmQueue(self.ask, lambda: self.now)

    def ask(self) -> str:
        self.asked += 1
        if self.text == "down":
            raise subprocess.CalledProcessError(1, "squeue")
        return self.text

    def says(self, text: str) -> None:
        """From the next question on, which is due now."""
        self.text = text
        self.now += 10


@pytest.fixture
def squeue() -> Squeue:
    return Squeue()


class Submitted:
    """What submitit gives for a job: its number and where its result will be."""

    def __init__(self, folder: Path, job_id: str) -> None:
        self.job_id, self.state, self.cancelled = job_id, "UNKNOWN", 0
        self.paths = SimpleNamespace(folder=folder / "log", result_pickle=folder / "log" / "result.pkl")
        self.paths.folder.mkdir(parents=True)

    def cancel(self, check: bool = True) -> None:  # noqa: ARG002
        self.cancelled += 1


def _handle(squeue: Squeue, folder: Path, job_id: str = "7", after: SlurmJobHandle | None = None) -> SlurmJobHandle:
    return SlurmJobHandle(Submitted(folder / job_id, job_id), folder / job_id, squeue.queue, after)


def test_the_queue_is_asked_now_and_then_for_all_jobs(squeue: Squeue) -> None:
    squeue.says("7|RUNNING|None\n8|PENDING|Resources\n")
    assert squeue.queue.state_of("7") == SlurmJobState("RUNNING", "None")
    assert squeue.queue.state_of("8") == SlurmJobState("PENDING", "Resources")
    assert squeue.queue.state_of("9") == SlurmJobState("GONE")
    squeue.now += 9
    squeue.queue.state_of("7")
    assert squeue.asked == 1
    squeue.now += 1
    squeue.queue.state_of("7")
    assert squeue.asked == 2


def test_a_queue_that_does_not_answer_says_nothing_of_jobs(squeue: Squeue, tmp_path: Path) -> None:
    squeue.says("down")
    assert squeue.queue.state_of("7") is None
    handle = _handle(squeue, tmp_path)
    for _ in range(3):
        squeue.says("down")
        assert handle.poll() == []


def test_a_job_younger_than_the_last_answer_is_not_lost(squeue: Squeue, tmp_path: Path) -> None:
    squeue.says("6|RUNNING|None")
    squeue.queue.state_of("6")
    handle = _handle(squeue, tmp_path)
    assert handle.poll() == []
    assert handle.poll() == []
    squeue.says("7|RUNNING|None")
    assert handle.poll() == []


@pytest.mark.parametrize("gone", ["7|NODE_FAIL|None", "7|TIMEOUT|TimeLimit", "7|FAILED|NonZeroExitCode", ""])
def test_a_job_that_two_answers_show_as_over_is_lost(squeue: Squeue, tmp_path: Path, gone: str) -> None:
    handle = _handle(squeue, tmp_path)
    squeue.says(gone)
    assert handle.poll() == []
    assert handle.poll() == []  # the same answer
    squeue.says(gone)
    (lost,) = handle.poll()
    assert isinstance(lost, Lost)
    assert "Slurm job 7 ended without a word" in lost.reason


def test_a_job_that_is_queued_again_is_not_lost(squeue: Squeue, tmp_path: Path) -> None:
    handle = _handle(squeue, tmp_path)
    for text in ("7|NODE_FAIL|None", "7|PENDING|BeginTime", "7|PREEMPTED|None", "7|RUNNING|None"):
        squeue.says(text)
        assert handle.poll() == []


def test_a_job_that_somebody_cancels_fails_and_one_out_of_memory_names_the_remedy(
    squeue: Squeue, tmp_path: Path
) -> None:
    told = []
    for job_id, state in (("7", "CANCELLED"), ("8", "OUT_OF_MEMORY")):
        handle = _handle(squeue, tmp_path, job_id)
        for _ in range(2):
            squeue.says(f"{job_id}|{state}|None")
            told += handle.poll()
    assert [type(one) for one in told] == [End, End]
    assert [one.how for one in told] == ["failed", "failed"]
    assert "was cancelled by somebody else" in told[0].reason
    assert "--slurm mem=" in told[1].reason


def test_a_job_that_is_withdrawn_on_request_is_no_failure(squeue: Squeue, tmp_path: Path) -> None:
    handle = _handle(squeue, tmp_path)
    squeue.says("7|PENDING|Priority")
    handle.stop()
    assert handle.submitted.cancelled == 1
    assert [type(one) for one in handle.poll()] == [Lost]
    # one that runs is asked, and may be killed by an impatient administrator
    running = _handle(squeue, tmp_path, "8")
    squeue.says("8|RUNNING|None")
    running.stop()
    assert running.submitted.cancelled == 0
    assert (tmp_path / "8" / "stop").exists()
    for _ in range(2):
        squeue.says("8|CANCELLED|None")
        last = running.poll()
    assert [type(one) for one in last] == [Lost]


def test_what_waits_for_a_failed_job_counts_with_it(squeue: Squeue, tmp_path: Path) -> None:
    """Slurm cancels the second as soon as the first has failed; only then is the first one's end heard of."""
    first = _handle(squeue, tmp_path)
    second = _handle(squeue, tmp_path, "8", after=first)
    for _ in range(3):
        squeue.says("7|FAILED|NonZeroExitCode\n8|CANCELLED|Dependency")
        assert second.poll() == []
    assert first.poll() == []
    squeue.says("7|FAILED|NonZeroExitCode\n8|CANCELLED|Dependency")
    assert [type(one) for one in first.poll()] == [Lost]


def test_a_reason_to_wait_for_ever_is_told_once(squeue: Squeue, tmp_path: Path) -> None:
    handle = _handle(squeue, tmp_path)
    told = []
    for reason in ("Priority", "Resources", "PartitionTimeLimit", "PartitionTimeLimit", "Dependency"):
        squeue.says(f"7|PENDING|{reason}")
        told += handle.poll()
    assert told == [Message("Slurm job 7 waits in the queue: PartitionTimeLimit")]


def test_a_job_that_left_its_result_is_never_cancelled(squeue: Squeue, tmp_path: Path) -> None:
    """Slurm would see it as cancelled, and withdraw what waits for it to end well."""
    handle = _handle(squeue, tmp_path)
    (tmp_path / "7" / "end.pickle").write_bytes(pickle.dumps(End("done")))
    handle.submitted.paths.result_pickle.touch()
    assert handle.poll() == [End("done")]
    assert not (tmp_path / "7").exists()
    handle.kill()
    assert handle.submitted.cancelled == 0


def test_a_clusters_gpus_are_asked_of_sinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert has_gpus(None)  # nobody to ask
    sinfo = tmp_path / "sinfo"
    sinfo.write_text(
        '#!/bin/sh\ncase "$*" in *--partition=gpu*) echo "gpu:a100:4";; *--partition=cpu*) echo "(null)";; '
        "*) echo '(null)'; echo 'gpu:8(S:0-1)';; esac\n"
    )
    sinfo.chmod(0o755)
    assert has_gpus("gpu")
    assert has_gpus(None)
    assert not has_gpus("cpu")
