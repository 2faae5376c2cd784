"""What known mistakes did to mean IOU here: the difference that reference runs of `tables/pitfalls` show.

`repro reference` writes what a table came out with under several seeds; a mistake's row is held against the row of its
table that makes none, seed by seed. Small scales show a direction rather than the size at the papers' scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from repro.judge.intervals import t_quantile
from repro.judge.reference import Reference, plain, read, scores_of
from repro.spec.cell import Cell
from repro.spec.keys import flat_of
from repro.spec.load import Suite
from repro.spec.pitfall import Pitfall
from repro.spec.places import references
from repro.spec.protocol import Protocol
from repro.spec.resolve import resolve
from repro.spec.table import TableSpec

SCALES = ("paper", "small", "tiny")
"""The largest that was run counts."""


@dataclass(frozen=True)
class MeasuredSize:
    """A mistake's row less the correct one, in points of mean IOU."""

    points: float
    """Mean over seeds."""
    margin: float
    """Half of the 95 % interval over seeds (Student's t, paired by seed)."""
    scale: str
    seeds: int
    commit: str
    row: str
    """`TABLE: row label`."""

    @property
    def source_text(self) -> str:
        """Such as "-3.21 ± 1.05 at tiny"."""
        return f"{self.points:+.2f} ± {self.margin:.2f} at {self.scale}"

    @property
    def source(self) -> str:
        """Such as "-3.21 ± 1.05 at tiny, 5 seeds, commit 1a2b3c4"."""
        return f"{self.source_text}, {self.seeds} seeds, commit {self.commit[:7]}"


def measured_sizes(suite: Suite, folder: Path | None = None) -> dict[str, MeasuredSize]:
    """`TABLE: row label` -> what reference runs in `folder` (the committed ones) show, for rows of known mistakes.

    A row whose protocol has changed since it was run has none. Raises InputError for a damaged file.
    """
    rows = [row for pitfall in suite.pitfalls for row in pitfall.rows]
    sizes: dict[str, MeasuredSize] = {}
    for name in dict.fromkeys(row.split(": ", 1)[0] for row in rows):
        table = suite.find(name)
        for scale in reversed(SCALES):
            reference = read(folder or references(), name, scale)
            if reference is not None:
                sizes.update(_of_table(suite, table, reference, set(rows)))
    return sizes


def sizes_of(pitfall: Pitfall, sizes: Mapping[str, MeasuredSize], paper: str) -> tuple[MeasuredSize, ...]:
    """Those of a mistake's rows, of the paper's own table where that has one."""
    own = [row for row in pitfall.rows if row.startswith(f"pitfalls/deeplab{paper}: ")]
    return tuple(sizes[row] for row in own or pitfall.rows if row in sizes)


def _of_table(
    suite: Suite, table: TableSpec, reference: Reference, mistakes: set[str]
) -> Iterator[tuple[str, MeasuredSize]]:
    cells = [(cell, scores) for cell in table.cells() if (scores := _scores(suite, table, cell, reference))]
    right = [(cell, scores) for cell, scores in cells if f"{table.id}: {cell.row_label}" not in mistakes]
    for cell, scores in cells:
        row = f"{table.id}: {cell.row_label}"
        if row not in mistakes or not right:
            continue
        # the correct row that differs in the fewest settings: of a multi-scale test another than of the others
        _, correct = min(right, key=lambda other: _differing(cell, other[0]))
        seeds = sorted(scores.keys() & correct.keys())
        if len(seeds) > 1:
            yield row, _size([100 * (scores[seed] - correct[seed]) for seed in seeds], reference, row)


def _differing(cell: Cell, other: Cell) -> int:
    return sum(value != other.settings[key] for key, value in cell.settings.items())


def _scores(suite: Suite, table: TableSpec, cell: Cell, reference: Reference) -> dict[int, float]:
    kept = next((candidate for candidate in reference.cells if candidate.id == cell.id), None)
    if kept is None or cell.kind != "measured":
        return {}
    protocol = plain(flat_of(resolve(suite, table, cell.settings, reference.scale).protocol))
    return scores_of(reference, cell.id, cell.metric, protocol, kept.data, plain(flat_of(Protocol())))


def _size(changes: list[float], reference: Reference, row: str) -> MeasuredSize:
    count, mean = len(changes), math.fsum(changes) / len(changes)
    deviation = math.sqrt(math.fsum((change - mean) ** 2 for change in changes) / (count - 1))
    margin = t_quantile(0.975, count - 1) * deviation / math.sqrt(count)
    return MeasuredSize(mean, margin, reference.scale, count, reference.commit, row)
