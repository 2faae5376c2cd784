"""Baselines on disk, what tells two of them apart, and when bits must agree."""

from __future__ import annotations

import pytest

from repro.errors import InputError
from repro.judge.baseline import (
    Baseline,
    CellBaseline,
    SeedResult,
    differences,
    encode,
    kind_changes,
    machine_kind,
    path_of,
    read,
    same_bits,
)

ENVIRONMENT = {
    "platform": "Linux x86_64", "cpu": "One", "cpu_id": "6 85", "vector": "avx2", "kernels": None, "threads": 1,
    "torch": "2.11.0", "numpy": "2.4", "device": "cpu", "gpu": None, "precision": "float32", "python": "3.11.7",
}  # fmt: skip


def baseline(protocol, **cells):
    made = [CellBaseline(id=name, kind="measured", settings=settings, data="d") for name, settings in cells.items()]
    return Baseline(
        table="v3/table3", scale="smoke", made="2026-01-01", commit="c", kind=None, environment={}, code={},
        protocol=protocol, cells=made,
    )  # fmt: skip


def test_a_round_trip_keeps_every_bit(tmp_path):
    value = 0.1 + 0.2
    seed = SeedResult(
        score=value, mean_loss=1 / 3, first_step_losses=(0.7,), confusion="c", images="a b", weights=("w",)
    )
    cell = CellBaseline(id="x", kind="measured", settings={"train.lr": 0.007}, data="d", seeds={0: seed, 2: seed})
    made = baseline({"model.multi_grid": [1, 2, 1]}).model_copy(update={"cells": (cell,)})
    path = path_of(tmp_path, "v3/table3", "smoke")
    assert path.relative_to(tmp_path).as_posix() == "smoke/v3-table3.json"
    path.parent.mkdir()
    path.write_bytes(encode(made))
    again = read(path, "")
    assert again == made
    assert again.cells[0].seeds[2].score.hex() == value.hex()
    assert again.seeds == (0, 2)


def test_a_file_that_is_none_is_refused_by_name(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(InputError, match=r"x\.json: there is no baseline\. Make one"):
        read(path, "Make one")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read(path, "")
    path.write_text(encode(baseline({})).decode().replace('"scale"', '"size"'))
    with pytest.raises(InputError, match=r"x\.json: size: Extra inputs are not permitted"):
        read(path, "")


def test_protocols_are_compared_key_by_key():
    before = baseline({"train.crop": 65, "train.lr": 0.1}, a={"model.last_block": 4}, b={"model.last_block": 5})
    assert differences(before, before, {}) == []
    # where a value is kept, in common or with the cell, is no difference
    moved = baseline({"train.crop": 65}, a={"model.last_block": 4, "train.lr": 0.1})
    assert differences(before, moved, {}) == []
    now = baseline({"train.crop": 97, "train.lr": 0.1}, a={"model.last_block": 4}, c={})
    assert differences(before, now, {}) == ["train.crop 65 -> 97 (a)", "not in the baseline (c)"]


def test_a_key_newer_than_the_baseline_counts_unless_it_has_its_default():
    before, now = baseline({}, a={}), baseline({"train.squash": 3}, a={})
    assert differences(before, now, {"train.squash": 3}) == []
    assert differences(before, now, {"train.squash": None}) == ["train.squash none -> 3 (a)"]
    assert differences(now, before, {"train.squash": 3}) == ["train.squash 3 -> none (a)"]


def test_a_kind_of_machine_is_what_decides_the_bits():
    kind = machine_kind([ENVIRONMENT, {**ENVIRONMENT, "python": "3.12.1", "cores": 64}])
    assert kind is not None
    assert same_bits(kind, machine_kind([ENVIRONMENT]))
    for key, value in (
        ("cpu", "Two"),
        ("vector", "avx2 avx512f"),
        ("kernels", "X=1"),
        ("torch", "2.12"),
        ("threads", 2),
    ):
        other = machine_kind([{**ENVIRONMENT, key: value}])
        assert not same_bits(kind, other)
        if key != "vector":
            assert kind_changes(kind, other) == [f"{key}: {ENVIRONMENT[key]} -> {value}"]
    many = {**kind, "vector": "sse4_1 " + " ".join(f"avx512_{k}" for k in range(40))}
    few = {**kind, "vector": "amx_bf16 sse4_1"}
    assert kind_changes(many, few) == [
        "the processor here lacks avx512_0, avx512_1, avx512_10 and 37 more and adds amx_bf16"
    ]
    assert machine_kind([ENVIRONMENT, {**ENVIRONMENT, "cpu": "Two"}]) is None
    assert machine_kind([{**ENVIRONMENT, "vector": None}]) is None
    assert machine_kind([]) is None
    assert not same_bits(None, None)
    gpus = [machine_kind([{**ENVIRONMENT, "device": f"cuda:{i}", "gpu": "H200"}]) for i in (0, 1)]
    assert gpus[0] == gpus[1]
    assert not same_bits(*gpus)
