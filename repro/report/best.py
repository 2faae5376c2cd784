"""What a table without claims finds: which cell is the best, and by how much it exceeds the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from repro.report.content import CellResult
from repro.report.findings import Finding
from repro.report.grid import printed_value
from repro.report.number_format import factor, fixed, signed, span
from repro.spec.metric import find_metric
from repro.spec.naming import cell_label


def best_of(cells: Sequence[CellResult]) -> Iterator[Finding]:
    """Yield a sentence for each metric whose cells are compared with a baseline; none for other tables."""
    compared = [c for c in cells if c.baseline and c.state == "done" and printed_value(c) is not None]
    for name in dict.fromkeys(c.cell.metric for c in compared):
        own, metric = [c for c in compared if c.cell.metric == name], find_metric(name)
        if len(own) < 2:
            continue
        best = (max if metric.better == "higher" else min)(own, key=lambda c: printed_value(c) or 0.0)
        sentence = f"Best of {len(own)}: {cell_label(best.cell)} with {fixed(printed_value(best), best.cell.decimals)}"
        yield Finding(f"{sentence} {metric.unit}{_gained(best, own)}.".replace(" .", "."))


def _gained(best: CellResult, cells: Sequence[CellResult]) -> str:
    """By how much the best exceeds its baseline, and whether noise could do that."""
    if best.gain is None:
        return ", the baseline itself" if best.baseline == best.cell.id else ""
    times, decimals, gain = factor(best.cell), best.cell.decimals, best.gain
    base = next((cell_label(c.cell) for c in cells if c.cell.id == best.baseline), best.baseline)
    clause = f", {signed(gain.value * times, decimals)} against the baseline {base}"
    if gain.covers in ("nothing", "exact"):
        return clause
    interval = f"{clause} (95 % interval {span(gain.low * times, gain.high * times, decimals)}"
    if gain.covers == "images only":
        return f"{interval} for the choice of images alone; how much another seed changes is unknown)"
    level = "" if gain.low > 0 or gain.high < 0 else ", which includes 0"
    return f"{interval}{level}); the best of several tends to be overestimated"
