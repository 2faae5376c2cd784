"""Each section of the HTML report as the plain values that its template prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from repro.report.changes import Change, changes_line
from repro.report.charts import crf
from repro.report.charts.claim_effects import evidence_plot, numbers
from repro.report.charts.heat_maps import heat_maps, offset
from repro.report.charts.intervals import agreement_plot, interval_plot, on_one_axis
from repro.report.charts.lines import is_series, series_plot
from repro.report.charts.training_curves import curves_plot
from repro.report.claims import claims_line, verdict_counts
from repro.report.content import CellResult, ReportContent
from repro.report.grid import Grid, GridCell, compared, grid, mean
from repro.report.legend import LEGEND, VERDICTS
from repro.report.limits import limits
from repro.report.number_format import NONE, count, factor, fixed, seconds, setting, signed, size
from repro.report.pictures import Sheet, sheets
from repro.report.sentences import (
    COST_NOTE,
    agreement_facts,
    deviation_line,
    facts,
    interval_line,
    metric_line,
    more_seeds,
    rules,
    scale_line,
    table_line,
)
from repro.spec.naming import cell_label

PAGE = 2_600_000
"""Bytes that a page may have, by estimate; it must stay below 3 MB."""
BUDGET = 1_700_000
"""Bytes of its pictures at most."""
SECTIONS = {
    "table": "Published and ours",
    "claims": "Claims",
    "cells": "Every cell with its interval",
    "agreement": "Agreement at a glance",
    "pictures": "Pictures",
    "crf": "CRF: parameters and steps",
    "classes": "IOU per class",
    "curves": "Training curves",
    "protocol": "Protocol and deviations",
    "cost": "Cost",
    "records": "Data and provenance",
    "commands": "Commands and environment",
    "limits": "What this cannot show",
}
"""Template -> heading, in the order that readers need."""
EFFECTS = {"lower": "↓ lower", "higher": "↑ higher", "unknown": "? unknown"}


def page(content: ReportContent, changes: Sequence[Change]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what the template prints, and the pictures' data for its script."""
    laid = grid(content)
    both = compared(content.cells)
    measured = any(c.state == "done" and c.cell.kind == "measured" for c in content.cells)
    labels = {c.cell.id: label(c) for c in content.cells}
    drawn = _charts(content, laid, measured, len(both) > 1)
    shown = sheets(content.pictures, content.classes, labels, _room(content, drawn))
    classed = [c for c in content.cells if c.class_iou]
    optional = {
        "claims": bool(content.claims),
        "cells": measured,
        "agreement": len(both) > 1,
        "pictures": bool(shown),
        "crf": bool(content.searches or content.mean_field),
        "classes": bool(classed),
        "curves": any(len(curve.step) for curve in content.curves),
        "cost": bool(content.costs),
    }
    view: dict[str, Any] = {
        "toc": [(key, name) for key, name in SECTIONS.items() if optional.get(key, True)],
        "table": content.table,
        "version": content.version,
        "date": content.date,
        "scale": content.scale,
        "headline": content.headline,
        "remarks": content.remarks,
        "scale_line": scale_line(content),
        "facts": facts(content),
        "command": content.command,
        "more_seeds": more_seeds(content),
        "limits": limits(content),
        "changes": changes,
        "changes_line": changes_line(changes),
        **_table(content, laid),
        **_claims(content),
        **_agreement(content),
        **_pictures(content, shown),
        **crf.section(content.searches, content.mean_field, content.classes),
        **_classes(content, classed),
        **_protocol(content),
        **_costs(content),
        **_records(content),
        "cell_commands": [(label(c), c.command) for c in content.cells if c.command],
        "environment": list(content.environment.items()),
        "charts": drawn,
        "steps_sheet": drawn["steps"],
        "two_axes": not on_one_axis(content),
        "series": is_series(content),
    }
    return view, [_picture_data(sheet) for sheet in shown]


def label(result: CellResult) -> str:
    """Return a cell's name for the reader: its row and column."""
    return cell_label(result.cell)


def _charts(content: ReportContent, laid: Grid, measured: bool, several: bool) -> dict[str, Any]:
    from markupsafe import Markup

    cells = series_plot if is_series(content) else interval_plot
    return {
        "intervals": Markup(cells(content)) if measured else "",
        "agreement": Markup(agreement_plot(content)) if several else "",
        "heat": Markup(heat_maps(content, laid)) if several else "",
        "curves": Markup(curves_plot(content.curves)) if any(len(curve.step) for curve in content.curves) else "",
        "searches": Markup(crf.search_plot(content.searches)) if content.searches else "",
        "steps": crf.step_sheet(content.mean_field, content.classes) if content.mean_field else "",
    }


def _room(content: ReportContent, drawn: dict[str, Any]) -> int:
    """Return the bytes that pictures may take so that the page stays below PAGE."""
    charts = sum(len(str(chart)) for chart in drawn.values()) + 12_000 * len(content.claims)
    # A cell stands in the table, the list of rows, the commands, and the data inside the page.
    rows = len(content.cells) * (1_600 + 700 * len(content.seeds)) + 400 * len(content.records)
    return max(0, min(BUDGET, PAGE - charts - rows))


def _table(content: ReportContent, laid: Grid) -> dict[str, Any]:
    rows = []
    for row in laid.rows:
        rows.append(
            {"index": row.index, "label": row.label, "heads": row.heads, "cells": [_cell(c) for c in row.cells]}
        )
    used = [name for name in LEGEND if any(c.mark == name for c in laid.cells())]
    views = [("values", "Values")]
    if any(c.rank_ours for c in laid.cells()):
        views.append(("ranks", "Ranks"))
    if any(c.n > 1 for c in laid.cells()):
        views.append(("seeds", "Seeds"))
    failed = [c for c in content.cells if c.state == "failed"]
    return {
        "grid": {"headings": laid.headings, "columns": laid.columns, "rows": rows},
        "views": views if len(views) > 1 else [],
        "marks_used": used,
        "legend": LEGEND,
        "metric_line": metric_line(content),
        "table_line": table_line(content),
        "interval_line": interval_line(content),
        "cell_notes": list(dict.fromkeys((c.cell.row_label, c.cell.note) for c in content.cells if c.cell.note)),
        "failures": [{"label": label(c), "reason": c.reason, "command": c.command} for c in failed],
    }


def _cell(cell: GridCell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    step = (cell.rank_published or 0) - (cell.rank_ours or 0)
    times, decimals = factor(cell.result.cell), cell.result.cell.decimals
    values = sorted(cell.result.values.items()) if cell.result.state == "done" else []
    return {
        **{name: getattr(cell, name) for name in GridCell.__dataclass_fields__},
        "rank_step": "same rank" if step == 0 else f"{abs(step)} {'higher' if step > 0 else 'lower'}",
        "seeds": [(seed, fixed(value * times, decimals)) for seed, value in values],
    }


def _claims(content: ReportContent) -> dict[str, Any]:
    from markupsafe import Markup

    shown = [
        {
            "id": claim.id,
            "verdict": claim.verdict,
            "basis": claim.basis,
            "qualifier": claim.qualifier,
            "text": claim.text,
            "sentence": claim.sentence,
            "numbers": numbers(claim),
            "evidence": Markup(evidence_plot(claim)),
        }
        for claim in content.claims
    ]
    return {
        "claims": shown,
        "claims_line": claims_line(content.claims),
        "verdict_counts": verdict_counts(content.claims),
        "verdicts": VERDICTS,
    }


def _agreement(content: ReportContent) -> dict[str, Any]:
    line, figures, note = agreement_facts(content)
    heat = "Stronger is larger."
    if not content.absolute:
        whose = "the scale" if content.scale != "paper" else "the changed settings"
        heat = (
            f"Ours are {signed(offset(content))} points from the published values on average. That offset belongs to "
            f"{whose} and is taken off the third map: what is left is where the pattern departs. Stronger is larger; "
            "blue above, orange below."
        )
    return {"agreement_line": line, "agreement_numbers": figures, "agreement_note": note, "heat_note": heat}


def _pictures(content: ReportContent, shown: Sequence[Sheet]) -> dict[str, Any]:
    cells = dict((p.cell, p.label) for sheet in shown for p in sheet.predictions)
    colours = [f"rgb({r},{g},{b})" for r, g, b in content.classes.colours]
    swatches = [*zip(content.classes.names, colours, strict=False), ("void", "rgb(224,224,192)")]
    made = []
    for sheet in shown:
        view = asdict(sheet)
        for prediction in view["predictions"]:
            prediction["correct_text"] = _share(prediction["correct"])
        made.append(view)
    return {"sheets": made, "picture_cells": list(cells.items()), "swatches": swatches if shown else []}


def _share(correct: float | None) -> str:
    return NONE if correct is None else f"{100 * correct:.1f} %"


def _picture_data(sheet: Sheet) -> dict[str, Any]:
    return {p.cell: {"p": p.uri, "w": p.wrong_uri, "c": _share(p.correct)} for p in sheet.predictions}


def _classes(content: ReportContent, classed: Sequence[CellResult]) -> dict[str, Any]:
    rows = []
    for result in classed:
        values = (mean(result), *result.class_iou)
        rows.append(
            {
                "label": label(result),
                "scores": [
                    {
                        "value": "" if v is None else f"{v:.5f}",
                        "share": "0" if v is None else f"{v:.2f}",
                        "text": fixed(None if v is None else 100 * v, 1),
                    }
                    for v in values
                ],
            }
        )
    width = len(classed[0].class_iou) if classed else 0
    names = [*content.classes.names[:width], *(f"class {k}" for k in range(len(content.classes.names), width))]
    return {"class_names": names, "class_rows": rows}


def _protocol(content: ReportContent) -> dict[str, Any]:
    return {
        "deviation_line": deviation_line(content),
        "deviations": [
            {
                "key": d.key,
                "published": setting(d.published),
                "value": setting(d.value),
                "reason": d.reason,
                "effect": EFFECTS[d.direction],
            }
            for d in content.deviations
        ],
        "rules": rules(content),
        "settings": [(key, setting(value)) for key, value in content.protocol.items()],
    }


def _costs(content: ReportContent) -> dict[str, Any]:
    total = sum(c.seconds * c.seeds for c in content.costs)
    rows = []
    for c in content.costs:
        rate = fixed(c.images_per_second, 1)
        figures: list[tuple[str, float | None]] = [
            (str(c.seeds), c.seeds),
            (count(c.parameters), c.parameters),
            (count(c.multiply_adds), c.multiply_adds),
            (seconds(c.seconds), c.seconds),
            (rate, c.images_per_second),
            (size(c.memory_bytes), c.memory_bytes),
        ]
        plain = [(text, "" if value is None else f"{value:g}") for text, value in figures]
        rows.append({"label": c.label, "numbers": plain, "device": c.device, "precision": c.precision})
    trainings = sum(c.seeds for c in content.costs)
    line = f"{trainings} training{'s' if trainings != 1 else ''} took {seconds(total)} of one device's time in total."
    devices = {(c.device, c.precision) for c in content.costs}
    if len(devices) == 1:
        line += " All ran on " + ", in ".join(part for part in devices.pop() if part) + "."
        devices = set()
    return {"costs": rows, "cost_line": f"{line} {COST_NOTE}", "several_devices": bool(devices)}


def _records(content: ReportContent) -> dict[str, Any]:
    rows = []
    for result in content.cells:
        cell, times = result.cell, factor(result.cell)
        ours: list[tuple[int | None, float | None]] = []
        if result.state in ("done", "computed"):
            ours += sorted(result.values.items())
        for seed, value in ours or [(None, None)]:
            printed = None if value is None else value * times
            away = None if printed is None or cell.published is None else printed - cell.published
            no_seed = seed is None or result.state == "computed"
            figures = [
                (NONE if no_seed else str(seed), "" if no_seed else str(seed)),
                (fixed(cell.published, cell.decimals), _plain(cell.published)),
                (fixed(printed, cell.decimals), _plain(printed)),
                (signed(away, cell.decimals), _plain(away)),
            ]
            key = "" if seed is None else result.evaluations.get(seed, "")
            rows.append({"label": label(result), "state": result.state, "numbers": figures, "key": key})
    records = [
        {**asdict(r), "seconds": seconds(r.seconds), "seconds_value": "" if r.seconds is None else f"{r.seconds:g}"}
        for r in content.records
    ]
    return {"rows": rows, "records": records}


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
