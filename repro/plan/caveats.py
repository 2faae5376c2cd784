"""What a plan's results will not be able to say, stated before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from repro.plan.only import left_out
from repro.plan.plan import Plan, PlannedCell
from repro.plan.strides import strides_line
from repro.spec.load import Suite
from repro.spec.naming import cell_label

MOST_NAMES, MOST_GROUPS = 4, 2
"""Cells of a group, and groups, that a line names."""


def caveats(suite: Suite, plan: Plan) -> Iterator[str]:
    """A line for each table with cells that are one and the same, or whose claims lack cells that --only left out; one
    for weights whose network had its strides elsewhere."""
    for table in plan.request.tables:
        own = plan.of_table(table.id)
        if groups := identical(own):
            yield f"{table.id}: {same_settings([[cell_label(planned.cell) for planned in group] for group in groups])}"
        if line := left_out(suite, table, [planned.cell for planned in own], plan.request.only):
            yield line
    if line := strides_line(plan):
        yield line


def same_settings(groups: Sequence[Sequence[str]]) -> str:
    """A sentence on groups of cells, by their labels, that are one evaluation each."""
    named = []
    for labels in groups[:MOST_GROUPS]:
        more = f"; {len(labels) - MOST_NAMES} more" if len(labels) > MOST_NAMES else ""
        named.append("; ".join(labels[:MOST_NAMES]) + more)
    rest = f", and {len(groups) - MOST_GROUPS} more such groups" if len(groups) > MOST_GROUPS else ""
    return (
        f"cells with identical settings are one evaluation, and no claim can tell them apart: ({') and ('.join(named)})"
        f"{rest}."
    )


def identical(cells: tuple[PlannedCell, ...]) -> list[tuple[PlannedCell, ...]]:
    """Groups of measured cells whose evaluations are the same, in the table's order."""
    groups: dict[tuple[str, ...], list[PlannedCell]] = {}
    for planned in cells:
        if planned.evaluations:
            groups.setdefault(tuple(e.key for e in planned.evaluations.values()), []).append(planned)
    return [tuple(group) for group in groups.values() if len(group) > 1]
