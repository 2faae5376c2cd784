"""The code for a GPU, executed without one: nothing in it waits for the device or copies what is not pinned."""

import subprocess
import sys

import pytest
import torch
from stand_in_library import HERE, environment, play

FAULTS = {
    "cpu_tensor": "copy: to device pageable",
    "array": "copy: to host pageable",
    "item": "wait: cudaStreamSynchronize",
    "host_list": "copy: to device pageable",
    "truth_in_a_hook": "wait: cudaStreamSynchronize",
    "dtype_of_bfloat16": "scalar type",
    "wait_after_the_update": "wait: cudaDeviceSynchronize",
}
STEADY = ("v3//eager/host", "v3//captured/resident")
MODELS = ("v3", "v3+", "cascade", "xception", "mobilenet", "vgg", "several scales")
SETTINGS = ("", "adamw", "subsampled", "micro-batches", "presence")

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: its own tests say more")


@pytest.fixture(scope="module")
def steps():
    return play("stand_in_steps.py", *STEADY, *(f"planted/{fault}" for fault in FAULTS))


@pytest.mark.parametrize("case", STEADY)
def test_a_steady_step_neither_waits_nor_copies_what_is_not_pinned(steps, case):
    assert steps[case]["faults"] == {}


def test_a_recorded_step_is_few_launches(steps):
    eager, captured = (steps[case] for case in STEADY)
    assert captured["replays"] == 4
    # a replay, its generator's two numbers, a rate for each of two groups; the counters of batches come at the end
    assert captured["launches"] <= 6
    assert 400 < eager["launches"] < 620


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_planted_into_a_step_is_found(steps, fault):
    found = steps[f"planted/{fault}"]
    assert FAULTS[fault] in found.get("failed", "") or FAULTS[fault] in found["faults"]


@pytest.mark.slow
@pytest.mark.parametrize("launch", ["eager", "captured"])
def test_every_kind_of_network_and_of_settings_is_steady(launch):
    cases = [f"{model}//{launch}/resident" for model in MODELS]
    cases += [f"v3/{settings}/{launch}/host" for settings in SETTINGS]
    found = play("stand_in_steps.py", *cases)
    assert {case: seen.get("failed") or seen["faults"] for case, seen in found.items()} == {case: {} for case in cases}


@pytest.mark.slow
def test_so_is_one_with_fused_kernels_in_fewer_launches():
    ways = ("eager", "eager fused", "captured fused")
    plain, fused, captured = play("stand_in_steps.py", *(f"v3//{way}/resident" for way in ways)).values()
    assert fused.get("failed") or fused["faults"] == {}
    assert captured["faults"] == {}
    assert captured["replays"] == 4
    # samples in one for 52, the loss in 9 for 22, and 38 convolutions' weights cast together, both ways
    assert plain["launches"] - fused["launches"] >= 130


@pytest.mark.slow
@pytest.mark.parametrize("launch", ["compiled", "compiled+captured"])
def test_so_is_a_compiled_one(launch):
    case = f"shallow v3//{launch}/resident"
    found = play("stand_in_steps.py", case, timeout=900)[case]
    assert found["faults"] == {}
    assert found["launches"] < 350
    assert found["replays"] == (4 if launch == "compiled+captured" else 0)


@pytest.mark.slow
def test_no_operation_of_a_step_reads_large_maps_in_two_layouts():
    for name, mixed in play("stand_in_layouts.py", "v3", "v3+", "xception", "v3+ fused").items():
        # torch's loss wants the logits, 21 channels at the output stride, class by class, and their gradient comes back
        sizes = [size for operation, each in mixed.items() for size in each if operation != "aten.clone.default"]
        assert max(sizes, default=0) < 1e6, (name, mixed)
        assert len(mixed.get("aten.clone.default", ())) <= (0 if name == "v3+ fused" else 2)


@pytest.mark.slow
def test_an_evaluation_waits_once_a_batch_and_has_no_normalisation_left():
    strategies = ("plain", "scales and flip", "windows", "trimaps", "smaller images")
    for name, seen in play("stand_in_evaluation.py", *strategies).items():
        assert seen["normalisations"] == 0, name
        assert seen["faults"] == {"wait: cudaStreamSynchronize": 2}, name


@pytest.mark.slow
def test_short_of_memory_a_training_says_so_also_while_it_is_recorded():
    found = play("stand_in_memory.py")
    for launch in ("eager", "captured"):
        assert found[launch] == "done"
        assert found[f"{launch}, short"] == "out of memory"
        assert found[f"{launch}, micro-batches"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["", "micro-batches"])
def test_two_processes_neither_wait_for_the_device_nor_copy_for_layouts_sake(settings, unused_port):
    words = [
        (sys.executable, HERE / "stand_in_processes.py", str(rank), str(unused_port), "v3", settings) for rank in (0, 1)
    ]
    told = {
        "env": environment(STAND_IN_DEVICES=2, STAND_IN_CONTENT=1),
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    processes = [subprocess.Popen(each, **told) for each in words]
    for process in processes:
        out, error = process.communicate(timeout=300)
        assert process.returncode == 0, error[-3000:]
        assert '"faults": {}' in out
        assert '"warnings": []' in out


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
def test_the_benchmarks_run():
    found = play("stand_in_bench.py", "rate", "input", "evaluate", "step", timeout=600)
    assert len(found) == 4
    for name, rows in found.items():
        assert rows, name
        assert not [note for note in rows.values() if note.startswith("failed")], rows
    ways = ("eager", "captured", "eager, fused kernels", "captured, fused kernels")
    assert {f"DeepLabv3, {way}" for way in ways} <= found["step"].keys()
