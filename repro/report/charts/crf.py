"""The CRF in a report: where its parameters come from, and mean field step by step (v2, sections 4.1 and Fig. 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.report.charts.canvas import WIDE, Canvas, shortened, text_width
from repro.report.content import ClassTable, MeanField, Search
from repro.report.number_format import NONE, fixed, seconds, setting
from repro.report.pictures import jpeg, label_png, nearest, palette, png

DRAWN = 6
"""Searches drawn as heat maps at most; the table has all."""
PANELS = 4
"""Maps beside each other."""
ROW, TITLE, AXIS, GAP = 15.0, 30.0, 14.0, 12.0
"""Points."""
SIDE = 160
"""Longer side (px) of a score or belief map in the page."""
LEGIBLE = 24.0


@dataclass(frozen=True)
class CrfStep:
    """One column of the figure: after so many iterations."""

    title: str
    score_uri: str
    belief_uri: str


@dataclass(frozen=True)
class StepSheet:
    """v2's Fig. 5 for one image and class."""

    caption: str
    width: int
    height: int
    image_uri: str
    truth_uri: str
    steps: tuple[CrfStep, ...]


def searches_line(searches: Sequence[Search]) -> str:
    """Return how the parameters were found, and whether the images that decided them are scored as well."""
    first = searches[0]
    shared = sum(search.scored for search in searches)
    names = first.images
    images = " to ".join(dict.fromkeys((names[0], names[-1]))) if names else NONE
    tried = sorted({len(search.trials) for search in searches})
    combinations = f"{tried[0]}" if len(tried) == 1 else f"{tried[0]} to {tried[-1]}"
    line = (
        f"w1, sigma_alpha and sigma_beta of each network were searched: {combinations} combinations, on the mean IOU "
        f"of {len(names)} images of the evaluated split ({images}). "
    )
    if shared == sum(len(search.images) for search in searches):
        line += (
            "These images are in the evaluation set as well, as in the paper: the scores after the CRF have seen them."
        )
    elif shared == 0:
        line += "These images are not in the evaluation set; the paper's were."
    else:
        line += "Some of these images are in the evaluation set as well; all of the paper's were."
    return line


def search_rows(searches: Sequence[Search]) -> list[tuple[str, ...]]:
    """Return for each search its cell, seed, chosen parameters, scores and time, as text."""
    rows = []
    for search in searches:
        scores = _scores(search)
        chosen = (setting(v) for v in (search.w1, search.sigma_alpha, search.sigma_beta))
        rows.append(
            (
                search.label,
                str(search.seed),
                *chosen,
                fixed(100 * max(scores), 2) if scores else NONE,
                fixed(100 * min(scores), 2) if scores else NONE,
                str(len(search.trials)),
                seconds(search.seconds),
            )
        )
    return rows


SEARCH_HEAD = ("Cell", "Seed", "w1", "sigma_alpha", "sigma_beta", "mIOU, best", "worst", "Combinations", "Time")


def search_plot(searches: Sequence[Search]) -> str:
    """Draw heat maps: for each search a map per round and w1, sigma_alpha across, sigma_beta upwards.

    A stronger colour is a larger mean IOU, weakest and strongest of one search being its worst and best combination;
    the chosen one is framed.
    """
    shown = searches[:DRAWN]
    height = sum(_height(search) for search in shown)
    canvas = Canvas(WIDE, height)
    y = 0.0
    for search in shown:
        _draw(canvas, search, y)
        y += _height(search)
    caption = f"{len(shown)} searches; the table beside names the combinations that were chosen."
    return canvas.svg("searches", "Mean IOU of each combination of CRF parameters", caption)


def _scores(search: Search) -> list[float]:
    return [trial[3] for trial in search.trials if trial[3] is not None and math.isfinite(trial[3])]


def _panels(search: Search) -> list[tuple[int, float]]:
    """(round, w1) of each map."""
    return sorted({(trial[4], trial[0]) for trial in search.trials})


def _rows(search: Search) -> list[list[tuple[int, float]]]:
    """The maps in rows: each round begins a new one."""
    rows: list[list[tuple[int, float]]] = []
    for panel in _panels(search):
        if not rows or rows[-1][-1][0] != panel[0] or len(rows[-1]) == PANELS:
            rows.append([])
        rows[-1].append(panel)
    return rows


def _sides(search: Search, level: int) -> tuple[list[float], list[float]]:
    """Values of sigma_alpha and sigma_beta that a round tried."""
    own = [trial for trial in search.trials if trial[4] == level]
    return sorted({trial[1] for trial in own}), sorted({trial[2] for trial in own})


def _height(search: Search) -> float:
    rows = _rows(search)
    return 20 + sum(TITLE + ROW * len(_sides(search, row[0][0])[1]) + AXIS for row in rows) + GAP


def _draw(canvas: Canvas, search: Search, y: float) -> None:
    known = _scores(search)
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    head = f"{search.label}: {fixed(100 * low, 2)} to {fixed(100 * high, 2)} %"
    canvas.text(0, y + 8, shortened(head, WIDE, 9), 9, "ink", bold=True)
    y += 20
    names = 34.0
    best = (search.w1, search.sigma_alpha, search.sigma_beta)
    for row in _rows(search):
        alphas, betas = _sides(search, row[0][0])
        cell = min(46.0, (WIDE / PANELS - names - GAP) / len(alphas))
        for k, (level, w1) in enumerate(row):
            x = k * WIDE / PANELS + names
            canvas.text(x, y + 6, f"w1 {setting(w1)}" + (f", round {level}" if level else ""), 8.5, "soft")
            scores = {t[1:3]: t[3] for t in search.trials if t[0] == w1 and t[4] == level}
            for i, beta in enumerate(reversed(betas)):
                top = y + TITLE / 2 + ROW * i
                canvas.text(x - 5, top + ROW / 2, setting(beta), 7.5, "soft", "right")
                for j, alpha in enumerate(alphas):
                    framed = (w1, alpha, beta) == best
                    _cell(canvas, scores.get((alpha, beta)), (low, high), x + cell * j, top, cell, framed)
            bottom = y + TITLE / 2 + ROW * len(betas) + 8
            step = max(1, math.ceil(max(text_width(setting(a), 7.5) for a in alphas) / cell))
            for j, alpha in list(enumerate(alphas))[::step]:
                canvas.text(x + cell * (j + 0.5), bottom, setting(alpha), 7.5, "soft", "center")
        y += TITLE + ROW * len(betas) + AXIS


def _cell(
    canvas: Canvas, score: float | None, span: tuple[float, float], x: float, y: float, width: float, framed: bool
) -> None:
    if score is None or not math.isfinite(score):
        canvas.text(x + width / 2, y + ROW / 2, "·", 8, "faint", "center")
        return
    low, high = span
    strength = 0.07 + 0.78 * ((score - low) / (high - low) if high > low else 0.0)
    if framed:
        canvas.box(x, y, width, ROW, "ink")
        canvas.box(x + 1.5, y + 1.5, width - 3, ROW - 3, "raised")
    inset = 1.5 if framed else 0.5
    canvas.box(x + inset, y + inset, width - 2 * inset, ROW - 2 * inset, "accent", strength)
    if width >= LEGIBLE:
        percentage = fixed(100 * score, 1)
        canvas.text(x + width / 2, y + ROW / 2, percentage, 7, "raised" if strength > 0.55 else "ink", "center")


def step_sheet(shown: MeanField, classes: ClassTable) -> StepSheet:
    """Return the score and belief maps as pictures: light is large; scores share one range, beliefs go from 0 to 1."""
    height, width = shown.truth.shape
    shrink = min(1.0, SIDE / max(height, width))
    size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    scores = shown.scores.astype(np.float64)
    known = scores[np.isfinite(scores)]
    low, high = (float(v) for v in np.percentile(known, (1, 99))) if known.size else (0.0, 1.0)
    colours = _colours()
    steps = tuple(
        CrfStep(
            "network" if k == 0 else f"iteration {k}",
            png(_levels(nearest(score, size), low, high), colours),
            png(_levels(nearest(belief, size), 0.0, 1.0), colours),
        )
        for k, score, belief in zip(shown.iterations, scores, shown.beliefs.astype(np.float64), strict=True)
    )
    caption = (
        f"{class_name(shown, classes)} in {shown.name}; {shown.label}. Scores from {fixed(low, 1)} to {fixed(high, 1)}."
    )
    image, truth = jpeg(shown.image, size), label_png(nearest(shown.truth, size), palette(classes))
    return StepSheet(caption, size[1], size[0], image, truth, steps)


def class_name(shown: MeanField, classes: ClassTable) -> str:
    """Return the name of the class whose maps are shown."""
    names = classes.names
    return names[shown.class_label] if shown.class_label < len(names) else f"class {shown.class_label}"


def steps_line(shown: MeanField, classes: ClassTable) -> str:
    """Return in words what the maps show: how much of the image is believed to be of the class."""
    shares = [float((belief > 0.5).mean()) for belief in shown.beliefs]
    steps = ", ".join(f"{100 * share:.2f} % after {k}" for k, share in zip(shown.iterations, shares, strict=True))
    true, name = float((shown.truth == shown.class_label).mean()), class_name(shown, classes)
    return (
        f"Mean field on {shown.name} ({shown.label}): pixels with a belief above one half in {name}, after so many "
        f"iterations: {steps}; in the ground truth {100 * true:.2f} %."
    )


def _levels(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """What is no number is shown as the lowest level."""
    share = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    return np.round(255 * np.nan_to_num(share)).astype(np.uint8)


def _colours() -> list[int]:
    """256 RGB triples, flat: viridis, which reads in grey and with any colour deficiency."""
    from matplotlib import colormaps

    levels: Any = colormaps["viridis"](np.arange(256), bytes=True)
    return [int(part) for colour in levels for part in colour[:3]]


def search_note(searches: Sequence[Search]) -> str:
    """Return how to read the heat maps."""
    part = f" The first {DRAWN} of {len(searches)} searches are drawn." if len(searches) > DRAWN else ""
    return (
        "Mean IOU on the search images of each combination: sigma_alpha across, sigma_beta upwards, a map for each w1; "
        f"stronger is larger, the chosen combination is framed.{part}"
    )
