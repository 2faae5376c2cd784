"""Known mistakes of reproductions, as `tables/pitfalls.toml` declares them, and which of them a protocol makes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from repro.errors import InputError
from repro.spec import bounds
from repro.spec.explain import brief
from repro.spec.keys import flatten
from repro.spec.scales import check_condition, fits
from repro.spec.strict import StrictModel

MOST = 1000
"""Entries of one file."""
Text = Annotated[str, Field(max_length=bounds.TEXT)]
Name = Annotated[str, Field(max_length=bounds.NAME)]
Points = Annotated[float, Field(ge=-100, le=100)]


class Pitfall(StrictModel):
    """One known mistake and what it did to mean IOU on PASCAL VOC val, as it was reported."""

    cause: Text
    when: Annotated[dict[str, Any], Field(min_length=1, max_length=bounds.RULES)]
    """The protocol's values that are the mistake: a value ("none": not set), {any = [...]}, {not = value},
    {min = 5, max = 8}."""
    papers: Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)] = ("v2", "v3", "v3plus")
    """Of whose protocols it is a mistake."""
    points: tuple[Points, Points] | None = None
    """Lowest and highest reported change; None: nobody gave a number that stands alone."""
    reported: Text = ""
    """The same in words."""
    sources: Annotated[tuple[Name, ...], Field(max_length=bounds.NOTES)] = ()
    rows: Annotated[tuple[Text, ...], Field(max_length=bounds.NOTES)] = ()
    """`TABLE: row label` of tables that have it as a row."""

    @model_validator(mode="after")
    def _make_sense(self) -> Pitfall:
        try:
            conditions = flatten(self.when, "when")
        except InputError as error:
            raise ValueError(str(error)) from None
        for key, wanted in conditions.items():
            if not _is_range(wanted):
                try:
                    check_condition(wanted)
                except ValueError as error:
                    raise ValueError(f"when.{key}: {error}") from None
        if self.points is not None and self.points[0] > self.points[1]:
            raise ValueError(f"points: {brief(self.points)}: write the lower one first.")
        for row in self.rows:
            if ": " not in row:
                raise ValueError(f"rows: {brief(row)} is not written as `TABLE: row label`.")
        return self

    @property
    def keys(self) -> frozenset[str]:
        """The protocol's keys that it is about."""
        return frozenset(flatten(self.when, "when"))

    def made_by(self, flat: Mapping[str, Any]) -> bool:
        """Whether a protocol (dotted key -> value) has these values."""
        return all(_matches(flat[key], wanted) for key, wanted in flatten(self.when, "when").items())

    def commands_for(self, paper: str) -> tuple[str, ...]:
        """What measures it beside the correct protocol; of another paper's tables only where its own has no row."""
        rows = [row.split(": ", 1) for row in self.rows]
        own = [(table, label) for table, label in rows if table == f"pitfalls/deeplab{paper}"]
        return tuple(
            f"repro run {table} --only 'row=as published' --only {shlex.quote(f'row={label}')} --seeds 5"
            for table, label in own or rows
        )


class Pitfalls(StrictModel):
    """A file of them."""

    sources: Annotated[dict[Name, tuple[Text, Text]], Field(max_length=MOST)] = {}
    """Short name -> (what a reader sees, address)."""
    pitfalls: Annotated[tuple[Pitfall, ...], Field(max_length=MOST)] = ()

    @model_validator(mode="after")
    def _sources_are_there(self) -> Pitfalls:
        for i, pitfall in enumerate(self.pitfalls):
            for name in pitfall.sources:
                if name not in self.sources:
                    raise ValueError(f"pitfalls[{i}].sources: {brief(name)} is not among [sources].")
        return self


def _is_range(wanted: Any) -> bool:
    return isinstance(wanted, dict) and bool(wanted) and set(wanted) <= {"min", "max"}


def _matches(value: Any, wanted: Any) -> bool:
    if _is_range(wanted):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return bool(wanted.get("min", value) <= value <= wanted.get("max", value))
    if isinstance(wanted, dict) and set(wanted) == {"not"}:
        return not _matches(value, wanted["not"])
    return fits(value, None if wanted == "none" else wanted)
