"""A report as tables for other programs: pandas frames, and their text and binary forms.

All numbers of a row are in the unit that the paper prints, which its column `unit` names; nothing is rounded.
docs/formats.md describes every column.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from repro.errors import InputError
from repro.report.content import ReportContent
from repro.report.grid import difference, printed_value
from repro.report.legend import mark_of
from repro.report.number_format import factor
from repro.spec.departures import asked_for
from repro.spec.metric import find_metric

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 2
"""1: values of cells and seeds were shares in [0, 1] beside published ones in per cent."""


def cell_rows(content: ReportContent) -> list[dict[str, Any]]:
    """Return one row per cell, in the paper's order."""
    rows = []
    for result in sorted(content.cells, key=lambda c: (c.cell.row, c.cell.column)):
        cell, estimate, times = result.cell, result.estimate, factor(result.cell)
        known = estimate is not None and estimate.covers != "nothing"
        rows.append(
            {
                "id": cell.id,
                "table": cell.table,
                "row": cell.row_label,
                "column": cell.column_label,
                "metric": cell.metric,
                "kind": cell.kind,
                "state": result.state,
                "scale": content.scale,
                "unit": find_metric(cell.metric).unit,
                "published": cell.published,
                "value": printed_value(result),
                "low": estimate.low * times if known and estimate else None,
                "high": estimate.high * times if known and estimate else None,
                "standard_error": estimate.standard_error * times if known and estimate else None,
                "dof": estimate.dof if known and estimate and estimate.covers != "exact" else None,
                "covers": estimate.covers if estimate else None,
                "seeds": len(result.values) if result.state == "done" else 0,
                "difference": difference(result),
                "baseline": result.baseline,
                "gain": result.gain.value * times if result.gain else None,
                "gain_low": result.gain.low * times if result.gain and result.gain.covers != "nothing" else None,
                "gain_high": result.gain.high * times if result.gain and result.gain.covers != "nothing" else None,
                "mark": mark_of(result, content.scale),
                "reason": result.reason,
            }
        )
    return rows


def seed_rows(content: ReportContent) -> list[dict[str, Any]]:
    """Return one row per cell and seed."""
    return [
        {
            "id": result.cell.id,
            "metric": result.cell.metric,
            "scale": content.scale,
            "unit": find_metric(result.cell.metric).unit,
            "seed": seed,
            "value": value * factor(result.cell),
            "evaluation": result.evaluations.get(seed, ""),
        }
        for result in sorted(content.cells, key=lambda c: (c.cell.row, c.cell.column))
        if result.state == "done"
        for seed, value in sorted(result.values.items())
    ]


def claim_rows(content: ReportContent) -> list[dict[str, Any]]:
    """Return one row per claim; effects are in the claim's `unit`, `low` and `high` hold with probability `level`."""
    rows = []
    for claim in content.claims:
        effect, ends = claim.effect, claim.shown_interval
        differences = claim.differences
        rows.append(
            {
                "id": claim.id,
                "kind": claim.kind,
                "basis": claim.basis,
                "text": claim.text,
                "over": claim.over,
                "verdict": claim.verdict,
                "qualifier": claim.qualifier,
                "sentence": claim.sentence,
                "unit": claim.unit,
                "effect": effect.value if effect else None,
                "low": ends.low if ends else None,
                "high": ends.high if ends else None,
                "level": None if claim.level is None else 1 - claim.level,
                "p_pairs_alike": differences.p if differences else None,
                "p": claim.p,
                "q": claim.q,
                "seeds": len(claim.seeds),
                "reference": claim.reference,
                "published_holds": claim.published_holds,
            }
        )
    return rows


CELL_COLUMNS = (
    "id", "table", "row", "column", "metric", "kind", "state", "scale", "unit", "published", "value", "low", "high",
    "standard_error", "dof", "covers", "seeds", "difference",
    "baseline", "gain", "gain_low", "gain_high", "mark", "reason",
)  # fmt: skip
SEED_COLUMNS = ("id", "metric", "scale", "unit", "seed", "value", "evaluation")
CLAIM_COLUMNS = (
    "id", "kind", "basis", "text", "over", "verdict", "qualifier", "sentence", "unit", "effect", "low", "high", "level",
    "p_pairs_alike", "p", "q", "seeds", "reference", "published_holds",
)  # fmt: skip


def cells_frame(content: ReportContent) -> pd.DataFrame:
    """Return one row per cell."""
    return _frame(cell_rows(content), CELL_COLUMNS)


def seeds_frame(content: ReportContent) -> pd.DataFrame:
    """Return one row per cell and seed."""
    return _frame(seed_rows(content), SEED_COLUMNS)


def claims_frame(content: ReportContent) -> pd.DataFrame:
    """Return one row per claim."""
    return _frame(claim_rows(content), CLAIM_COLUMNS)


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))


def frames(content: ReportContent) -> dict[str, pd.DataFrame]:
    """Return the frames under the names that their files carry."""
    return {"cells": cells_frame(content), "seeds": seeds_frame(content), "claims": claims_frame(content)}


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV: UTF-8, line feeds, numbers in full precision.

    A text that a spreadsheet would take for a formula has an apostrophe before it, as spreadsheets themselves show it.
    """

    def harmless(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        # a lone carriage return would end the line for some readers, as no writer puts it into quotation marks
        return ("'" if value.startswith(FORMULA) else "") + value.replace("\r", " ")

    texts = {str(name): column.map(harmless) for name, column in frame.items() if column.dtype.kind not in "iuf"}
    return frame.assign(**texts).to_csv(index=False, lineterminator="\n").encode()


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Return a frame as Parquet. Raises InputError where pyarrow is missing."""
    try:
        import_module("pyarrow")
    except ImportError as missing:
        raise InputError(
            "--format parquet: pyarrow is not installed. Run `python -m pip install pyarrow`, or ask for csv or json."
        ) from missing
    import io

    buffer = io.BytesIO()
    frame.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def to_document(content: ReportContent) -> dict[str, Any]:
    """Return the whole report as one JSON document (plain dicts, lists, strings and finite numbers)."""
    agreed = content.agreement
    document = {
        "schema": SCHEMA,
        "table": content.table.id,
        "title": content.table.title,
        "paper": content.table.paper,
        "place": content.table.place,
        "scale": content.scale,
        "seed_list": list(content.seeds),
        "dataset": content.dataset,
        "date": content.date,
        "version": content.version,
        "command": content.command,
        "asked": list(content.asked),
        "changed": [deviation.key for deviation in asked_for(content.deviations)],
        "headline": content.headline,
        "kind": content.table.kind,
        "findings": [{"text": line.text, "verdict": line.verdict, "claim": line.claim} for line in content.findings],
        "remarks": list(content.remarks),
        "tau": agreed.tau.value if agreed else None,
        "tau_low": agreed.tau.low if agreed else None,
        "tau_high": agreed.tau.high if agreed else None,
        "cells": cell_rows(content),
        "seeds": seed_rows(content),
        "claims": claim_rows(content),
        "deviations": [
            {"key": d.key, "published": d.published, "value": d.value, "reason": d.reason, "direction": d.direction}
            for d in content.deviations
        ],
        "protocol": dict(content.protocol),
        "environment": dict(content.environment),
    }
    plain: dict[str, Any] = _finite(document)
    return plain


def to_json(content: ReportContent) -> bytes:
    """Return the whole report as JSON text."""
    return (json.dumps(to_document(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    """JSON has neither NaN nor infinity; numbers that are none become null, models become their dumps."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if hasattr(value, "model_dump"):
        return _finite(value.model_dump())
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return value
