"""Checkpoints: whole or absent, the two newest kept, damaged ones set aside."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from repro.files import seal, unseal
from repro.train.checkpoint import KEPT, Checkpoint, load, save, saved


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
    assert [path.name for path in saved(tmp_path)] == ["step-00000100", "step-00000011"]
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


@pytest.mark.parametrize("name", ["network.safetensors", "optimizer.pt", "progress.json"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_flipped_bit_is_seen(tmp_path, name, share):
    save(tmp_path, _state(1))
    path = tmp_path / "step-00000001" / name
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 1
    path.write_bytes(data)
    told = []
    assert load(tmp_path, told.append) is None
    assert "does not match its checksum" in told[0]
    assert told[0].endswith("the training begins again")


def test_another_step_in_the_progress_is_seen(tmp_path):
    """As a bit of it that flips: the training would go on from a state that it never had."""
    save(tmp_path, _state(84))
    path = tmp_path / "step-00000084" / "progress.json"
    assert path.read_text().count('"step": 84') == 1
    path.write_text(path.read_text().replace('"step": 84', '"step": 94'))
    told = []
    assert load(tmp_path, told.append) is None
    assert "progress.json does not match its checksum" in told[0]


def test_a_checkpoint_in_the_place_of_another_is_seen(tmp_path):
    for step in (1, 2):
        save(tmp_path, _state(step))
    (tmp_path / "step-00000002").rename(tmp_path / "step-00000003")
    told = []
    assert load(tmp_path, told.append).step == 1
    assert "it is of step 2" in told[0]


@pytest.mark.parametrize("harm", ["file", "link to nowhere", "link to itself", "pipe", "forbidden to move"])
@pytest.mark.parametrize("name", [".", "progress.json", "optimizer.pt"])
def test_what_stands_for_a_checkpoint_is_no_hindrance(tmp_path, monkeypatch, name, harm):
    for step in (1, 2):
        save(tmp_path, _state(step))
    path = tmp_path / "step-00000002" / name
    (tmp_path / "damaged-step-00000002").write_text("in the way")
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    {
        "file": path.touch,
        "link to nowhere": lambda: path.symlink_to("none"),
        "link to itself": lambda: path.symlink_to(path),
        "pipe": lambda: os.mkfifo(path),
        "forbidden to move": path.mkdir,
    }[harm]()
    with monkeypatch.context() as patch:
        if harm == "forbidden to move":
            patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
        told = []
        assert load(tmp_path, told.append).step == 1
    assert len(told) == 1
    save(tmp_path, _state(2))
    assert load(tmp_path, pytest.fail).step == 2


def test_a_checkpoint_that_memory_is_short_for_is_not_set_aside(tmp_path, monkeypatch):
    save(tmp_path, _state(1))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            load(tmp_path, pytest.fail)
    assert load(tmp_path, pytest.fail).step == 1


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
    progress = unseal((path / "progress.json").read_bytes())
    progress["files"]["optimizer.pt"] = hashlib.sha256((path / "optimizer.pt").read_bytes()).hexdigest()
    (path / "progress.json").write_bytes(seal(progress))
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
    assert [path.name for path in saved(tmp_path)] == ["step-00000001"]
    assert load(tmp_path, pytest.fail).step == 1
    save(tmp_path, _state(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]
