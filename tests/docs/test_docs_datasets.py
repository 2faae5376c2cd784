"""The page of the data sets says what the loaders and `repro data prepare` do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from repro.data.prepare import PIECES
from repro.data.source import FORMATS, SCENES
from repro.spec.load import load_suite

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
ROWS = {
    name.strip(" `"): [cell.strip() for cell in rest]
    for name, *rest in (line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| `"))
}


def test_every_data_set_has_its_row() -> None:
    assert set(ROWS) == set(PIECES)
    assert set(ROWS) == {*FORMATS, SCENES, "imagenet"}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_splits_and_counts_are_the_loaders(name: str) -> None:
    told = re.findall(r"(\w+)(?: ([\d,]+))?(?:[,;]|$)", re.sub(r"(\d),(\d)", r"\1\2", ROWS[name][0]))
    assert {split for split, _ in told} == set(FORMATS[name].splits)
    facts = load_suite().datasets[name]
    counts = {split: facts.splits[split] for split in FORMATS[name].splits} if FORMATS[name].exact else {}
    assert {split: int(count) for split, count in told if count} == counts


def test_imagenets_count() -> None:
    assert f"{load_suite().datasets['imagenet'].splits['val']:,}" in ROWS["imagenet"][0]


@pytest.mark.parametrize("name", sorted(PIECES))
def test_what_takes_a_hand_is_told(name: str) -> None:
    by_hand = any(piece.by_hand and not piece.url for piece in PIECES[name])
    assert (ROWS[name][2] != "–") == by_hand
