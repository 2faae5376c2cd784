"""Made-up but realistic contents: v3 Table 3 at scale `tiny`, without any training."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np

from repro.judge.agreement import agreement, headline
from repro.judge.claims import judge
from repro.judge.evidence import Evidence, cell_estimate
from repro.judge.intervals import exact
from repro.report.content import (
    CellResult,
    ClassTable,
    Curve,
    Pictures,
    RecordLine,
    ReportContent,
    TrainingCost,
)
from repro.report.findings import findings
from repro.report.table_head import table_head
from repro.spec.departures import SET
from repro.spec.keys import flat_of
from repro.spec.load import load_suite
from repro.spec.resolve import Deviation, resolve

SUITE = load_suite()


def scene(rng: np.random.Generator, side: int = 97) -> tuple[np.ndarray, np.ndarray]:
    """A photograph-like image (side, side, 3) and its label map with a void band."""
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.uint8)
    image = np.empty((side, side, 3))
    image[:] = rng.uniform(70, 150, 3) + 15 * np.sin(x / 5)[..., None]
    for _ in range(4):
        kind = int(rng.integers(1, 9))
        cx, cy, radius = rng.uniform(10, side - 10), rng.uniform(10, side - 10), rng.uniform(9, 24)
        inside = (x - cx) ** 2 + (y - cy) ** 2 < (radius * (1 + 0.2 * np.sin(3 * np.arctan2(y - cy, x - cx)))) ** 2
        labels[inside] = kind
        image[inside] = rng.uniform(40, 220, 3)
    edges = np.zeros_like(labels, bool)
    edges[1:] |= labels[1:] != labels[:-1]
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    truth = np.where(edges, 255, labels).astype(np.uint8)
    return np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8), truth


def guess(truth: np.ndarray, rng: np.random.Generator, shift: int) -> np.ndarray:
    """A prediction: the truth moved by a few pixels, void filled, one class mistaken."""
    moved = np.roll(truth, (shift, -shift), (0, 1))
    moved = np.where(moved == 255, np.roll(moved, 2, 1), moved)
    moved = np.where(moved == 255, 0, moved)
    wrong, right = rng.integers(1, 9, 2)
    return np.where(moved == wrong, right, moved).astype(np.uint8)


def pictures(cells: tuple[CellResult, ...], rng: np.random.Generator, k: int = 4) -> tuple[Pictures, ...]:
    scenes = [scene(rng) for _ in range(k)]
    image, truth = (np.stack(part) for part in zip(*scenes, strict=True))
    names = tuple(f"scene {i:03d}" for i in range(k))
    return tuple(
        Pictures(c.cell.id, 0, names, image, truth, np.stack([guess(t, rng, 1 + c.cell.row) for t in truth]))
        for c in cells
        if c.state == "done"
    )


def content(
    seeds: tuple[int, ...] = (0, 1), scale: str = "tiny", broken: bool = True, table: str = "v3/table3", **changes: Any
) -> ReportContent:
    """The report's content; `broken` leaves the last cell not run and the one before it failed."""
    rng = np.random.default_rng(3)
    spec = SUITE.find(table)
    own = next((cell.settings for cell in spec.cells() if cell.kind == "measured"), {})
    # A table of computed cells only (a figure of formulas) resolves to no training: any table's protocol will do.
    resolved = resolve(SUITE, spec if own else SUITE.find("v3/table3"), own, scale)
    classes = SUITE.dataset(resolved.protocol.data.name)
    results = []
    scores: dict[tuple[str, int], float] = {}
    replicates: dict[tuple[str, int], np.ndarray] = {}
    images = rng.normal(0, 0.004, 200)
    computed: dict[str, float] = {}
    counts: dict[tuple[str, int], int] = {}
    evidence = Evidence(scores, computed, replicates, counts)
    for index, here in enumerate(spec.cells()):
        only = f"--only row={here.row_label!r} --only column={here.column_label!r}"
        command = f"python -m repro run {table} --scale {scale} {only}"
        if here.kind == "quoted":
            results.append(CellResult(here, "quoted", reason=here.note))
            continue
        if here.kind == "computed":
            computed[here.id] = here.published or 0.0
            results.append(CellResult(here, "computed", {0: computed[here.id]}, exact(computed[here.id])))
            continue
        left = len(spec.cells()) - index
        if broken and left < 3:
            state, reason = ("failed", "loss became NaN at iteration 83") if left == 2 else ("missing", "")
            results.append(CellResult(here, state, reason=reason, command=command))
            continue
        base = (here.published or 0) / 100 * (0.72 if scale != "paper" else 0.998)
        own = {seed: float(base + rng.normal(0, 0.006)) for seed in seeds}
        for seed, score in own.items():
            scores[here.id, seed] = score
            replicates[here.id, seed] = score + images + rng.normal(0, 0.002, 200)
            counts[here.id, seed] = 120
        results.append(
            CellResult(
                here,
                "done",
                own,
                cell_estimate(here.id, evidence),
                evaluations={seed: f"{rng.integers(16**10):010x}{rng.integers(16**10):010x}" for seed in seeds},
                command=command,
                class_iou=tuple(float(v) for v in np.clip(base + rng.normal(0, 0.15, len(classes.colours)), 0, 1)),
            )
        )
    cells = tuple(results)
    claims = judge([(claim, SUITE.cells_of(claim, spec)) for claim in spec.claims], evidence)
    agreed = agreement([c.cell for c in cells], evidence, scale)
    curves = []
    for result in cells:
        for seed in seeds if result.state == "done" else ():
            step = np.arange(0, 150, 5)
            loss = 1.6 * np.exp(-step / 45) + 0.35 + 0.02 * result.cell.row + rng.normal(0, 0.05, len(step))
            curves.append(Curve(f"{result.cell.row_label} {result.cell.column_label}", seed, step, loss))
    records = tuple(
        RecordLine(
            key, "evaluation", f"{c.cell.row_label}, {c.cell.column_label}", seed,
            "2026-11-21T09:31:07Z", 4.2, "5d1f0a7c93", "91ab77e0c2",
        )
        for c in cells
        for seed, key in c.evaluations.items()
    )  # fmt: skip
    values: dict[str, Any] = {
        "table": table_head(spec),
        "cells": cells,
        "headline": headline(agreed, claims),
        "agreement": agreed,
        "scale": scale,
        "scale_text": SUITE.scale(scale).description,
        "seeds": seeds,
        "dataset": classes.title,
        "date": "2026-11-21T09:35:12Z",
        "version": "0.1.0",
        "command": f"python -m repro run {table} --scale {scale} --seeds {len(seeds)}",
        "more_seeds": f"python -m repro run {table} --scale {scale} --seeds 5",
        "more_seeds_time": 540.0,
        "detectable": 1.8,
        "claims": claims,
        "findings": findings(claims, 1.8),
        "protocol": flat_of(resolved.protocol),
        "deviations": resolved.deviations,
        "classes": ClassTable(classes.classes or (), classes.colours),
        "curves": tuple(curves),
        "pictures": pictures(cells, rng),
        "costs": tuple(
            TrainingCost(f"{c.cell.row_label}, {c.cell.column_label}", len(seeds), 412_345 + 90_000 * c.cell.column,
                 61.3e6, 7.1 + c.cell.column, 412.0 - 40 * c.cell.column, None, "CPU, 2 threads", "float32")
            for c in cells
            if c.state == "done"
        ),
        "environment": {
            "python": "3.11.7", "torch": "2.11.0+cpu", "torchvision": "0.26.0", "numpy": "2.4.6",
            "platform": "Linux x86_64", "processor": "2 cores", "device": "cpu", "threads": "1",
        },
        "records": records,
    }  # fmt: skip
    return ReportContent(**{**values, **changes})


def changed(base: ReportContent, cells: int | None = None) -> ReportContent:
    """As if the user had set the width and the crop of the first `cells` cells (None: of all)."""
    asked = tuple(Deviation(key, 64, 8, SET, "unknown") for key in ("model.width", "train.crop"))
    keys = tuple(d.key for d in asked)
    marked = tuple(
        dataclasses.replace(c, departures=keys) if cells is None or k < cells else c for k, c in enumerate(base.cells)
    )
    return dataclasses.replace(base, cells=marked, deviations=(*asked, *base.deviations))


def without_results(base: ReportContent) -> ReportContent:
    """The same table before anything was run."""
    empty = tuple(CellResult(c.cell, "missing", command=c.command) for c in base.cells)
    return dataclasses.replace(
        base,
        cells=empty,
        claims=(),
        findings=(),
        agreement=None,
        curves=(),
        pictures=(),
        costs=(),
        records=(),
        detectable=None,
    )


@cache
def usual() -> ReportContent:
    """The content that most tests look at, made once."""
    return content()


@cache
def plain() -> ReportContent:
    """The usual content without what takes time to draw."""
    return dataclasses.replace(usual(), pictures=(), curves=(), claims=(), findings=())
