"""Command lines as people paste them."""

from __future__ import annotations

import pytest

from repro.diagnose.command_line import read_command_lines
from repro.errors import InputError


def read(tmp_path, text):
    path = tmp_path / "train.sh"
    path.write_text(text, encoding="utf-8")
    return read_command_lines(path, str(path))


def test_values_after_equals_after_a_space_and_repeated(tmp_path):
    (command,) = read(
        tmp_path, "python deeplab/train.py --atrous_rates=6 --atrous_rates=12 \\\n  --lr 0.007 --crop=513,513 # note\n"
    )
    assert command.script == "train.py"
    assert command.flags == {"atrous_rates": ["6", "12"], "lr": ["0.007"], "crop": ["513,513"]}


def test_flags_without_value_negations_hyphens_and_negative_numbers(tmp_path):
    (command,) = read(tmp_path, "train.py --aux-loss --nofine_tune_batch_norm -b 4 --decay -1\n")
    flags = command.flags
    assert flags["aux_loss"] == ["true"]
    assert flags["fine_tune_batch_norm"] == ["false"]
    assert flags["b"] == ["4"]
    assert flags["decay"] == ["-1"]


def test_what_the_launcher_takes_is_apart(tmp_path):
    (command,) = read(tmp_path, "torchrun --nproc_per_node=8 train.py --lr 0.02")
    assert command.launcher == {"nproc_per_node": ["8"]}
    assert command.flags == {"lr": ["0.02"]}


def test_several_commands_and_a_flag_a_line(tmp_path):
    first, second = read(tmp_path, "cd deeplab\npython train.py --a 1\npython eval.py --b 2\n")
    assert (first.script, second.script) == ("train.py", "eval.py")
    (command,) = read(tmp_path, "--a=1\n--b=2\n--a=3\n")
    assert command.flags == {"a": ["1", "3"], "b": ["2"]}


def test_quotes_that_are_not_closed(tmp_path):
    with pytest.raises(InputError, match="command 1"):
        read(tmp_path, "python train.py --split='val")
