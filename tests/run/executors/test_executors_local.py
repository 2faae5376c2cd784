from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from run_jobs import EXECUTE, Job, run, works

from repro.errors import InputError
from repro.run.executors.order import Work
from repro.run.progress.events import Failed, Message, Stopped, TrainingDone, TrainingStarted, Waiting
from repro.store.store import Store

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", warn=print)


def steps(log, key):
    """The steps of a job that were executed: (step, time, pid, device)."""
    if not (log / key).exists():
        return []
    lines = [line.split() for line in (log / key).read_text().splitlines()]
    return [(int(step), float(at), int(pid), device) for step, at, pid, device in lines]


def numbers(log, key):
    return [step for step, *_ in steps(log, key)]


def started(events):
    return [event.key for event in events if isinstance(event, TrainingStarted)]


@pytest.fixture
def start(log, store):
    """A function that begins a run in a process group of its own, as a terminal does, and returns when it runs."""
    begun = []

    def begin(count, steps, step_seconds, execute=EXECUTE, interrupt=signal.SIG_DFL):
        process = subprocess.Popen(
            [sys.executable, HERE / "run_jobs.py", store.root, log, *map(str, (count, steps, step_seconds)), execute],
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(PROJECT), str(HERE)))},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # What the shell that runs these tests does with SIGINT must not matter: background jobs ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, interrupt),
        )
        begun.append(process)
        assert process.stdout.readline().startswith("running")
        return process

    yield begin
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# -- order


def test_all_is_done_in_the_order_of_dependencies_longest_first(log, store):
    costs = {"k0": 1, "k1": 2, "k2": 9, "k3": 5, "k4": 1, "k5": 1}
    after = {"k1": "k0", "k2": "k0", "k3": "k0", "k4": "k3", "k5": "not in this run"}
    work = [Work(key, Job(key, log), after.get(key), cost) for key, cost in costs.items()]
    events = []
    outcome = run(work, EXECUTE, store, ["cpu"], events.append)
    assert started(events) == ["k0", "k2", "k3", "k1", "k5", "k4"] or started(events) == [
        "k0",
        "k2",
        "k3",
        "k1",
        "k4",
        "k5",
    ]
    assert outcome.done == tuple(started(events))
    assert (outcome.failed, outcome.left, outcome.interrupted) == ({}, (), False)
    assert all(store.get("training", key) for key in costs)


def test_workers_stay_and_keep_their_devices(log, store):
    work, events = works(log, 6, steps=2), []
    (log / "closed").touch()

    def listener(event):
        events.append(event)
        if len(started(events)) == 2:  # both workers are at work
            (log / "closed").unlink(missing_ok=True)

    assert len(run(work, EXECUTE, store, ["cpu", "cuda:3"], listener).done) == 6
    by_process = {}
    for one in work:
        for _, _, pid, device in steps(log, one.key):
            by_process.setdefault(pid, set()).add(device)
    assert sorted(map(sorted, by_process.values())) == [["cpu"], ["cuda:3"]]
    assert os.getpid() not in by_process


def test_what_is_stored_is_not_done_again(log, store):
    work = works(log, 3, after_first=True)
    for _ in range(2):
        assert set(run(work, EXECUTE, store, ["cpu"], lambda _: None).done) == {"k0", "k1", "k2"}
    assert [numbers(log, one.key) for one in work] == [[1], [1], [1]]


def test_no_work_starts_no_worker(store, monkeypatch):
    monkeypatch.setattr("multiprocessing.get_context", lambda _: pytest.fail("a process is started"))
    assert run([], EXECUTE, store, ["cpu"], lambda _: None).done == ()


def test_a_worker_computes_with_the_threads_it_is_told(store):
    events = []
    run([Work("k", "job")], "run_jobs:tell_threads", store, ["cpu"], events.append)
    assert events == [Message("1 1")]


# -- failures


def test_a_failed_job_takes_along_only_what_starts_from_it(log, store):
    work = [
        Work("bad", Job("bad", log, ending="raise"), cost=5),
        Work("good", Job("good", log)),
        Work("child", Job("child", log), after="bad"),
        Work("grandchild", Job("grandchild", log), after="child"),
    ]
    events = []
    outcome = run(work, EXECUTE, store, ["cpu"], events.append)
    assert outcome.done == ("good",)
    assert steps(log, "good")[0][2] != steps(log, "bad")[0][2]  # a process that failed does nothing more
    reason = "RuntimeError: the loss is not finite"
    assert outcome.failed["bad"] == reason
    assert outcome.failed["child"] == outcome.failed["grandchild"] == f"its pre-training failed: {reason}"
    assert not outcome.interrupted
    assert {event.key for event in events if isinstance(event, Failed)} == {"bad", "child", "grandchild"}
    (record,) = store.failures("bad")
    assert (record["of"], record["reason"]) == ("training", reason)
    assert "run_jobs.py" in record["traceback"]
    assert record["environment"]["python"]
    assert record["started"] > "2025"
    assert len(store.failures("grandchild")) == 1
    assert numbers(log, "child") == []


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_a_killed_worker_fails_its_job_and_is_replaced(log, store, name):
    work = [
        Work("bad", Job("bad", log, ending=name), cost=5),
        Work("child", Job("child", log), after="bad"),
        *works(log, 3),
    ]
    events = []
    outcome = run(work, EXECUTE, store, ["cpu"], events.append)
    assert set(outcome.done) == {"k0", "k1", "k2"}
    assert name in outcome.failed["bad"]
    assert outcome.failed["child"].startswith("its pre-training failed: its worker process was killed")
    assert store.failures("bad")[0]["reason"] == outcome.failed["bad"]
    assert ("out of memory" in outcome.failed["bad"]) == (name == "SIGKILL")


def test_a_job_that_fails_after_its_training_does_not_stop_what_starts_from_it(log, store):
    work = [
        Work("bad", Job("bad", log, ending="raise after training"), cost=5),
        Work("child", Job("child", log), after="bad"),
    ]
    outcome = run(work, EXECUTE, store, ["cpu"], lambda _: None)
    assert outcome.done == ("child",)
    assert store.failures("bad")[0]["of"] == "evaluation"


def test_a_failed_evaluation_is_part_of_the_outcome(log, store):
    work = [Work("k", Job("k", log, ending="failed evaluation"))]
    outcome = run(work, EXECUTE, store, ["cpu"], lambda _: None)
    assert (outcome.done, outcome.failed) == (("k",), {"e-k": "its evaluation failed"})


def test_wrong_input_ends_the_run_with_its_message_and_loses_nothing(log, store):
    work = [Work("bad", Job("bad", log, ending="wrong input")), Work("long", Job("long", log, 1000, 0.02))]
    events = []
    with pytest.raises(InputError, match=r"^train.txt: line 3: a.png is missing. Restore it.$"):
        run(work, EXECUTE, store, ["cpu", "cpu"], events.append)
    assert store.failures("bad") == ()
    if steps(log, "long"):  # it may not have begun
        assert Stopped("long") in events
        assert int((store.checkpoint_dir("long") / "step").read_text()) == len(steps(log, "long"))


def test_a_full_disk_in_a_job_is_no_failure_of_that_job(log, store):
    work = [Work("bad", Job("bad", log, ending="full disk"))]
    with pytest.raises(InputError, match=r"runs: no space left. Free some.*the same command"):
        run(work, EXECUTE, store, ["cpu"], lambda _: None)
    assert store.failures("bad") == ()


def test_a_job_that_can_not_be_imported_is_told(store, capfd, monkeypatch):
    monkeypatch.setattr("repro.run.executors.local.START_METHOD", "spawn")  # stderr is then that of this test
    with pytest.raises(
        InputError, match=r"--device cpu: a worker process ended with exit code 1 before it could begin"
    ):
        run([Work("k", "job")], "no_such_module:execute", store, ["cpu"], lambda _: None)
    assert "No module named 'no_such_module'" in capfd.readouterr().err


def test_warnings_of_a_store_in_a_worker_reach_the_listener(store):
    events = []
    run([Work("k", "job")], "run_jobs:damage_warning", store, ["cpu"], events.append)
    assert isinstance(events[0], Message)
    assert "k-1.json" in events[0].text


def test_warnings_in_workers_reach_the_listener_once_and_not_the_terminal(store, capfd):
    events = []
    run([Work(f"k{n}", f"job {n}") for n in range(4)], "run_jobs:warn", store, ["cpu", "cpu"], events.append)
    (warning,) = [event.text for event in events if "deprecated" in event.text]
    assert warning.startswith("run_jobs.py:")
    assert warning.endswith("UserWarning: something is deprecated")
    assert len(events) == 5
    assert capfd.readouterr().err == ""


def test_an_exception_of_the_listener_leaves_no_worker_and_no_lock(log, store):
    def fail(event):
        if isinstance(event, TrainingStarted):
            raise RuntimeError("listener")

    with pytest.raises(RuntimeError, match="listener"):
        run(works(log, 1, steps=1000, step_seconds=0.02), EXECUTE, store, ["cpu"], fail)
    assert (store.checkpoint_dir("k0") / "step").exists()
    with store.try_lock("k0") as ours:
        assert ours


# -- interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_at_a_checkpoint_and_goes_on_from_there(log, store, start, number):
    process = start(3, 60, 0.02)
    wait_until(lambda: len(steps(log, "k0")) > 3 and len(steps(log, "k1")) > 3)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err == ""
    assert "Stopped(key='k0')" in out
    assert "stopping at the next step" in out
    assert "interrupted=True" in out.splitlines()[-1]
    assert "left=('k0', 'k1', 'k2')" in out.splitlines()[-1]
    assert 3 < len(steps(log, "k0")) < 60
    assert list(store.records("training")) == []
    outcome = run(works(log, 3, steps=60), EXECUTE, store, ["cpu", "cpu"], lambda _: None)
    assert set(outcome.done) == {"k0", "k1", "k2"}
    assert [numbers(log, key) for key in ("k0", "k1", "k2")] == [list(range(1, 61))] * 3


def test_a_second_interrupt_does_not_wait(log, start):
    process = start(2, 1, 0, "run_jobs:stubborn")
    wait_until(lambda: steps(log, "k0") and steps(log, "k1"))
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    for _ in range(40):  # on a busy machine several may be seen as one
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.5)
        if process.poll() is not None:
            break
    out, _ = process.communicate(timeout=10)
    assert "interrupted=True" in out.splitlines()[-1]
    assert not any(alive(pid) for key in ("k0", "k1") for _, _, pid, _ in steps(log, key))


def test_an_interrupt_while_workers_start_is_not_lost(store, start):
    process = start(2, 500, 0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) in ((0, ""), (-signal.SIGINT, "")) or "KeyboardInterrupt" in err
    if process.returncode == 0:
        assert "interrupted=True" in out.splitlines()[-1]
    assert list(store.records("training")) == []


def test_a_run_that_was_told_to_ignore_interrupts_does(log, start):
    process = start(2, 20, 0.02, interrupt=signal.SIG_IGN)
    wait_until(lambda: steps(log, "k0"))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert err == ""
    assert "interrupted=False" in out.splitlines()[-1]


def test_workers_do_not_outlive_a_killed_run_and_write_their_checkpoints(log, store, start):
    process = start(2, 2000, 0.02)
    wait_until(lambda: len(steps(log, "k0")) > 3 and len(steps(log, "k1")) > 3)
    process.kill()
    process.communicate()
    pids = {pid for key in ("k0", "k1") for _, _, pid, _ in steps(log, key)}
    wait_until(lambda: not any(map(alive, pids)), seconds=60)
    for key in ("k0", "k1"):
        assert int((store.checkpoint_dir(key) / "step").read_text()) == len(steps(log, key)) < 2000


def test_a_run_outside_the_main_thread_works_without_signals(log, store):
    outcomes = []
    thread = threading.Thread(
        target=lambda: outcomes.append(run(works(log, 1), EXECUTE, store, ["cpu"], lambda _: None))
    )
    thread.start()
    thread.join()
    assert outcomes[0].done == ("k0",)


def test_signal_handlers_are_put_back(log, store):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(works(log, 1), EXECUTE, store, ["cpu"], lambda _: None)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


# -- several runs on one store


def test_two_runs_on_one_store_share_the_work(log, store, start):
    (log / "closed").touch()
    first = start(8, 10, 0.02)
    wait_until(lambda: (store.root / "checkpoints" / "k1").exists())  # it holds k0 and k1 until the second has met them
    events = []

    def listener(event):
        events.append(event)
        if len([event for event in events if isinstance(event, Waiting)]) == 2:
            (log / "closed").unlink(missing_ok=True)

    outcome = run(works(log, 8, steps=10, step_seconds=0.02), EXECUTE, store, ["cpu", "cpu"], listener)
    out, err = first.communicate(timeout=60)
    assert err == ""
    assert "left=()" in out.splitlines()[-1]
    assert (len(outcome.done), outcome.failed) == (8, {})
    # each step of each job once, whoever did it
    assert [numbers(log, f"k{n}") for n in range(8)] == [list(range(1, 11))] * 8
    pids = Counter(pid for n in range(8) for _, _, pid, _ in steps(log, f"k{n}"))
    assert len(pids) >= 3
    messages = [event.text for event in events if isinstance(event, Message)]
    assert len(messages) == 1
    assert "another run works on this store too" in messages[0]
    waited = [event.key for event in events if isinstance(event, Waiting)]
    assert set(waited[:2]) == {"k0", "k1"}
    assert len(waited) == len(set(waited))
    assert {event.key for event in events if isinstance(event, TrainingDone)} == {f"k{n}" for n in range(8)}


def test_a_run_takes_over_what_a_killed_one_leaves(log, store, start):
    first = start(2, 100, 0.02)
    wait_until(lambda: len(steps(log, "k0")) > 3 and len(steps(log, "k1")) > 3)
    outcomes = []
    second = threading.Thread(
        target=lambda: outcomes.append(
            run(works(log, 2, steps=100, step_seconds=0.001), EXECUTE, store, ["cpu", "cpu"], lambda _: None)
        )
    )
    second.start()
    time.sleep(0.5)
    first.kill()
    first.communicate()
    second.join(timeout=60)
    assert set(outcomes[0].done) == {"k0", "k1"}
    assert [numbers(log, key) for key in ("k0", "k1")] == [list(range(1, 101))] * 2
