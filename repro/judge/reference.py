"""Reference runs: what seeds changed when somebody ran a table with several, for runs that have one.

One seed says nothing of how much another would change. Where the same protocol has been run with several seeds before,
that is known: a file per table and scale, committed with the specs, holds each cell's score for each of those seeds.
Nothing else is taken from them. A file speaks of a cell whose resolved protocol and images are the same, whatever code
and machine computed either; a setting that is newer than the file does not count while it has its default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from repro.errors import InputError
from repro.judge.table_files import path_of as path_of
from repro.judge.table_files import read_file
from repro.spec.metric import METRICS, MIOU
from repro.spec.strict import StrictModel

LEAST_SEEDS = 5
"""Of reference runs; fewer tell too little: of 3 seeds' deviation the 95 % quantile is 4.3, of 5 seeds' 2.8."""


@dataclass(frozen=True)
class ReferenceRuns:
    """What a cell came out with before, under the same protocol, with several seeds."""

    scores: Mapping[int, float]
    """Seed -> score in its internal unit."""
    source: str
    """Where they are from: "5 seeds, commit 1a2b3c4"."""


class CellReference(StrictModel):
    """One measured cell."""

    id: str
    settings: dict[str, Any] = {}
    """Dotted key -> value of the resolved protocol, where the table's cells differ."""
    data: str
    """Fingerprints of what it was trained and measured on."""
    metric: str = MIOU.name
    scores: dict[int, float]
    """Seed -> the metric in its internal unit."""

    @model_validator(mode="after")
    def _shares(self) -> CellReference:
        wrong = [s for s in self.scores.values() if not 0 <= s <= 1] if self.metric in METRICS else []
        if wrong:
            raise ValueError(f"{self.metric} {wrong[0]:g} is no share in [0, 1]")
        return self


class Reference(StrictModel):
    """A table at a scale, as it came out with several seeds."""

    format: Literal[1] = 1
    table: str
    scale: str
    made: str
    """UTC, of the newest result."""
    commit: str
    """Of the code that computed it; several are joined."""
    environment: dict[str, str]
    protocol: dict[str, Any]
    """Dotted key -> value of the resolved protocol, where all measured cells agree."""
    cells: tuple[CellReference, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that every cell has."""
        own = [set(cell.scores) for cell in self.cells]
        return tuple(sorted(set.intersection(*own))) if own else ()

    def source(self) -> str:
        """Return where this is from, in words: "5 seeds, commit 1a2b3c4"."""
        return f"{len(self.seeds)} seeds, commit {', '.join(part[:7] for part in self.commit.split(', '))}"


def plain(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON has them."""
    plain: dict[str, Any] = json.loads(json.dumps(flat))
    return plain


def read(folder: Path, table: str, scale: str) -> Reference | None:
    """Return a table's reference at a scale; None where there is no file.

    Raises InputError for a file that is none, is of another table or scale, or has too few seeds; its message names the
    file, the key, and what to do.
    """
    path = path_of(folder, table, scale)
    remedy = "Make it anew with `repro reference`, or delete it: verdicts of one seed then stay open."
    if not path.exists():
        return None
    reference = read_file(Reference, path, remedy, "it is no longer there")
    if (reference.table, reference.scale) != (table, scale):
        raise InputError(f"{path}: table, scale: it is of {reference.table} at {reference.scale}. {remedy}")
    if len(reference.seeds) < LEAST_SEEDS:
        raise InputError(f"{path}: cells: {len(reference.seeds)} seeds in common, {LEAST_SEEDS} are needed. {remedy}")
    return reference


def encode(reference: Reference) -> bytes:
    """Return the bytes of a reference's file: the same for the same reference, one value a line."""
    return (reference.model_dump_json(indent=1) + "\n").encode()


def scores_of(
    reference: Reference, cell: str, metric: str, protocol: Mapping[str, Any], data: str, defaults: Mapping[str, Any]
) -> dict[int, float]:
    """Return seed -> score of a cell that was run under this protocol on these images; empty where it was not.

    `protocol`: dotted key -> value, as JSON has them; `defaults`: the same of the protocol's defaults.
    """
    own = next((candidate for candidate in reference.cells if candidate.id == cell), None)
    if own is None or own.metric != metric or own.data != data:
        return {}
    theirs = {**reference.protocol, **own.settings}
    missing = object()
    for key in theirs.keys() | protocol.keys():
        before = theirs.get(key, defaults.get(key, missing))
        if before != protocol.get(key, missing):
            return {}
    return dict(own.scores)
