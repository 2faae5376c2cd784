"""How much of a paper's protocol is spent: the rules by which a scale departs from it.

A rule names one protocol value and gives it a new `value`, multiplies it by a `factor`, or maps old values to new ones.
A scale may extend another: what it says of a key replaces whatever it would inherit for that key.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from repro.errors import InputError, did_you_mean
from repro.spec import bounds
from repro.spec.explain import brief
from repro.spec.keys import flatten, frozen
from repro.spec.reading import read_value
from repro.spec.strict import StrictModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Direction = Literal["lower", "higher", "unknown"]


class Rule(StrictModel):
    """One declared departure from the paper's protocol."""

    key: str = Field(max_length=bounds.NAME)
    value: Any = None
    factor: float | None = Field(default=None, gt=0, le=1e6)
    """Multiplies a number or each number of a list; integers stay integers, at least 1 (0 stays 0)."""
    map: dict[str, Any] | None = None
    """Old value, as TOML spells it, -> new value; other values stay."""
    when: dict[str, Any] = {}
    """Only where these keys, as resolved so far, have these values; {any = [...]} and {not = value} are understood."""
    reason: str = Field(max_length=bounds.TEXT)
    direction: Direction = "unknown"
    """Likely effect on the score."""

    @model_validator(mode="after")
    def _one_change(self) -> Rule:
        given = self.model_fields_set & {"value", "factor", "map"}
        if len(given) != 1:
            raise ValueError("a deviation needs exactly one of `value`, `factor`, `map`.")
        for old, new in (self.map or {}).items():
            if isinstance(new, dict):
                whole = f"{old}.{next(iter(new))}"
                raise ValueError(f'map: TOML splits {whole} at its point. Write it in quotes: "{whole}".')
            try:
                read_value(old)
            except InputError as error:
                raise ValueError(f"map: {error}") from None
        return self

    @cached_property
    def _conditions(self) -> dict[str, Any]:
        """`when` under dotted keys, checked where it was loaded; every cell of the suite asks for them."""
        return flatten(self.when, "when")

    def applies(self, flat: Mapping[str, Any]) -> bool:
        """Whether every condition of `when` holds for the values resolved so far."""
        return all(fits(flat[key], wanted) for key, wanted in self._conditions.items())

    def new_value(self, old: Any, place: str) -> Any:
        """The value that takes the place of `old`. Raises InputError where a factor meets what is no number."""
        if self.factor is not None:
            return scaled(old, self.factor, f"{place}.factor")
        if self.map is not None:
            for spelt, new in self.map.items():
                if read_value(spelt) == old:
                    return frozen(new)
            return old
        return frozen(self.value)


class TableRule(Rule):
    """A departure that one table, or all of a paper's, need at one scale (and at scales that extend it)."""

    scale: str = Field(max_length=bounds.NAME)


class Scale(StrictModel):
    """A named set of departures."""

    description: str = Field(max_length=bounds.TEXT)
    extends: str | None = Field(default=None, max_length=bounds.NAME)
    seeds: int = Field(default=1, ge=1, le=bounds.SEEDS)
    """How many seeds a run takes unless told."""
    deviations: tuple[Rule, ...] = Field(default=(), max_length=bounds.RULES)
    _place: str = PrivateAttr(default="")


def fits(value: Any, wanted: Any) -> bool:
    """Equality, or {any = [...]}, or {not = value}; lists and tuples are alike."""
    wanted = frozen(wanted)
    if isinstance(wanted, dict) and set(wanted) == {"any"}:
        return frozen(value) in wanted["any"]
    if isinstance(wanted, dict) and set(wanted) == {"not"}:
        return not fits(value, wanted["not"])
    return bool(frozen(value) == wanted)


def check_condition(wanted: Any) -> None:
    """Raise ValueError for what `fits` would take for a value, though it is meant as a choice."""
    if not isinstance(wanted, dict):
        return
    if set(wanted) == {"not"}:
        check_condition(wanted["not"])
    elif set(wanted) != {"any"}:
        raise ValueError(f"{brief(wanted)} is no condition. Write a value, {{any = [...]}} or {{not = value}}.")
    elif not isinstance(wanted["any"], list | tuple) or not wanted["any"]:
        raise ValueError(f"any = {brief(wanted['any'])} is no list of values. Write {{any = [...]}}.")
    elif any(isinstance(value, dict) for value in wanted["any"]):
        raise ValueError(f"{brief(wanted)}: {{any = [...]}} takes values only. List them.")


def scaled(old: Any, factor: float, place: str) -> Any:
    """`old` times `factor`, element by element; integers stay integers, and at least 1 unless they were 0."""
    if isinstance(old, tuple):
        return tuple(scaled(v, factor, place) for v in old)
    if isinstance(old, bool) or not isinstance(old, int | float):
        if old is None:
            return None
        raise InputError(f"{place}: {brief(old)} cannot be multiplied. Use `value` or `map` for this key.")
    if isinstance(old, int):
        return max(1, round(old * factor)) if old else 0
    return old * factor


def lineage(name: str, scales: Mapping[str, Scale]) -> list[str]:
    """The scale and what it extends, most general first. Raises InputError for an unknown name or a circle."""
    chain: list[str] = []
    at: str | None = name
    while at is not None:
        if at not in scales:
            link = f"extends {brief(at)}" if chain else brief(at)
            raise InputError(
                f"scale {link}: there is no such scale; there are {', '.join(scales)}.{did_you_mean(at, scales)}"
            )
        if at in chain:
            raise InputError(f'scale "{name}": extends itself through {" -> ".join([*chain, at])}. Break the circle.')
        chain.append(at)
        at = scales[at].extends
    return chain[::-1]


Placed = tuple[str, Rule]
"""Where a rule was written, for messages, and the rule."""


def rules_for(
    name: str, scales: Mapping[str, Scale], more: Iterable[tuple[str, Iterable[TableRule]]] = ()
) -> list[Placed]:
    """The rules of a scale in the order of application; a later source's rules for a key replace all earlier ones.

    Sources: for each scale of the lineage, the most general first, its own rules, then those of `more` for it: (where,
    rules) of the paper, then of the table.
    """
    more = [(where, tuple(rules)) for where, rules in more]
    out: list[Placed] = []
    for at in lineage(name, scales):
        sources = [
            [(f"{scales[at]._place}: {at}.deviations[{i}]", rule) for i, rule in enumerate(scales[at].deviations)]
        ]
        sources += [
            [(f"{where}: deviations[{i}]", rule) for i, rule in enumerate(rules) if rule.scale == at]
            for where, rules in more
        ]
        for source in sources:
            replaced = {rule.key for _, rule in source}
            out = [placed for placed in out if placed[1].key not in replaced] + list(source)
    return out
