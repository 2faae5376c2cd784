"""Sentences about a whole report, shared by Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from repro.report.content import ReportContent
from repro.report.grid import compared
from repro.report.number_format import NONE, fixed, seconds, span
from repro.spec.departures import asked_for, changed_line, named
from repro.spec.metric import MIOU, Metric, find_metric

SEEDS_FOR_JUDGING = 5
COST_NOTE = (
    "Multiply-adds are those of one crop's forward pass; memory is what weights, optimiser and a batch's activations "
    "take. Both are by arithmetic; time and images per second are measured."
)


def facts(content: ReportContent) -> list[dict[str, str]]:
    """Return what stands on top of a report: name, value and a small remark each."""
    measured = [c for c in content.cells if c.cell.kind == "measured" and c.state != "quoted"]
    done = sum(c.state == "done" for c in measured)
    failed = sum(c.state == "failed" for c in measured)
    computed = sum(c.state == "computed" for c in content.cells)
    left = len(measured) - done - failed
    gaps = ", ".join(text for n, text in ((failed, f"{failed} failed"), (left, f"{left} not run")) if n)
    rows = [_fact("Scale", content.scale, "with changed settings" if asked_for(content.deviations) else "")]
    if measured:
        rows.append(_fact("Images", content.dataset))
        rows.append(_fact("Cells measured", f"{done} of {len(measured)}", gaps))
    if computed:
        rows.append(_fact("Cells computed", str(computed)))
    if measured:
        names = ", ".join(map(str, content.seeds))
        rows.append(
            _fact("Seeds", str(len(content.seeds)), f"seed {names}" if len(content.seeds) == 1 else f"seeds {names}")
        )
    if content.agreement is not None and not math.isnan(content.agreement.tau.value):
        rows.append(_fact("Rank agreement", f"τ {fixed(content.agreement.tau.value)}", "1: the paper's order"))
    if content.detectable is not None and measured:
        rows.append(_fact("Detectable", f"{fixed(content.detectable, 1)} points", "with 80 % power"))
    if measured:
        rows.append(_fact("Records up to", content.date[:10] or NONE, f"repro {content.version}"))
    return rows


def scale_line(content: ReportContent) -> str:
    """Return what the scale spends, and what the user changed of it."""
    changed_keys = [deviation.key for deviation in asked_for(content.deviations)]
    changed = f" Changed on the command line: {named(changed_keys)}." if changed_keys else ""
    only = [option.removeprefix("--only ") for option in content.asked if option.startswith("--only ")]
    part = f" Of the table only {', '.join(only)} was asked for." if only else ""
    return f"Scale “{content.scale}”: {content.scale_text}{changed}{part}{_not_comparable(content)}"


def _not_comparable(content: ReportContent) -> str:
    """What measured numbers cannot be compared with: said here, once."""
    if not content.has_published or not any(c.cell.kind == "measured" and c.state == "done" for c in content.cells):
        return ""
    if content.scale != "paper":
        return " Absolute values are not comparable with the paper's: compare orders, trends and gains."
    why = changed_settings(content)
    return f" {why} Compare orders, trends and gains." if why else ""


def first_sentences(content: ReportContent) -> tuple[str, ...]:
    """Return what a report says first, as sentences: its findings and how cells agree, else its headline."""
    if not content.findings:
        return (content.headline,)
    order = order_line(content)
    return (*(line.text for line in content.findings), *([order] if order else []))


def order_line(content: ReportContent) -> str:
    """Return how the cells agree with the published ones, in a sentence."""
    agreed = content.agreement
    return agreed.sentence.split(" By distance alone")[0] if agreed is not None and agreed.cells > 1 else ""


def changed_settings(content: ReportContent) -> str:
    """Return why cells at scale `paper` are not held against published values; empty where all of them are."""
    if content.scale != "paper" or not content.changed:
        return ""
    measured = sum(c.cell.kind == "measured" and c.state != "quoted" for c in content.cells)
    keys = dict.fromkeys(key for result in content.changed for key in result.departures)
    return changed_line(len(content.changed), measured, tuple(keys))


def _fact(name: str, value: str, small: str = "") -> dict[str, str]:
    return {"name": name, "value": value, "small": small}


def more_seeds(content: ReportContent) -> dict[str, str] | None:
    """Return why more seeds would help and the command that adds them; None where there are enough."""
    measured = any(c.cell.kind == "measured" for c in content.cells)
    if not measured or not content.more_seeds or len(content.seeds) >= SEEDS_FOR_JUDGING:
        return None
    time = "" if content.more_seeds_time is None else f" It would take about {seconds(content.more_seeds_time)}."
    if content.references:
        why = (
            f"One seed decides large effects only, with seed noise taken from reference runs; {SEEDS_FOR_JUDGING} of "
            f"your own detect smaller ones and depend on nothing else.{time}"
        )
    elif len(content.seeds) == 1:
        why = f"With one seed, seed noise is unknown: judging claims takes {SEEDS_FOR_JUDGING} seeds.{time}"
    else:
        why = f"{len(content.seeds)} seeds detect only large effects; {SEEDS_FOR_JUDGING} detect smaller ones.{time}"
    return {"why": why, "command": content.more_seeds}


def interval_line(content: ReportContent) -> str:
    """Return what the intervals of this report cover."""
    if not any(c.cell.kind == "measured" for c in content.cells):
        return "Computed cells follow from the architecture and have no interval."
    covers = {c.estimate.covers for c in content.cells if c.estimate is not None and c.state == "done"}
    text = "Beside each mean over seeds stands its 95 % interval, within 0 and 100 %; n counts seeds. "
    if covers == {"images and seeds"}:
        text += "It covers the choice of validation images and the choice of training seeds."
        return f"{text} {content.seed_decides}".rstrip()
    if covers == {"images only"}:
        known = "verdicts take seed noise from reference runs" if content.references else "seed noise is unknown"
        return text + f"With one seed it covers the choice of validation images only: {known}."
    if covers == {"seeds only"}:
        text += "It covers the choice of training seeds only: per-image counts are not stored."
        return f"{text} {content.seed_decides}".rstrip()
    return text + "Where there is none, neither seeds nor images could be resampled."


def agreement_facts(content: ReportContent) -> tuple[str, list[tuple[str, str, str]], str]:
    """Return the line on top, the figures (name, value, remark), and a note on how published and ours agree."""
    cells = compared(content.cells)
    if content.absolute:
        line = "Each cell's own value beside the published one, and how alike the two orders are."
    else:
        where = f"At scale “{content.scale}”" if content.scale != "paper" else "With changed settings"
        line = f"{where} absolute values are not to be compared, so ranks are: 1 is the best cell of the table."
    figures: list[tuple[str, str, str]] = []
    agreed = content.agreement
    if agreed is None:
        return line, figures, f"{len(cells)} cells have both numbers."
    if not math.isnan(agreed.tau.value):
        known = not math.isnan(agreed.tau.low)
        interval = f"95 %: {span(agreed.tau.low, agreed.tau.high)}" if known else "too few cells for an interval"
        figures.append(("Kendall's τ-b", fixed(agreed.tau.value), interval))
    if not math.isnan(agreed.concordant):
        figures.append(
            ("Pairs in the paper's order", f"{100 * agreed.concordant:.0f} %", f"of {agreed.cells} cells' pairs")
        )
    held = agreed.cells - agreed.changed
    figures += [(f"Within {step:g} points", f"{n} of {held}", "cells") for step, n in agreed.within]
    return line, figures, agreed.sentence


def deviation_line(content: ReportContent) -> str:
    """Return how far the protocol is from the paper's."""
    n = len(content.deviations)
    if not content.protocol:
        computed = any(c.state == "computed" for c in content.cells)
        return "Computed for the networks of the published protocol." if computed else "Nothing here is run."
    if n == 0:
        return "Every setting is the paper's."
    changed = len(asked_for(content.deviations))
    own = f" ({changed} {'were' if changed > 1 else 'was'} changed on the command line)" if changed else ""
    return f"{n} setting{'s differ' if n > 1 else ' differs'} from the paper's{own}; all others are the paper's."


def rules(content: ReportContent) -> tuple[str, ...]:
    """Return how scores are measured, as far as it decides what they mean."""
    protocol = content.protocol
    measured = [c.cell for c in content.cells if c.cell.kind == "measured"]
    if not measured:
        return ()
    canvas: Any = protocol.get("evaluate.canvas")
    sentences = [
        *(_metric_rule(find_metric(name)) for name in dict.fromkeys(c.metric for c in measured)),
        "The last training step counts. No checkpoint is chosen by its score on the validation images.",
    ]
    if canvas:
        height, width = canvas
        window = protocol.get("evaluate.window")
        seen = "Whole images are measured" if window is None else f"Images are seen through {_windows(protocol)}"
        sentences.append(f"{seen}, padded to {height} × {width} pixels; padding is void.")
    sentences.append(
        "Every cell is measured on the same images, and cells of one seed share the order of their training data: "
        "differences are paired."
    )
    return tuple(sentences)


def _windows(protocol: Mapping[str, Any]) -> str:
    window, stride = (" × ".join(map(str, protocol[f"evaluate.{key}"])) for key in ("window", "window_stride"))
    return f"windows of {window} pixels, {stride} pixels apart, their logits averaged where they overlap"


def _metric_rule(metric: Metric) -> str:
    counted = "one confusion matrix over the whole validation set; void pixels (255) are never counted"
    if metric == MIOU:
        absent = "a class that is absent from both ground truth and prediction is left out of the mean"
        return f"Mean IOU: {counted}; {absent}."
    return f"{metric.title}: {counted}; {metric.better} is better."


def table_line(content: ReportContent) -> str:
    """Return how to read the paper's table."""
    measured = any(c.cell.kind == "measured" for c in content.cells)
    interval = " with its 95 % interval" if measured else ""
    gained = ""
    if any(c.gain for c in content.cells):
        gained = " Below it the difference to the baseline, paired by seed and image, at 95 % for each by itself."
    best = " ★ marks the best." if not content.has_published else ""
    if not content.has_published:
        return f"Each cell{interval}.{best}{gained}"
    apart = ", then the difference" if content.absolute or not measured else ""
    return f"The paper's table in its shape: ours{interval} above, ◇ published below{apart}.{gained}"


def metric_line(content: ReportContent) -> str:
    """Return what the numbers are, and what the columns vary."""
    metrics = "; ".join(content.table.metrics.values())
    return f"{metrics}; columns: {content.table.column_heading}" if content.table.column_heading else metrics
