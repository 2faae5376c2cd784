"""Files of reference runs: read back as written, damage refused with a remedy, and what must match to use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repro.errors import InputError
from repro.judge.reference import CellReference, Reference, encode, path_of, read, scores_of

PROTOCOL = {"train.lr": 0.007, "train.crop": 65}
DEFAULTS = {**PROTOCOL, "train.new": 3}


def made(**changes: Any) -> Reference:
    scores = {seed: 0.5 + seed / 100 for seed in range(5)}
    cells = tuple(
        CellReference(id=f"a/t/{k}", settings={"model.width": k}, data="d" * 20, scores=scores) for k in (1, 2)
    )
    fields: dict[str, Any] = {
        "table": "a/t", "scale": "tiny", "made": "2026-01-01T00:00:00Z", "commit": "1a2b3c4d5e", "environment": {},
        "protocol": PROTOCOL, "cells": cells,
    }  # fmt: skip
    return Reference(**{**fields, **changes})


def kept(folder: Path, data: bytes) -> Path:
    path = path_of(folder, "a/t", "tiny")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "a/t", "tiny") is None
    path = kept(tmp_path, encode(made()))
    assert path == tmp_path / "tiny" / "a-t.json"
    assert read(tmp_path, "a/t", "tiny") == made()
    assert made().source() == "5 seeds, commit 1a2b3c4"
    assert made(commit="1a2b3c4d5e, unknown").source() == "5 seeds, commit 1a2b3c4, unknown"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format": 2}, "format"),
        ({"table": "a/other"}, "table"),
        ({"scale": "smoke"}, "scale"),
        ({"more": 1}, "more"),
        ({"cells": []}, "seeds"),
        ({"protocol": None}, "protocol"),
    ],
)
def test_other_content_is_refused_with_a_remedy(change: dict[str, Any], named: str, tmp_path: Path) -> None:
    content = {**json.loads(encode(made())), **change}
    path = kept(tmp_path, json.dumps(content).encode())
    with pytest.raises(InputError) as refused:
        read(tmp_path, "a/t", "tiny")
    assert str(path) in str(refused.value)
    assert named in str(refused.value)
    assert "repro reference" in str(refused.value)


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan"), float("inf"), "much"])
def test_what_is_no_score_is_refused(score: object, tmp_path: Path) -> None:
    content = json.loads(encode(made()))
    content["cells"][0]["scores"]["3"] = score
    kept(tmp_path, json.dumps(content).encode())
    with pytest.raises(InputError, match="repro reference"):
        read(tmp_path, "a/t", "tiny")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_damage_is_refused(data: bytes, tmp_path: Path) -> None:
    kept(tmp_path, data)
    with pytest.raises(InputError, match="repro reference"):
        read(tmp_path, "a/t", "tiny")


def test_few_seeds_in_common_are_refused(tmp_path: Path) -> None:
    first, second = made().cells
    fewer = second.model_copy(update={"scores": {seed: 0.5 for seed in (0, 1, 2, 3, 9)}})
    kept(tmp_path, encode(made(cells=(first, fewer))))
    with pytest.raises(InputError, match="4 seeds in common, 5 are needed"):
        read(tmp_path, "a/t", "tiny")


def test_protocol_and_images_must_match() -> None:
    reference = made()
    own = {**PROTOCOL, "model.width": 1}
    same = scores_of(reference, "a/t/1", "miou", own, "d" * 20, DEFAULTS)
    assert same == reference.cells[0].scores
    assert not scores_of(reference, "a/t/1", "pixel_accuracy", own, "d" * 20, DEFAULTS)
    assert not scores_of(reference, "a/t/3", "miou", own, "d" * 20, DEFAULTS)
    assert not scores_of(reference, "a/t/1", "miou", own, "e" * 20, DEFAULTS)
    assert not scores_of(reference, "a/t/2", "miou", own, "d" * 20, DEFAULTS)  # that cell's width is 2
    assert not scores_of(reference, "a/t/1", "miou", {**own, "train.lr": 0.01}, "d" * 20, DEFAULTS)
    assert not scores_of(reference, "a/t/1", "miou", {k: v for k, v in own.items() if k != "train.crop"}, "d" * 20, {})
    # a setting that the file does not know, at its default and elsewhere
    assert scores_of(reference, "a/t/1", "miou", {**own, "train.new": 3}, "d" * 20, DEFAULTS) == same
    assert not scores_of(reference, "a/t/1", "miou", {**own, "train.new": 4}, "d" * 20, DEFAULTS)
