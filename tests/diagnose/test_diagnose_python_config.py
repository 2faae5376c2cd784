"""Python configurations are read as mmengine merges them, and never executed."""

from __future__ import annotations

import pytest

from repro.diagnose.python_config import flattened, read_python_config
from repro.errors import InputError


def read(tmp_path, text, name="own.py"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_python_config(path, str(path))


def test_literals_dicts_and_names(tmp_path):
    config = read(
        tmp_path,
        "norm = dict(type='SyncBN', requires_grad=True)\nsize = (512, -1)\n"
        "model = dict(norm_cfg=norm, crop=size, rates=[1, 12.5], **norm, other={'a': None})\n",
    )
    assert config.values["model"] == {
        "norm_cfg": {"type": "SyncBN", "requires_grad": True}, "crop": [512, -1], "rates": [1, 12.5],
        "type": "SyncBN", "requires_grad": True, "other": {"a": None},
    }  # fmt: skip
    assert config.left_out == []


def test_bases_are_merged_below_and_delete_replaces(tmp_path):
    (tmp_path / "base.py").write_text("a = dict(x=1, y=dict(z=2, w=3))\nb = [1]\n")
    config = read(
        tmp_path, "_base_ = ['base.py', 'gone.py']\na = dict(y=dict(z=5))\nc = dict(_delete_=True, q=1)\nb = [2]\n"
    )
    assert config.values == {"a": {"x": 1, "y": {"z": 5, "w": 3}}, "b": [2], "c": {"q": 1}}
    assert config.left_out == ["own.py: its _base_ gone.py is not there"]
    config = read(tmp_path, "_base_ = 'base.py'\na = dict(_delete_=True, x=9)\n", "second.py")
    assert config.values["a"] == {"x": 9}


@pytest.mark.parametrize(
    "line",
    [
        "x = open('touched', 'w')", "import os", "x = __import__('os').system('touch touched')",
        "x = [i for i in 'ab']", "exec('1')", "x = unknown", "def f(): pass", "x = dict([('a', 1)])", "a.b = 3",
    ],
)  # fmt: skip
def test_nothing_is_executed(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    config = read(tmp_path, f"{line}\ny = 2\n")
    assert config.values == {"y": 2}
    assert len(config.left_out) == 1
    assert "own.py, line 1" in config.left_out[0]
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("text", ["x = = 2", "x\0 = 1", "_base_ = 'own.py'\n"])
def test_what_is_no_configuration(tmp_path, text):
    with pytest.raises(InputError, match=r"own\.py"):
        read(tmp_path, text)


@pytest.mark.parametrize("depth", [300, 20_000])
def test_nesting_without_end_is_left_out_or_refused(tmp_path, depth):
    try:
        config = read(tmp_path, f"x = {'[' * depth}{']' * depth}\ny = 1\n")
    except InputError:
        return
    assert config.values == {"y": 1}
    assert len(config.left_out) == 1


def test_flattened_has_lists_of_dicts_whole_and_by_place():
    assert flattened({"a": {"b": [1, {"c": 2}]}, "d": [3]}) == {
        "a.b": [1, {"c": 2}],
        "a.b.0": 1,
        "a.b.1.c": 2,
        "d": [3],
    }
