"""Where trainings run: devices of workers, clusters by name, what is refused."""

import builtins

import pytest

from repro.commands.run import check
from repro.errors import InputError
from repro.run import session
from repro.run.job import ExecutionOptions
from repro.store.store import Store


@pytest.mark.parametrize(
    ("gpus", "jobs", "processes", "expected"),
    [
        (8, None, 4, ["cuda:0,1,2,3", "cuda:4,5,6,7"]),
        (8, 1, 4, ["cuda:0,1,2,3"]),
        (3, None, 2, ["cuda:0,1"]),
        (2, 2, 2, ["cuda:0,1", "cuda:0,1"]),
        (2, None, 1, ["cuda:0", "cuda:1"]),
    ],
)
def test_each_worker_has_gpus_of_its_own(monkeypatch, gpus, jobs, processes, expected):
    monkeypatch.setattr(session, "gpu_count", lambda: gpus)
    assert session.devices("auto", jobs, processes) == expected


def test_processes_on_the_cpu_share_its_cores(monkeypatch):
    monkeypatch.setattr(session, "gpu_count", lambda: 0)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert session.devices("auto", None, 2) == ["cpu"] * 3
    assert session.devices("cpu", 1, 2) == ["cpu"]
    assert session.devices("cpu", None, 16) == ["cpu"]


@pytest.mark.parametrize(
    ("device", "message"),
    [("cuda", "this machine has 1 CUDA devices"), ("cuda:0", "chooses among all GPUs")],
)
def test_gpus_that_are_not_there_are_told(monkeypatch, device, message):
    monkeypatch.setattr(session, "gpu_count", lambda: 1)
    with pytest.raises(InputError, match=message):
        session.devices(device, None, 2)


@pytest.mark.parametrize(
    ("name", "device", "jobs", "options", "message"),
    [
        ("rey", "auto", None, (), r"there are local, ray and slurm\. Did you mean 'ray'"),
        ("local", "auto", None, ("partition=gpu",), "need --executor slurm"),
        ("ray", "cuda:1", None, (), "say auto, cpu or cuda"),
        ("ray", "auto", 0, (), "--jobs 0"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, name, device, jobs, options, message):
    with pytest.raises(InputError, match=message):
        session.executor(name, Store(tmp_path), device, jobs, 1, options)


@pytest.mark.parametrize(("name", "package", "extra"), [("ray", "ray", "ray"), ("slurm", "submitit", "slurm")])
def test_a_missing_package_is_told_with_its_extra(tmp_path, monkeypatch, name, package, extra):
    real = builtins.__import__

    def without(what, *words):
        if what.split(".")[0] == package:
            raise ImportError(what)
        return real(what, *words)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=rf'--executor {name}: .*pip install "\.\[{extra}\]"'):
        session.executor(name, Store(tmp_path), "auto", None, 1, ())


def test_this_machine_has_a_worker_for_each_job(tmp_path):
    executor = session.executor("local", Store(tmp_path), "cpu", 3, 1, ())
    assert (executor.slots(), executor.local_device) == (3, "cpu")


def test_numbers_below_one_are_refused():
    with pytest.raises(InputError, match="at least 1"):
        check(ExecutionOptions(processes=0))


@pytest.mark.parametrize(("device", "hint"), [("tpu", ""), ("gpu", ""), ("cud", "Did you mean 'cuda'"), ("cuda:", "")])
def test_a_device_that_no_machine_has_is_told_by_every_command(device, hint):
    with pytest.raises(InputError, match=rf"--device {device}: no such kind of device.*{hint}"):
        session.devices(device, None)
