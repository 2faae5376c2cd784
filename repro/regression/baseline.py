"""What a baseline says of frozen weights: a JSON file beside the table's, and the weights in safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from repro.judge.table_files import path_of, read_file
from repro.regression.quantity import Observation, decode, encode
from repro.spec.strict import StrictModel


class FrozenProbe(StrictModel):
    """A step or an evaluation from frozen weights."""

    name: str
    also: tuple[str, ...] = ()
    """Names of the same computation under other cells."""
    states: tuple[str, ...]
    """Where its weights are, in the order in which they are looked for."""
    seen: dict[str, str]
    """Quantity -> one line (`quantity.encode`), in the order of computing."""
    rounding: dict[str, float] = {}
    """Quantity -> the largest distance that other rounding was seen to make; left out where it made none."""

    @field_validator("seen")
    @classmethod
    def _readable(cls, lines: dict[str, str]) -> dict[str, str]:
        for line in lines.values():
            decode(line)
        return lines

    @cached_property
    def observation(self) -> Observation:
        """What was seen."""
        return {name: decode(line) for name, line in self.seen.items()}


class FrozenTable(StrictModel):
    """A table's steps and evaluations from frozen weights, at a scale."""

    format: Literal[1] = 1
    table: str
    scale: str
    weights: str
    """20 hex digits of the file of weights."""
    environment: dict[str, str]
    roundings: tuple[str, ...]
    """In words, the other roundings that were tried."""
    probes: tuple[FrozenProbe, ...]

    def probe(self, name: str) -> FrozenProbe | None:
        """The step or evaluation of that name, if there is one."""
        return next((probe for probe in self.probes if name in (probe.name, *probe.also)), None)


def steps_path(folder: Path, table: str, scale: str) -> Path:
    """Where a table's steps are kept."""
    return path_of(folder, table, scale).with_suffix(".steps.json")


def weights_path(folder: Path, table: str, scale: str) -> Path:
    """Where a table's frozen weights are kept."""
    return path_of(folder, table, scale).with_suffix(".safetensors")


def lines_of(observation: Observation) -> dict[str, str]:
    """What was seen, as it is kept."""
    return {name: encode(quantity) for name, quantity in observation.items()}


def read(path: Path, remedy: str) -> FrozenTable:
    """Read a table's steps. Raises InputError where there are none, or the file is not one; `remedy`: what to do."""
    return read_file(FrozenTable, path, remedy, "the baseline's steps are not there")


def encode_table(table: FrozenTable) -> bytes:
    """The bytes of a table's steps: one quantity a line."""
    content: Mapping[str, Any] = table.model_dump(mode="json")
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
