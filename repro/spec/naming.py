"""Cells and settings in the paper's words."""

from __future__ import annotations

from repro.spec.cell import Cell
from repro.spec.metric import MIOU, find_metric

COUNTED = {
    "model.decoder_low_level_channels": "{} channels",
    "evaluate.trimap_px": "{} px",
}
"""Setting -> what a bare number in a row's or column's head counts; others go by their name: "output stride 8"."""


def key_name(key: str) -> str:
    """Return the last part of a dotted key as words: "model.last_block" is "last block"."""
    return key.rsplit(".", 1)[-1].removesuffix("_px").replace("_", " ")


def printed(cell: Cell, label: str) -> str:
    """Return a row's or column's label as the paper prints it; a bare number with what it counts."""
    if not label.replace(".", "", 1).isdigit():
        return label
    key = next((key for key, value in cell.settings.items() if str(value) == label), None)
    return label if key is None else COUNTED.get(key, key_name(key) + " {}").format(label)


def cell_label(cell: Cell) -> str:
    """Return a cell's row and column as the paper prints them; the metric in place of one of them is left out."""
    score = find_metric(cell.metric).title if cell.kind == "measured" else MIOU.title
    labels = [printed(cell, label) for label in (cell.row_label, cell.column_label) if label != score]
    return ", ".join(labels) or cell.row_label
