"""Checkpoints: whole or absent, the two newest kept, damaged ones set aside."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from repro.train.checkpoint import KEPT, Checkpoint, found, load, save


def _state(step):
    network = {"weight": torch.full((4, 3, 2, 2), float(step)).to(memory_format=torch.channels_last)}
    network["count"] = torch.tensor(step)
    return Checkpoint(step, network, {"state": {0: {"momentum": torch.ones(3) * step}}, "lr": 0.1}, {"loss": [0.1]})


def test_what_is_saved_is_loaded(tmp_path):
    save(tmp_path, _state(7))
    told = []
    state = load(tmp_path, told.append)
    assert (state.step, state.notes, told) == (7, {"loss": [0.1]}, [])
    assert torch.equal(state.network["weight"], torch.full((4, 3, 2, 2), 7.0))
    assert state.network["count"].item() == 7
    assert torch.equal(state.optimizer["state"][0]["momentum"], torch.full((3,), 7.0))


def test_there_is_nothing_in_an_empty_folder(tmp_path):
    assert load(tmp_path, print) is None


def test_the_newest_are_kept_by_number_not_by_name(tmp_path):
    for step in (9, 10, 100, 11):
        save(tmp_path, _state(step))
    assert [path.name for path in found(tmp_path)] == ["step-00000100", "step-00000011"]
    assert load(tmp_path, print).step == 100
    assert KEPT == 2


@pytest.mark.parametrize("name", ["network.safetensors", "optimizer.pt", "progress.json"])
def test_a_truncated_checkpoint_gives_way_to_the_one_before(tmp_path, name):
    for step in (1, 2):
        save(tmp_path, _state(step))
    path = tmp_path / "step-00000002" / name
    path.write_bytes(path.read_bytes()[:-20])
    told = []
    assert load(tmp_path, told.append).step == 1
    (line,) = told
    assert "step-00000002" in line
    assert line.endswith("the training goes on from step-00000001")
    assert (tmp_path / "damaged-step-00000002" / "damaged.txt").read_text()
    assert load(tmp_path, pytest.fail).step == 1


def test_a_flipped_bit_is_seen(tmp_path):
    save(tmp_path, _state(1))
    path = tmp_path / "step-00000001" / "network.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    told = []
    assert load(tmp_path, told.append) is None
    assert "does not match its checksum" in told[0]
    assert told[0].endswith("the training begins again")


def test_a_missing_file_is_damage_too(tmp_path):
    save(tmp_path, _state(1))
    (tmp_path / "step-00000001" / "optimizer.pt").unlink()
    told = []
    assert load(tmp_path, told.append) is None
    assert len(told) == 1


def test_the_optimiser_state_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, ("touch " + str(tmp_path / "ran"),)

    save(tmp_path, _state(1))
    path = tmp_path / "step-00000001"
    torch.save({"state": Evil()}, path / "optimizer.pt")
    progress = json.loads((path / "progress.json").read_text())
    import hashlib

    progress["sha256"]["optimizer.pt"] = hashlib.sha256((path / "optimizer.pt").read_bytes()).hexdigest()
    (path / "progress.json").write_text(json.dumps(progress))
    told = []
    assert load(tmp_path, told.append) is None
    assert not (tmp_path / "ran").exists()
    assert "UnpicklingError" in told[0]


def test_a_killed_writer_leaves_the_one_before(tmp_path):
    save(tmp_path, _state(1))
    program = (
        "import os, signal, pathlib, torch, safetensors.torch\n"
        "from repro.train import checkpoint\n"
        "torch.save = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"checkpoint.save(pathlib.Path({str(tmp_path)!r}), checkpoint.Checkpoint(2, {{}}, {{}}, {{}}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in found(tmp_path)] == ["step-00000001"]
    assert load(tmp_path, pytest.fail).step == 1
