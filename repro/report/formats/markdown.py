"""The Markdown report: the same numbers in the same order, in narrow tables that read well, in a diff too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from repro.report.charts import crf
from repro.report.charts.claim_effects import effect_text, numbers
from repro.report.charts.training_curves import final_losses
from repro.report.claims import claims_line
from repro.report.content import ReportContent
from repro.report.grid import Grid, GridCell, grid, mean
from repro.report.legend import LEGEND, VERDICTS
from repro.report.limits import limits
from repro.report.number_format import NONE, count, factor, fixed, probability, seconds, setting, size, span
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
)
from repro.spec.naming import cell_label

NARROW = 8
"""Columns of one table at most."""
EFFECTS = {"lower": "lower", "higher": "higher", "unknown": "?"}


def report_markdown(content: ReportContent) -> str:
    """Return the report as GitHub-flavoured Markdown. It does not depend on the clock: equal records, equal bytes."""
    table, laid = content.table, grid(content)
    blocks = [
        f"# {text(f'{table.paper} {table.place}')}: {text(table.title)}",
        f"**{text(content.headline)}**",
        *(f"**Remark.** {text(remark)}" for remark in content.remarks),
        text(scale_line(content)),
        bullets(f"{fact['name']}: **{text(fact['value'])}**{_remark(fact['small'])}" for fact in facts(content)),
    ]
    more = more_seeds(content)
    if more is not None:
        blocks += [text(more["why"]), fence(more["command"])]
    blocks += ["## Published and ours", *_paper_table(content, laid)]
    if content.claims:
        blocks += ["## Claims", *_claims(content)]
    blocks += _cells(content)
    blocks += _agreement(content, laid)
    blocks += _crf(content)
    blocks += _classes(content)
    if content.curves:
        losses = [(text(label), loss) for label, loss in final_losses(content.curves).items()]
        blocks += ["## Training", rows(("Training", "Last loss"), losses, numeric=(1,))]
    blocks += ["## Protocol and deviations", *_protocol(content)]
    blocks += _costs(content)
    blocks += ["## Data and provenance", *_provenance(content)]
    blocks += ["## Commands and environment", fence(content.command)]
    blocks.append(rows(("Environment", ""), [(text(k), text(v)) for k, v in content.environment.items()]))
    blocks += ["## What this cannot show", bullets(text(line) for line in limits(content))]
    return "\n\n".join(block for block in blocks if block) + "\n"


def text(words: str) -> str:
    """Return words that Markdown and HTML leave as they are."""
    escaped = re.sub(r"([\\`*_\[\]<>|#~$])", r"\\\1", _one_line(words))
    return escaped.replace("&", "&amp;")


def code(words: str) -> str:
    """Return words as a code span, also inside a table."""
    return f"`{_one_line(words).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def fence(command: str) -> str:
    """Return a command as a block to copy; no run of backticks in it ends the block."""
    longest = max((len(run) for run in re.findall("`+", command)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}sh\n{command}\n{marks}"


def _one_line(words: str) -> str:
    return " ".join(words.splitlines())


def bullets(lines: Iterable[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {line}" for line in lines)


def rows(head: Sequence[str], body: Iterable[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """Return a table; cells come escaped. Empty where it would have no rows."""
    lines = [f"| {' | '.join(cells)} |" for cells in body]
    if not lines:
        return ""
    rule = " | ".join("---:" if index in numeric else "---" for index in range(len(head)))
    return "\n".join([f"| {' | '.join(head)} |", f"| {rule} |", *lines])


def _remark(words: str) -> str:
    return f" ({text(words.removesuffix('.'))})" if words else ""


def _paper_table(content: ReportContent, laid: Grid) -> list[str]:
    used = [entry for name, entry in LEGEND.items() if any(c.mark == name for c in laid.cells())]
    found = [
        f"{text(metric_line(content))}. {text(interval_line(content))}",
        *(_columns(laid, start, start + NARROW) for start in range(0, len(laid.columns), NARROW)),
        "Marks: " + "; ".join(f"`{entry.symbol}` {entry.name}: {entry.meaning}" for entry in used) + ".",
    ]
    if content.table.notes:
        found.append(bullets(text(note) for note in content.table.notes))
    notes = dict.fromkeys((c.cell.row_label, c.cell.note) for c in content.cells if c.cell.note)
    if notes:
        found.append(bullets(f"**{text(label)}**: {text(note)}" for label, note in notes))
    for result in content.cells:
        if result.state == "failed":
            found.append(f"**{text(cell_label(result.cell))}** failed: {text(result.reason)}")
            if result.command:
                found.append(fence(result.command))
    return found


def _columns(laid: Grid, start: int, end: int) -> str:
    """Some of the table's columns: a wide table is printed in parts."""
    head = [*(text(h) or " " for h in laid.headings), " ", *(text(column) for column in laid.columns[start:end])]
    body: list[list[str]] = []
    blank = [" "] * (len(laid.headings))
    for row in laid.rows:
        heads = [text(h) for h in row.heads]
        heads[0] = f"**{heads[0]}**" if heads[0].strip() else " "
        cells = row.cells[start:end]
        body.append([*heads, "published", *(" " if c is None else c.published for c in cells)])
        body.append([*blank, "ours", *(" " if c is None else _ours(c) for c in cells)])
        body.append([*blank, "difference", *(" " if c is None else _difference(c) for c in cells)])
    return rows(head, body, range(len(laid.headings) + 1, len(head)))


def _ours(cell: GridCell) -> str:
    if cell.result.state in ("done", "computed"):
        return f"**{cell.ours}**{f' ({cell.interval})' if cell.interval else ''}"
    return cell.ours


def _difference(cell: GridCell) -> str:
    mark = f"`{LEGEND[cell.mark].symbol}`"
    if cell.n:
        return f"{cell.difference} {mark} n {cell.n}"
    return f"{cell.difference} {mark}" if cell.result.state == "computed" else mark


def _claims(content: ReportContent) -> list[str]:
    head = ("Claim", "Verdict", "Ours", "Interval", "Probability", "Published", "As printed")
    body = []
    for claim in content.claims:
        effect, published, ends = claim.effect, claim.published, claim.shown_interval
        body.append(
            [
                code(claim.id),
                f"{VERDICTS[claim.verdict].symbol} {text(claim.qualified_verdict)}",
                NONE if effect is None else effect_text(effect.value, claim.unit),
                span(*ends) if ends else NONE,
                probability(claim.q),
                effect_text(claim.published_effect, published.unit),
                published.status,
            ]
        )
    found = [text(claims_line(content.claims)), rows(head, body, (2, 3, 4, 5))]
    for claim in content.claims:
        details = "; ".join(f"{name}: {value}" for name, value in numbers(claim))
        found.append(
            f"**{text(claim.text)}** {VERDICTS[claim.verdict].symbol} {text(claim.sentence)}  \n"
            f"<sub>{code(claim.id)} {text(details)}.</sub>"
        )
    return found


def _cells(content: ReportContent) -> list[str]:
    head = ("Cell", "Published", "Ours", "95 %", "Seeds")
    body = []
    for result in content.cells:
        cell, estimate, value = result.cell, result.estimate, mean(result)
        if cell.kind != "measured" or value is None or estimate is None:
            continue
        times, decimals = factor(cell), cell.decimals
        known = estimate.covers not in ("nothing", "exact")
        seeds = ", ".join(fixed(v * times, decimals) for _, v in sorted(result.values.items()))
        interval = span(estimate.low * times, estimate.high * times, decimals) if known else NONE
        published, ours = fixed(cell.published, decimals), fixed(value * times, decimals)
        body.append([text(cell_label(cell)), published, ours, interval, seeds])
    return ["## Every cell with its interval", rows(head, body, (1, 2, 3, 4))] if body else []


def _agreement(content: ReportContent, laid: Grid) -> list[str]:
    ranked = [c for c in laid.cells() if c.rank_ours is not None]
    if len(ranked) < 2:
        return []
    line, figures, note = agreement_facts(content)
    found = ["## Agreement at a glance", text(line)]
    found.append(bullets(f"{text(name)}: **{value}** ({text(small)})" for name, value, small in figures))
    found.append(text(note))
    body = [[text(cell_label(c.result.cell)), str(c.rank_published), str(c.rank_ours)] for c in ranked]
    found.append(rows(("Cell", "Published rank", "Our rank"), body, (1, 2)))
    return found


def _crf(content: ReportContent) -> list[str]:
    if not content.searches and content.mean_field is None:
        return []
    found = ["## CRF: parameters and steps"]
    if content.searches:
        body = [[text(word) for word in row] for row in crf.search_rows(content.searches)]
        head = [text(word) for word in crf.SEARCH_HEAD]
        found += [text(crf.searches_line(content.searches)), rows(head, body, range(1, 9))]
    if content.mean_field is not None:
        found.append(text(crf.steps_line(content.mean_field, content.classes)))
    return found


def _classes(content: ReportContent) -> list[str]:
    classed = [c for c in content.cells if c.class_iou]
    if not classed:
        return []
    # One row per class keeps the table narrow: tables have few cells per row of the paper, data sets have many classes.
    found = ["## IOU per class", "Per cent, from one confusion matrix over the whole validation set."]
    width = len(classed[0].class_iou)
    names = [*content.classes.names[:width], *(f"class {k}" for k in range(len(content.classes.names), width))]
    long = len(classed) > 8
    if long:
        found.append(f"<details><summary>{len(classed)} cells</summary>")
    for start in range(0, len(classed), 4):
        part = classed[start : start + 4]
        head = ["Class", *(text(cell_label(c.cell)) for c in part)]
        body = [
            [text(name), *(fixed(None if (v := c.class_iou[k]) is None else 100 * v, 1) for c in part)]
            for k, name in enumerate(names)
        ]
        found.append(rows(head, body, tuple(range(1, len(head)))))
    return [*found, "</details>"] if long else found


def _protocol(content: ReportContent) -> list[str]:
    head = ("Setting", "Paper", "Here", "Effect", "Why")
    body = [
        [code(d.key), text(setting(d.published)), text(setting(d.value)), EFFECTS[d.direction], text(d.reason)]
        for d in content.deviations
    ]
    settings = [[code(key), text(setting(value))] for key, value in content.protocol.items()]
    found = [text(deviation_line(content)), rows(head, body), bullets(text(rule) for rule in rules(content))]
    if settings:
        found += [
            f"<details><summary>All {len(settings)} settings</summary>",
            rows(("Setting", "Value"), settings),
            "</details>",
        ]
    return found


def _costs(content: ReportContent) -> list[str]:
    if not content.costs:
        return []
    head = ("Training", "Seeds", "Params", "Mult-adds", "Time each", "Images/s", "Memory", "Device")
    body = [
        [text(c.label), str(c.seeds), count(c.parameters), count(c.multiply_adds), seconds(c.seconds),
         fixed(c.images_per_second, 1), size(c.memory_bytes), text(f"{c.device}, {c.precision}")]
        for c in content.costs
    ]  # fmt: skip
    return ["## Cost", text(COST_NOTE), rows(head, body, tuple(range(1, 7)))]


def _provenance(content: ReportContent) -> list[str]:
    table = content.table
    url = f" <{quote(table.url, safe=':/%')}>" if table.url else ""
    found = [f"Published: {text(table.citation)}; {text(table.place)}.{url}"]
    if content.records:
        body = [[code(r.key), r.kind, text(r.label), str(r.seed), code(r.code), code(r.data)] for r in content.records]
        found += [
            f"<details><summary>All {len(body)} records behind this report</summary>",
            rows(("Record", "Kind", "Of", "Seed", "Code", "Data"), body, (3,)),
            "</details>",
        ]
    return found
