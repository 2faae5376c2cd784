"""What a paper concludes from a table, in a form that numbers can test.

A claim compares cells that selectors pick: pairs of cells that agree on every other setting. Where it makes several
comparisons it says over what it speaks: `over = "every"`, each of them must bear it out, or `over = "mean"`, their mean
must. Effects are in the metric's printed unit: points of per cent for shares.

| kind | says |
| --- | --- |
| greater | left - right > margin |
| gain | low <= left - right <= high |
| ratio | low <= left / right <= high |
| equal | abs(left - right) <= tolerance |
| monotone | among the cells of `where`, ordered by `along`, the metric is increasing or decreasing |
| best | left is better (higher or lower, as the metric says) than every other cell of `among` by more than margin |
| largest-gain-at | left - right, seen along `along`, is largest at one of the values `at` |
| text | cannot be tested with this suite's numbers; `why` says why |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from repro.spec import bounds
from repro.spec.scales import check_condition
from repro.spec.strict import StrictModel

if TYPE_CHECKING:
    from collections.abc import Iterator

ClaimKind = Literal["greater", "monotone", "best", "gain", "ratio", "equal", "largest-gain-at", "text"]
Over = Literal["every", "mean"]
Selector = dict[str, Any]

NEEDS: dict[str, tuple[str, ...]] = {
    "greater": ("left", "right"),
    "gain": ("left", "right"),
    "ratio": ("left", "right"),
    "equal": ("left", "right", "tolerance"),
    "monotone": ("along", "direction"),
    "best": ("left", "among"),
    "largest-gain-at": ("left", "right", "along", "at"),
    "text": ("why",),
}
TAKES: dict[str, tuple[str, ...]] = {
    "greater": ("margin", "over"),
    "gain": ("low", "high", "over"),
    "ratio": ("low", "high", "over"),
    "equal": ("over",),
    "monotone": ("margin", "over"),
    "best": ("margin", "over"),
    "largest-gain-at": ("over",),
    "text": (),
}
LARGEST = 1e6
"""Of a claim's numbers, in the metric's printed unit."""
COMMON = {"id", "text", "metric", "kind", "where", "holds", "why"}


class Claim(StrictModel):
    """One sentence of a paper, as a test; see the module's table of kinds."""

    id: str = Field(pattern=r"^[a-z0-9]+(\.[a-z0-9-]+)+$", max_length=bounds.NAME)
    """Stable; a part of a claim that makes several comparisons adds one more name: v3.t6.c6.aspp."""
    text: str = Field(max_length=bounds.TEXT)
    """Our own short wording."""
    metric: str = Field(default="miou", max_length=bounds.NAME)
    kind: ClaimKind
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

    @model_validator(mode="after")
    def _fields_of_kind(self) -> Claim:
        given = self.model_fields_set
        for name in NEEDS[self.kind]:
            if name not in given:
                raise ValueError(f'kind "{self.kind}" needs `{name}`. Add it.')
        if self.kind in ("gain", "ratio") and self.low is None and self.high is None:
            raise ValueError(f'kind "{self.kind}" needs `low`, `high` or both. Add one.')
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low = {self.low} is above high = {self.high}. Swap them.")
        if self.kind == "ratio" and min(x for x in (self.low, self.high) if x is not None) < 0:
            raise ValueError("a ratio is never below 0. Write low and high above it.")
        for name, selector in self.selectors():
            for key, wanted in selector.items():
                try:
                    check_condition(wanted)
                except ValueError as error:
                    raise ValueError(f"{name}.{key}: {error}") from None
        check_condition(self.at)
        useless = given - COMMON - set(NEEDS[self.kind]) - set(TAKES[self.kind])
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
