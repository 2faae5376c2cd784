"""Two stores side by side, in numbers and words: a row for each cell, one line for all, environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.judge.intervals import Estimate
from repro.judge.paired import ScoresBySeed, difference, equal_bits
from repro.report.formats.markdown import bullets, rows, text
from repro.report.matched_stores import Matched, Measurement, SideBySide
from repro.spec.metric import MIOU, Metric, find_metric
from repro.store.arrays import read_arrays

HEADINGS = ("cell", "scale", "seeds", "A %", "B %", "B - A", "95 %", "equal", "speed B/A")
NUMERIC = (2, 3, 4, 5, 6, 7, 8)
NONE = "–"


@dataclass(frozen=True)
class Compared:
    """One cell that both stores have; scores in the metric's internal unit."""

    side: SideBySide
    a: float
    """Mean over the seeds that both have."""
    b: float
    effect: Estimate
    """B less A."""
    equal: int
    """Seeds whose confusion matrices agree to the last bit."""
    same_images: bool
    speed: float | None
    """Images a second in training, B's over A's; None where not known."""

    @property
    def metric(self) -> Metric:
        """Of the cell."""
        return find_metric(self.side.cell.metric)

    @property
    def name(self) -> str:
        """The cell, with its metric where that is not mean IOU."""
        return self.side.name + ("" if self.metric == MIOU else f", {self.metric.label}")

    @property
    def all_equal(self) -> bool:
        """Whether every seed that both have agrees to the last bit."""
        return self.equal == len(self.side.seeds)


def compare(matched: Matched) -> tuple[Compared, ...]:
    """Every cell that both stores have with some seed."""
    return tuple(_compared(side) for side in matched.cells if side.seeds)


def _compared(side: SideBySide) -> Compared:
    seeds = side.seeds
    pairs = [(side.a[seed], side.b[seed]) for seed in seeds]
    same_images = all(_same(a, b, "data_fingerprint") for a, b in pairs)
    metric = find_metric(side.cell.metric)
    sides = [_side({seed: own[seed] for seed in seeds}, metric) for own in (side.a, side.b)]
    mean = pairs[0][0].evaluation["config"]["evaluate"].get("average") == "image"
    equal = sum(
        equal_bits(
            *(
                ScoresBySeed(
                    {s: cell_scores.scores[s]}, {s: cell_scores.matrices[s]} if s in cell_scores.matrices else {}
                )
                for cell_scores in sides
            )
        )
        for s in seeds
    )
    return Compared(
        side,
        fmean(sides[0].scores.values()),
        fmean(sides[1].scores.values()),
        difference(*sides, same_images=same_images, image_mean=mean),
        equal,
        same_images,
        _speed(pairs),
    )


def _same(a: Measurement, b: Measurement, key: str) -> bool:
    return bool(a.evaluation[key] == b.evaluation[key])


def _side(own: Mapping[int, Measurement], metric: Metric) -> ScoresBySeed:
    matrices: dict[int, NDArray[np.integer]] = {}
    for seed, measurement in own.items():
        (matrices[seed],) = read_arrays(measurement.confusion, "matrices")
    return ScoresBySeed({seed: measurement.score(metric) for seed, measurement in own.items()}, matrices, metric)


def _speed(pairs: Sequence[tuple[Measurement, Measurement]]) -> float | None:
    rates = [
        [float(measurement.training["result"].get("images_per_second") or 0) for measurement in pair] for pair in pairs
    ]
    ratios = [b / a for a, b in rates if a > 0 and b > 0]
    return median(ratios) if ratios else None


def headline(compared: Sequence[Compared], matched: Matched) -> str:
    """All in one line."""
    only = [sum(not getattr(side, other) for side in matched.cells) for other in ("b", "a")]
    only_one_store = [f"{count} only in {name}" for name, count in zip("AB", only, strict=True) if count]
    if not compared:
        return "No cell is in both stores" + (f" ({', '.join(only_one_store)})." if only_one_store else ".")
    equal = sum(cell.all_equal for cell in compared)
    parts = [f"{equal} of {len(compared)} cells equal to the last bit"]
    if equal < len(compared):
        largest = max(compared, key=lambda cell: abs(cell.metric.factor * cell.effect.value))
        if largest.effect.value == 0:
            parts.append("every score the same")
        else:
            unit = largest.metric.difference_unit or largest.metric.title
            parts.append(
                f"largest difference {largest.metric.factor * largest.effect.value:+.2f} {unit} at {largest.side.name}"
            )
        known = [cell for cell in compared if cell.effect.covers not in ("nothing", "exact")]
        apart = sum(not cell.effect.low <= 0 <= cell.effect.high for cell in known)
        if known:
            parts.append(f"{apart} of {len(known)} intervals without 0")
    speeds = [cell.speed for cell in compared if cell.speed is not None]
    if speeds:
        parts.append(f"B trains {median(speeds):.2f} times as fast as A")
    return "; ".join([*parts, *only_one_store]) + "."


def printed_rows(compared: Sequence[Compared]) -> list[tuple[str, ...]]:
    """A row for each cell in `HEADINGS`."""
    out: list[tuple[str, ...]] = []
    for cell in compared:
        value, side, times = cell.effect, cell.side, cell.metric.factor
        known = value.covers not in ("nothing", "exact")
        out.append(
            (
                cell.name + ("" if cell.same_images else " (other images)"),
                side.scale,
                str(len(side.seeds)),
                f"{times * cell.a:.2f}",
                f"{times * cell.b:.2f}",
                "0" if value.covers == "exact" else f"{times * value.value:+.3f}",
                f"{times * value.low:+.2f} to {times * value.high:+.2f}" if known else NONE,
                f"{cell.equal} of {len(side.seeds)}",
                NONE if cell.speed is None else f"{cell.speed:.2f}",
            )
        )
    return out


def json_rows(matched: Matched, compared: Sequence[Compared]) -> list[dict[str, Any]]:
    """One row for each cell that either store has; scores in the metric's internal unit."""
    by_side = {id(cell.side): cell for cell in compared}
    out = []
    for side in matched.cells:
        cell = by_side.get(id(side))
        known = cell is not None and cell.effect.covers not in ("nothing", "exact")
        out.append(
            {
                "id": side.cell.id,
                "set": list(side.changed),
                "kind": "measured",
                "metric": side.cell.metric,
                "table": side.cell.table,
                "scale": side.scale,
                "dataset": side.dataset,
                "published": side.cell.published,
                "seeds": list(side.seeds),
                "seeds_a": sorted(side.a),
                "seeds_b": sorted(side.b),
                "a": cell.a if cell else None,
                "b": cell.b if cell else None,
                "difference": cell.effect.value if cell else None,
                "low": cell.effect.low if cell and known else None,
                "high": cell.effect.high if cell and known else None,
                "covers": cell.effect.covers if cell else None,
                "equal_seeds": cell.equal if cell else None,
                "same_images": cell.same_images if cell else None,
                "speed_ratio": cell.speed if cell else None,
            }
        )
    return out


def environments(matched: Matched) -> list[tuple[str, str, str]]:
    """(what, A's, B's) of everything that the results were computed with, what differs first."""
    values_by_key: list[dict[str, dict[str, None]]] = [{}, {}]
    for side in matched.cells:
        for own, measured in zip(values_by_key, (side.a, side.b), strict=True):
            for measurement in measured.values():
                for record in (measurement.training, measurement.evaluation):
                    facts = {**record["environment"], "code": record["code"]["digest"][:12]}
                    for key, value in facts.items():
                        if value is not None:
                            own.setdefault(key, {})[str(value)] = None
    joined = [{key: " / ".join(values) for key, values in own.items()} for own in values_by_key]
    lines = [
        (key, joined[0].get(key, NONE), joined[1].get(key, NONE))
        for key in dict.fromkeys([*values_by_key[0], *values_by_key[1]])
    ]
    return sorted(lines, key=lambda row: row[1] == row[2])


def only_lines(matched: Matched) -> list[str]:
    """What only one of the stores has, in words."""
    lines = []
    for name, own, other in (("A", "a", "b"), ("B", "b", "a")):
        cells = [side.name for side in matched.cells if getattr(side, own) and not getattr(side, other)]
        if cells:
            shown = ", ".join(cells[:6]) + (f" and {len(cells) - 6} more" if len(cells) > 6 else "")
            lines.append(f"Only in {name}: {shown}")
        seeds = sum(len(getattr(side, own).keys() - set(side.seeds)) for side in matched.cells if side.seeds)
        if seeds:
            lines.append(f"Only in {name}: {seeds} further seeds of cells that both have")
    for name, count in zip("AB", matched.elsewhere, strict=True):
        if count:
            lines.append(f"{name} has {count} measurements of other tables, or with settings that only it has")
    return lines


def markdown(a: str, b: str, matched: Matched, compared: Sequence[Compared]) -> str:
    """The comparison as Markdown."""
    blocks = ["# Two stores side by side", bullets([f"A: {text(a)}", f"B: {text(b)}"])]
    blocks.append(f"**{text(headline(compared, matched))}**")
    body = [tuple(text(part) for part in row) for row in printed_rows(compared)]
    blocks += [rows(HEADINGS, body, numeric=NUMERIC), bullets(text(line) for line in only_lines(matched))]
    environment_rows = [(text(key), text(first), text(second)) for key, first, second in environments(matched)]
    blocks += ["## Environments", rows(("", "A", "B"), environment_rows)]
    return "\n\n".join(block for block in blocks if block) + "\n"
