"""A report as sections of blocks: what every format prints, in the order that readers need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from repro.report.blocks import Block, Chart, CommandLine, DataTable, Fold, ItemList, Paragraph, Part, Section, Value
from repro.report.changes import Change
from repro.report.charts import crf
from repro.report.charts.heat_maps import heat_maps
from repro.report.charts.intervals import agreement_plot, interval_plot, on_one_axis
from repro.report.charts.lines import is_series
from repro.report.charts.training_curves import curves_plot, final_losses
from repro.report.claim_rows import claims_section
from repro.report.content import CellResult, ReportContent
from repro.report.grid import Grid, compared, grid, mean, offset
from repro.report.limits import limits
from repro.report.number_format import NONE, count, factor, fixed, seconds, setting, signed, size, span
from repro.report.paper_table import table_section
from repro.report.pictures import Sheet, sheets
from repro.report.sentences import COST_NOTE, agreement_facts, deviation_line, rules
from repro.spec.naming import cell_label

PAGE = 2_400_000
"""Bytes that a page may have, by estimate; it must stay below 3 MB."""
BUDGET = 1_700_000
"""Bytes of its pictures at most."""
EFFECTS = {"lower": "↓ lower", "higher": "↑ higher", "unknown": "unknown"}


def sections(content: ReportContent, changes: Sequence[Change] = ()) -> tuple[Section, ...]:
    """Return a report's sections; those that have nothing to say are left out."""
    laid = grid(content)
    return tuple(
        section
        for section in (
            table_section(content, laid, tuple(changes)),
            claims_section(content) if content.claims else None,
            _cells(content),
            _agreement(content, laid),
            _pictures(content),
            _crf(content),
            _classes(content),
            _curves(content),
            _protocol(content),
            _costs(content),
            _records(content),
            _commands(content),
            Section("limits", "What this cannot show", "", (ItemList(limits(content)),), folded=False),
        )
        if section is not None
    )


def label(result: CellResult) -> str:
    """Return a cell's name for the reader: its row and column."""
    return cell_label(result.cell)


def _cells(content: ReportContent) -> Section | None:
    rows = []
    for result in content.cells:
        cell, estimate, value = result.cell, result.estimate, mean(result)
        if cell.kind != "measured" or value is None or estimate is None:
            continue
        times, decimals = factor(cell), cell.decimals
        known = estimate.covers not in ("nothing", "exact")
        interval = span(estimate.low * times, estimate.high * times, decimals) if known else NONE
        values = ", ".join(fixed(v * times, decimals) for _, v in sorted(result.values.items()))
        published, ours = fixed(cell.published, decimals), fixed(value * times, decimals)
        rows.append((label(result), Value(published, cell.published), Value(ours, value * times), interval, values))
    if not rows:
        return None
    axes = (
        " Published values and ours have axes of their own that span equally many points: a gain is as long on one as "
        "on the other."
        if not on_one_axis(content)
        else ""
    )
    note = f"Points and lines: our means and 95 % intervals; small dots: seeds; diamonds: published.{axes}"
    blocks: list[Block] = [Chart("Every measured cell with its interval", lambda w: interval_plot(content, w), note)]
    if is_series(content) and len(rows) > 40:
        blocks = []
    blocks.append(DataTable("cells", ("Cell", "Published", "Ours", "95 %", "Seeds"), tuple(rows), (1, 2, 3, 4)))
    return Section("cells", "Every cell with its interval", f"{len(rows)} measured cells.", tuple(blocks))


def _agreement(content: ReportContent, laid: Grid) -> Section | None:
    if len(compared(content.cells)) < 2:
        return None
    line, figures, note = agreement_facts(content)
    heat = "Stronger is larger."
    if not content.absolute:
        whose = "the scale" if content.scale != "paper" else "the changed settings"
        heat = (
            f"Ours are {signed(offset(content))} points from the published values on average. That offset belongs to "
            f"{whose} and is taken off the third map. Stronger is larger; blue above, orange below."
        )
    ranked = [c for c in laid.cells() if c.rank_ours is not None]
    rows = tuple(
        (label(c.result), Value(str(c.rank_published), c.rank_published), Value(str(c.rank_ours), c.rank_ours))
        for c in ranked
    )
    blocks = (
        Chart("Published against ours", lambda width: agreement_plot(content, width)),
        ItemList(tuple(f"{name}: {value} ({small})" for name, value, small in figures)),
        Paragraph(note, small=True),
        Chart("The table as heat maps", lambda width: heat_maps(content, laid, width), heat),
        Fold("Ranks of all cells", (DataTable("ranks", ("Cell", "Published rank", "Our rank"), rows, (1, 2)),)),
    )
    return Section("agreement", "Agreement with the paper", line, blocks)


def _pictures(content: ReportContent) -> Section | None:
    if not content.pictures:
        return None
    gist = "The first images of the validation set, fixed before anything was measured, with each cell's prediction."
    return Section("pictures", "Pictures", gist, (Part("sections/pictures.html.j2", lambda: _sheets(content)),))


def _sheets(content: ReportContent) -> dict[str, Any]:
    labels = {c.cell.id: label(c) for c in content.cells}
    # A cell stands in the table, the lists of rows and commands, and the data inside the page.
    rows = len(content.cells) * (1_900 + 700 * len(content.seeds)) + 400 * len(content.records)
    charts = 200_000 + 12_000 * len(content.claims) + 2_500 * len(content.curves)
    shown = sheets(content.pictures, content.classes, labels, max(0, min(BUDGET, PAGE - charts - rows)))
    cells = dict((p.cell, p.label) for sheet in shown for p in sheet.predictions)
    colours = [f"rgb({r},{g},{b})" for r, g, b in content.classes.colours]
    swatches = [*zip(content.classes.names, colours, strict=False), ("void", "rgb(224,224,192)")]
    views = []
    for sheet in shown:
        view = asdict(sheet)
        for prediction in view["predictions"]:
            prediction["correct_text"] = _share(prediction["correct"])
        views.append(view)
    return {
        "sheets": views,
        "picture_cells": list(cells.items()),
        "swatches": swatches if shown else [],
        "picture_data": [_picture_data(sheet) for sheet in shown],
    }


def _share(correct: float | None) -> str:
    return NONE if correct is None else f"{100 * correct:.1f} %"


def _picture_data(sheet: Sheet) -> dict[str, Any]:
    return {p.cell: {"p": p.uri, "w": p.wrong_uri, "c": _share(p.correct)} for p in sheet.predictions}


def _crf(content: ReportContent) -> Section | None:
    shown = content.mean_field
    if not content.searches and shown is None:
        return None
    blocks: list[Block] = []
    if content.searches:
        chart = Chart(
            "Searches of CRF parameters", lambda _: crf.search_plot(content.searches), crf.search_note(content.searches)
        )
        table = DataTable("searches", crf.SEARCH_HEAD, tuple(crf.search_rows(content.searches)), tuple(range(1, 9)))
        images = content.searches[0].images
        blocks += [
            Paragraph(crf.searches_line(content.searches)),
            chart,
            table,
            Fold(f"The {len(images)} images that decided", (Paragraph(", ".join(images), small=True),)),
        ]
    if shown is not None:
        steps = {"steps_sheet": crf.step_sheet(shown, content.classes)}
        blocks += [Part("sections/crf.html.j2", lambda: steps), Paragraph(crf.steps_line(shown, content.classes))]
    return Section("crf", "CRF: parameters and steps", "Where the CRF's parameters come from.", tuple(blocks))


def _classes(content: ReportContent) -> Section | None:
    classed = [c for c in content.cells if c.class_iou]
    if not classed:
        return None
    width = len(classed[0].class_iou)
    names = [*content.classes.names[:width], *(f"class {k}" for k in range(len(content.classes.names), width))]
    rows: list[tuple[str | Value, ...]] = [
        (label(c), *(_class_iou(v) for v in (mean(c), *c.class_iou))) for c in classed
    ]
    table = DataTable(
        "class-iou",
        ("Cell", "mean", *names),
        tuple(rows),
        tuple(range(1, width + 2)),
        search="Filter cells",
        shaded=1.0,
    )
    gist = "Per cent, from one confusion matrix over the whole validation set."
    note = f"A stronger shade is a larger number; {NONE} where a class is absent from ground truth and prediction."
    return Section("classes", "IOU per class", gist, (Paragraph(note, small=True), table))


def _class_iou(value: float | None) -> Value:
    return Value(fixed(None if value is None else 100 * value, 1), value)


def _curves(content: ReportContent) -> Section | None:
    if not any(len(curve.step) for curve in content.curves):
        return None
    rows: tuple[tuple[str, str], ...] = tuple(final_losses(content.curves).items())
    chart = Chart(
        "Training curves",
        lambda width: curves_plot(content.curves, width),
        "All on one scale from zero: the mean of the seeds strong, each seed faint.",
    )
    blocks = (chart, Fold("Last losses", (DataTable("losses", ("Training", "Last loss"), rows, (1,)),)))
    return Section("curves", "Training curves", f"Loss of {len(rows)} trainings over iterations.", blocks)


def _protocol(content: ReportContent) -> Section:
    blocks: list[Block] = []
    if content.deviations:
        rows = tuple(
            (Value(d.key, code=True), setting(d.published), setting(d.value), EFFECTS[d.direction], d.reason)
            for d in content.deviations
        )
        caption = "Effect: the likely direction in which the deviation moves the score."
        head = ("Setting", "Paper", "Here", "Effect", "Why")
        blocks.append(DataTable("deviations", head, rows, caption=caption))
    if rules(content):
        blocks.append(ItemList(rules(content)))
    if content.protocol:
        settings = tuple((Value(key, code=True), setting(value)) for key, value in content.protocol.items())
        table = DataTable("settings", ("Setting", "Value"), settings, search="Filter settings")
        blocks.append(Fold(f"All {len(settings)} settings", (table,)))
    return Section("protocol", "Protocol and deviations", deviation_line(content), tuple(blocks))


def _costs(content: ReportContent) -> Section | None:
    if not content.costs:
        return None
    total = sum(c.seconds * c.seeds for c in content.costs)
    trainings = sum(c.seeds for c in content.costs)
    gist = f"{trainings} training{'s' if trainings != 1 else ''} took {seconds(total)} of one device's time in total."
    devices = {", ".join(part for part in (c.device, c.precision) if part) for c in content.costs}
    several = len(devices) > 1
    if not several:
        gist += f" All ran on {devices.pop()}."
    rows = []
    for c in content.costs:
        figures = (
            Value(str(c.seeds), c.seeds),
            Value(count(c.parameters), c.parameters),
            Value(count(c.multiply_adds), c.multiply_adds),
            Value(seconds(c.seconds), c.seconds),
            Value(fixed(c.images_per_second, 1), c.images_per_second),
            Value(size(c.memory_bytes), c.memory_bytes),
        )
        rows.append((c.label, *figures, *((f"{c.device}, {c.precision}",) if several else ())))
    head = ("Training", "Seeds", "Parameters", "Multiply-adds", "Time each", "Images/s", "Memory")
    table = DataTable("costs", (*head, *(("Device",) if several else ())), tuple(rows), tuple(range(1, 7)))
    return Section("cost", "Cost", gist, (Paragraph(COST_NOTE, small=True), table))


def _records(content: ReportContent) -> Section:
    rows: list[tuple[str | Value, ...]] = []
    for result in content.cells:
        cell, times = result.cell, factor(result.cell)
        ours: list[tuple[int | None, float | None]] = []
        if result.state in ("done", "computed"):
            ours += sorted(result.values.items())
        for seed, value in ours or [(None, None)]:
            printed = None if value is None else value * times
            away = None if printed is None or cell.published is None else printed - cell.published
            no_seed = seed is None or result.state == "computed"
            key = "" if seed is None else result.evaluations.get(seed, "")
            rows.append(
                (
                    label(result),
                    result.state,
                    Value(NONE if no_seed else str(seed), None if no_seed else seed),
                    Value(fixed(cell.published, cell.decimals), cell.published),
                    Value(fixed(printed, cell.decimals), printed),
                    Value(signed(away, cell.decimals), away),
                    Value(key, code=True, link=key),
                )
            )
    head = ("Cell", "State", "Seed", "Published", "Ours", "Difference", "Record")
    table = DataTable("row", head, tuple(rows), (2, 3, 4, 5), search="Filter rows", downloads=True)
    source = content.table
    blocks: list[Block] = [
        Paragraph(f"Published: {source.citation}; {source.place}.{f' {source.url}' if source.url else ''}"),
        table,
    ]
    if content.records:
        made = tuple(
            (
                Value(r.key, code=True),
                r.kind,
                r.label,
                Value(str(r.seed), r.seed),
                r.started,
                Value(seconds(r.seconds), r.seconds),
                Value(r.code, code=True),
                Value(r.data, code=True),
            )
            for r in content.records
        )
        names = ("Record", "Kind", "Of", "Seed", "Started (UTC)", "Time", "Code", "Data")
        listed = DataTable("records", names, made, (3, 5), search="Filter records")
        blocks.append(Fold(f"All {len(made)} records behind this report", (listed,)))
    return Section("records", "Data and provenance", "One row per cell and seed, with its record.", tuple(blocks))


def _commands(content: ReportContent) -> Section:
    blocks: list[Block] = [CommandLine(content.command)]
    each = tuple(CommandLine(c.command, label(c)) for c in content.cells if c.command)
    if each:
        blocks.append(Fold("The command of each cell", each))
    if content.environment:
        rows = tuple(content.environment.items())
        blocks.append(DataTable("environment", ("Environment", ""), rows))
    gist = "What made this page; run it again and only what is missing is computed."
    return Section("commands", "Commands and environment", gist, tuple(blocks))
