"""Jobs on a Ray cluster of two nodes, one of which is killed while it works."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from run_jobs import EXECUTE, Job, works

from repro.errors import InputError
from repro.run.executors.loop import run
from repro.run.executors.order import Work
from repro.run.executors.ray import RayExecutor
from repro.run.progress.events import Message, TrainingDone, TrainingStarted, TrainingStep
from repro.store.store import Store

ray = pytest.importorskip("ray", reason="the extra ray is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = pytest.mark.slow  # three Ray nodes: half a minute
HERE = Path(__file__).parent
QUIET = {"RAY_worker_niceness": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture(scope="module")
def nodes():
    """A head that holds no jobs, and a node for one job; tests add nodes of their own."""
    before = dict(os.environ)
    # the cluster's processes import the jobs from where the tests have them
    os.environ.update(QUIET, PYTHONPATH=os.pathsep.join((str(HERE.parents[2]), str(HERE))))
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", warn=print)


def _executor(store):
    return RayExecutor(EXECUTE, store, "auto", 1, None, 1)


def _steps(log, key):
    return [int(line.split()[0]) for line in (log / key).read_text().splitlines()]


def _switch_off(nodes, node, log, running):
    """End a node with all its processes at once, as a power cut does."""
    raylet = node.all_processes["raylet"][0].process.pid
    pids = {int((log / key).read_text().splitlines()[-1].split()[2]) for key in running}
    own = [pid for pid in pids if int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) == raylet]
    nodes.remove_node(node, allow_graceful=False)
    for pid in own:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_killed_nodes_jobs_are_done_again_and_nothing_is_lost(nodes, log, store):
    doomed = nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    work = works(log, 4, steps=8, step_seconds=0.25)
    work.append(Work("k4", Job("k4", log), after="k0"))
    events, killed = [], []

    def listen(event):
        events.append(event)
        running = {e.key for e in events if isinstance(e, TrainingStep)} - {
            e.key for e in events if isinstance(e, TrainingDone)
        }
        if len(running) == 2 and not killed:
            killed.append(running)
            _switch_off(nodes, doomed, log, running)

    outcome = run(work, _executor(store), listen)
    assert killed
    assert set(outcome.done) == {"k0", "k1", "k2", "k3", "k4"}
    assert (outcome.failed, outcome.left, outcome.interrupted) == ({}, (), False)
    assert outcome.done.index("k0") < outcome.done.index("k4")
    begun = [e.key for e in events if isinstance(e, TrainingStarted)]
    (again,) = {key for key in begun if begun.count(key) == 2}
    assert again in killed[0]
    lost = [e.text for e in events if isinstance(e, Message) and "goes on from its last checkpoint" in e.text]
    # a job that the dead node was handed before its death was noticed is told of as well
    assert any(text.startswith(again) for text in lost)
    for key in outcome.done:
        assert store.get("training", key)["config"] == {"key": key}  # every byte checked
    assert not list((store.root / "checkpoints").iterdir())


def test_a_failed_job_fails_what_waits_for_it(nodes, log, store):  # noqa: ARG001
    work = [Work("k0", Job("k0", log, ending="raise")), Work("k1", Job("k1", log), after="k0")]
    outcome = run(work, _executor(store), lambda _: None)
    assert outcome.done == ()
    assert set(outcome.failed) == {"k0", "k1"}
    assert "and more" in store.failures("k0")[0]["traceback"]


def test_an_interrupted_run_stops_with_checkpoints(nodes, log, store, interruptible):  # noqa: ARG001
    work = works(log, 2, steps=400, step_seconds=0.05)

    sent = []

    def interrupt(event):
        if isinstance(event, TrainingStep) and event.step >= 3 and not sent:
            sent.append(event)  # a second one would end the jobs at once
            os.kill(os.getpid(), signal.SIGINT)

    outcome = run(work, _executor(store), interrupt)
    assert outcome.interrupted
    assert set(outcome.left) == {"k0", "k1"}
    assert int((store.checkpoint_dir("k0") / "step").read_text()) >= 2


def test_a_job_that_kills_its_process_is_given_up_at_last(nodes, log, store, monkeypatch):  # noqa: ARG001
    monkeypatch.setattr(RayExecutor, "attempts", 2)
    outcome = run([Work("k0", Job("k0", log, ending="SIGKILL"))], _executor(store), lambda _: None)
    assert outcome.failed["k0"].startswith("lost 2 times")


def test_an_address_where_nobody_listens_is_told_at_once(store, monkeypatch):
    """Before any node is started: Ray must not be joined yet."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(InputError, match=r"the cluster at 127\.0\.0\.1:9 \(RAY_ADDRESS\) cannot be joined \(.*refused"):
        RayExecutor(EXECUTE, store, "auto", 1, None, 1)


def test_gpus_that_are_not_there_are_told(nodes, store):  # noqa: ARG001
    with pytest.raises(InputError, match="no machine of the Ray cluster has a GPU"):
        RayExecutor(EXECUTE, store, "cuda", 1, None, 1)
    with pytest.raises(InputError, match=r"--gpus-per-training 64: no machine .* so many CPUs"):
        RayExecutor(EXECUTE, store, "cpu", 64, None, 1)
