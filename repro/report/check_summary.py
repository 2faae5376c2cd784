"""A check in words: rows for a terminal, a Markdown summary for a CI service's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repro.judge.drift import FALSE_ALARMS, CheckedCell, CheckedTable, Shift
from repro.report.formats.markdown import bullets, fence, rows, text
from repro.report.formats.markdown import code as code_span
from repro.spec.metric import MIOU, Metric, find_metric

HEADINGS = ("cell", "", "what", "baseline", "now", "difference", "tolerated")
SHOWN = 40
"""Rows of a Markdown summary: a page should stay one."""


@dataclass(frozen=True)
class About:
    """What a summary tells of a table beside its cells."""

    kind: Sequence[str]
    """What tells this kind of machine from the baseline's; empty on the same kind."""
    modules: Sequence[str]
    """Modules whose content is another than when the baseline was made."""
    made: str
    commit: str | None
    update: str
    """The command that makes this run the baseline."""


def headline(table: CheckedTable) -> str:
    """One line: how many cells moved, and by which measure."""
    cells, name = len(table.cells), f"{table.table} at {table.scale}"
    parts = [f"{table.count('failed')} of {cells} cells failed to run"] if table.count("failed") else []
    if table.count("moved"):
        how = "" if table.exact else " beyond what seeds and rounding explain"
        parts.append(f"{table.count('moved')} of {cells} cells moved{how}")
    if parts:
        return f"{name}: {'; '.join(parts)}."
    if table.count("equal") == cells:
        return f"{name}: all {cells} cells are equal to the last bit."
    return f"{name}: all {cells} cells within what seeds and rounding explain ({table.count('equal')} equal)."


def measure(table: CheckedTable, about: About) -> str:
    """By which measure cells were compared, and why."""
    if table.exact:
        measured = any(cell.kind == "measured" for cell in table.cells)
        return "Compared bit for bit" + (": the baseline is from the same kind of machine." if measured else ".")
    seeds = max((cell.seeds for cell in table.cells), default=0)
    spread = ", ".join(f"{name} {_spread(name, value)}" for name, value in table.spread.items())
    return (
        f"Compared statistically, for the baseline is from another kind of machine ({'; '.join(about.kind)}): "
        f"{table.comparisons} comparisons with {seeds} seed{'s' if seeds > 1 else ''}, which together give a false "
        f"alarm in {FALSE_ALARMS:.0%} of runs at most. Standard deviations: {spread}."
    )


def moved_rows(table: CheckedTable) -> list[tuple[str, ...]]:
    """A row for everything that moved or failed, in the order of the table."""
    moved: list[tuple[str, ...]] = []
    for cell in table.cells:
        if cell.state == "failed":
            moved.append((cell.id, "failed", cell.detail, "", "", "", ""))
        for shift in cell.moved:
            what = shift.quantity if not table.exact else cell.detail
            numbers = (_value(shift, v) for v in (shift.before, shift.now))
            moved.append((cell.id, cell.state, what, *numbers, _signed(shift), _tolerated(shift)))
    return moved


def shift_line(shift: Shift) -> str:
    """One comparison as a line."""
    before, now = (_value(shift, value) for value in (shift.before, shift.now))
    mark = "MOVED" if shift.moved else "ok"
    return f"{shift.quantity}: {before} -> {now}, difference {_signed(shift)}, tolerated {_tolerated(shift)}: {mark}"


def json_rows(table: CheckedTable) -> list[dict[str, Any]]:
    """One row per cell; scores in [0, 1]."""
    return [
        {
            "id": cell.id,
            "kind": cell.kind,
            "table": table.table,
            "state": cell.state,
            "seeds": cell.seeds,
            "baseline": _known(cell, "before"),
            "value": _known(cell, "now"),
            "detail": cell.detail,
            "comparisons": [
                {
                    "quantity": s.quantity,
                    "baseline": s.before,
                    "now": s.now,
                    "tolerance": s.tolerance,
                    "moved": s.moved,
                }
                for s in cell.shifts
            ],
        }
        for cell in table.cells
    ]


def summary(
    tables: Sequence[tuple[CheckedTable, About]], frozen: Mapping[str, tuple[bool, Sequence[str]]] | None = None
) -> str:
    """The check as Markdown; `frozen`: table -> whether it passed from frozen weights, and Markdown that says so."""
    frozen = frozen or {}
    passed = all(table.passed for table, _ in tables) and all(passed for passed, _ in frozen.values())
    blocks = [f"## Reproduction check: {'passed' if passed else 'FAILED'}"]
    for table, about in tables:
        fine, parts = frozen.get(table.table, (True, ()))
        mark = "✅" if table.passed and fine else "❌"
        blocks += [f"### {mark} {text(headline(table))}", *parts, text(measure(table, about))]
        moved = moved_rows(table)
        if moved:
            shown = [tuple(text(part) or " " for part in row) for row in moved[:SHOWN]]
            blocks.append(rows(HEADINGS, shown, numeric=(3, 4, 5, 6)))
            if len(moved) > SHOWN:
                blocks.append(f"… and {len(moved) - SHOWN} more rows.")
        made = f" of {text(about.made)}" if about.made else ""
        facts = [f"Baseline{made}" + (f", commit {code_span(about.commit)}" if about.commit else "")]
        good = table.passed and fine
        if about.modules and not good:
            facts.append(f"Modules changed since: {', '.join(code_span(module) for module in about.modules)}")
        elif about.modules:
            facts.append(f"Modules changed since: {len(about.modules)}")
        blocks.append(bullets(facts))
        if table.count("moved") or not fine:
            blocks += ["If this is meant, the command that makes it the baseline:", fence(about.update)]
    return "\n\n".join(blocks) + "\n"


def unfinished(reason: str) -> str:
    """What stands for a check that came to no result, as Markdown."""
    return f"## Reproduction check: not finished\n\n❌ {text(reason)}\n"


def _known(cell: CheckedCell, which: str) -> float | None:
    return float(getattr(cell.shifts[0], which)) if cell.shifts else None


def _value(shift: Shift, value: float) -> str:
    """Scores in their printed unit, losses as they are, computed values in full."""
    if shift.quantity == "score":
        return _score(shift.metric, value)
    return repr(value) if shift.quantity == "value" else f"{value:.5f}"


def _score(metric: Metric, value: float) -> str:
    return f"{metric.factor * value:.3f} {metric.unit}".rstrip()


def _spread(name: str, value: float) -> str:
    if name in ("mean loss", "first-step loss"):
        return f"{value:.5f}"
    return _score(MIOU if name == "score" else find_metric(name), value)


def _signed(shift: Shift) -> str:
    if shift.quantity == "score":
        return f"{shift.metric.factor * shift.difference:+.3f}"
    return f"{shift.difference:+.5g}" if shift.quantity == "value" else f"{shift.difference:+.5f}"


def _tolerated(shift: Shift) -> str:
    if shift.tolerance == 0:
        return "none"
    return f"±{shift.metric.factor * shift.tolerance:.3f}" if shift.quantity == "score" else f"±{shift.tolerance:.5f}"
