"""What a paper concludes from a table, in a form that numbers can test.

A claim compares cells that selectors pick: pairs of cells that agree on every other setting. Where it makes several
comparisons it says over what it speaks: `over = "every"`, each of them must bear it out, or `over = "mean"`, their mean
must. Effects are in the metric's printed unit: points of per cent for shares.

What can be claimed: `repro.spec.claim_kinds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticKnownError

from repro.spec import bounds
from repro.spec.claim_kinds import KINDS
from repro.spec.explain import first_error
from repro.spec.scales import check_condition
from repro.spec.strict import StrictModel

if TYPE_CHECKING:
    from collections.abc import Iterator

Over = Literal["every", "mean"]
Selector = dict[str, Any]
LARGEST = 1e6
"""Of a claim's numbers, in the metric's printed unit."""
COMMON = {"id", "text", "metric", "kind", "where", "holds", "why", "parameters"}


def _known(name: str) -> str:
    if name not in KINDS:
        raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, KINDS))})
    return name


class Claim(StrictModel):
    """One sentence of a paper, as a test."""

    id: str = Field(pattern=r"^[a-z0-9]+(\.[a-z0-9-]+)+$", max_length=bounds.NAME)
    """Stable; a part of a claim that makes several comparisons adds one more name: v3.t6.c6.aspp."""
    text: str = Field(max_length=bounds.TEXT)
    """Our own short wording."""
    metric: str = Field(default="miou", max_length=bounds.NAME)
    kind: Annotated[str, Field(max_length=bounds.NAME), AfterValidator(_known)]
    """Of `repro.spec.claim_kinds`."""
    left: Selector = {}
    right: Selector = {}
    where: Selector = {}
    """Restricts the cells before anything else."""
    along: str | None = Field(default=None, max_length=bounds.NAME)
    direction: Literal["increasing", "decreasing"] | None = None
    among: Selector | None = None
    """best: what `left` is compared with; {} means every cell of the table."""
    at: Any = None
    """largest-gain-at: value, or {any = [...]}, of `along` where the gain is largest."""
    over: Over | None = None
    """What a claim of several comparisons quantifies over; see `repro.spec.questions`. None where it makes only one."""
    margin: float = Field(default=0.0, ge=-LARGEST, le=LARGEST)
    low: float | None = Field(default=None, ge=-LARGEST, le=LARGEST)
    high: float | None = Field(default=None, ge=-LARGEST, le=LARGEST)
    tolerance: float | None = Field(default=None, ge=0, le=LARGEST)
    holds: bool | None = None
    """Whether the paper's own printed numbers bear it out; None where they can't say. Never a result of ours."""
    why: str = Field(default="", max_length=bounds.TEXT)
    """Why this suite's measurements can't decide it (needed for kind "text")."""
    parameters: dict[str, Any] = {}
    """What its kind alone has, by name. In a spec they stand beside the other keys."""

    @model_validator(mode="before")
    @classmethod
    def _own_parameters(cls, values: Any) -> Any:
        """Collect and check what the claim's kind declares beside the fields of this class."""
        kind = KINDS.get(str(values.get("kind"))) if isinstance(values, dict) else None
        if kind is None or not kind.parameters or "parameters" in values:
            return values
        own = {name: values[name] for name in kind.parameters if name in values}
        for name, value in own.items():
            try:
                own[name] = TypeAdapter(kind.parameters[name]).validate_python(value)
            except ValidationError as error:
                raise ValueError(f"{name}: {first_error(error, {})[1]}") from None
        return {**{key: value for key, value in values.items() if key not in own}, "parameters": own}

    @model_validator(mode="after")
    def _fields_of_kind(self) -> Claim:
        kind = KINDS[self.kind]
        given = {*self.model_fields_set, *self.parameters}
        for name in kind.needs:
            if name not in given:
                raise ValueError(f'kind "{self.kind}" needs `{name}`. Add it.')
        kind.check(self)
        for name, selector in self.selectors():
            for key, wanted in selector.items():
                try:
                    check_condition(wanted)
                except ValueError as error:
                    raise ValueError(f"{name}.{key}: {error}") from None
        check_condition(self.at)
        useless = given - COMMON - {*kind.needs, *kind.takes, *kind.parameters, *(("over",) if kind.effects else ())}
        if useless:
            raise ValueError(f'kind "{self.kind}" does not use `{sorted(useless)[0]}`. Remove it.')
        return self

    def selectors(self) -> Iterator[tuple[str, Selector]]:
        """(field, selector) of each selector given."""
        for name in ("where", "left", "right", "among"):
            if name in self.model_fields_set and getattr(self, name) is not None:
                yield name, getattr(self, name)

    def tables(self) -> set[str]:
        """Ids of the tables that its selectors name; empty: its own only."""
        return {s["table"] for _, s in self.selectors() if isinstance(s.get("table"), str)}
