"""The audit of the papers as pages: Markdown that reads well on a code host, and one self-contained HTML file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from repro.judge.audit import Audit, TableAudit, printed_number, share_of_limit, too_close
from repro.judge.published import IMAGE_ERROR, SEED_DEVIATION
from repro.judge.result import Published
from repro.report.blocks import Chart, CommandLine, DataTable, ItemList, Section, Value
from repro.report.charts.canvas import NARROW, WIDE, Canvas, text_width
from repro.report.charts.theme import row_colour
from repro.report.formats.markdown import bullets, rows, text
from repro.report.number_format import fixed, signed

PageFormat = Literal["md", "html"]
TITLE = "The papers, audited"
CONTRADICTIONS = ("Where", "Printed", "Against", "Difference")
LEAD = (
    "The claims of DeepLab v2, v3 and v3+, and of the authors' list of released models (model zoo), checked against "
    "their own published numbers, without any training: do they hold there, and are the numbers far enough apart to "
    "tell?"
)
BASIS = (
    f"How far apart is far enough? The papers print single runs. The one hint at what another run would say, six "
    f"trainings in v3 Table 11, has a standard deviation of {SEED_DEVIATION} points; what another choice of as many "
    f"validation images would change is taken as {IMAGE_ERROR} points for VOC's 1,449 and grows as their number "
    "falls. Two single runs then differ by up to the limit shown in 95 % of cases though nothing tells the networks "
    "apart; a model evaluated in two ways is one run and has a smaller limit. Both numbers are hints. “Too close to "
    "tell” does not say that a difference is not there."
)


def audit_markdown(audit: Audit, command: str, full: bool = False) -> str:
    """Return the audit as Markdown; with `full` every claim, not only those that fall short."""
    blocks = [
        f"# {TITLE}",
        f"{text(LEAD)} `{command}` makes this page.",
        bullets(text(line) for line in audit.headline),
        "## Sentences that the printed numbers do not bear out",
        rows(("Where", "Claim", "Sentence", "What the numbers say"), [_line(*item) for item in _failing(audit)]),
        "## Numbers that contradict each other",
        rows(CONTRADICTIONS, [[text(cell) for cell in line] for line in _contradictions(audit)]),
        "## Differences too small to tell",
        text(BASIS),
        rows(
            ("Where", "Claim", "Sentence", "Printed", "Difference", "Limit", "Too close"),
            [[text(cell) for cell in _close_line(audit, *item)] for item in audit.close()],
            (4, 5),
        ),
    ]
    for table in audit.tables if full else ():
        if table.claims:
            blocks += [f"## {text(table.place)}: {text(table.title)}", _claims(table)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _failing(audit: Audit) -> list[tuple[TableAudit, Published]]:
    return [(table, claim) for table in audit.tables for claim in table.claims if claim.status == "fails"]


def _line(table: TableAudit, claim: Published) -> list[str]:
    return [text(table.place), text(claim.id), text(claim.text), text(claim.note)]


def _claims(table: TableAudit) -> str:
    body = [[text(claim.id), claim.status, text(claim.text), text(claim.note)] for claim in table.claims]
    return rows(("Claim", "As printed", "Sentence", "What the numbers say"), body)


def _contradictions(audit: Audit) -> list[list[str]]:
    """Return one protocol printed with two values, and figures that do not come out as printed."""
    places = {table.id: table.place for table in audit.tables}
    lines = [
        [f"{places[d.first.table]}, {places[d.second.table]}", printed_number(d.first),
         f"{printed_number(d.second)}, of the same protocol", signed(d.difference)]
        for d in audit.doubles
    ]  # fmt: skip
    lines += [
        [f"{places[m.cell.table]}: {m.cell.row_label}", printed_number(m.cell),
         f"{fixed(m.computed, m.cell.decimals)}, counted from the network", signed(m.difference, m.cell.decimals)]
        for m in audit.misprints
    ]  # fmt: skip
    return lines


def _close_line(audit: Audit, table: TableAudit, claim: Published) -> list[str]:
    effect = claim.effects[claim.decisive]
    few = len(claim.effects) - (claim.clear or 0)
    of = "yes" if len(claim.effects) == 1 else f"{few} of {len(claim.effects)}"
    printed = audit.printed(effect.cells) or effect.label
    return [table.place, claim.id, claim.text, printed, signed(effect.value), fixed(effect.limit), of]


def audit_html(audit: Audit, command: str, version: str) -> str:
    """Return the audit as one self-contained page."""
    from repro.report.formats.html import json_block, render, with_markup

    claims = [(table, claim) for table in audit.tables for claim in table.claims]
    kept = [
        {"place": table.place, "id": claim.id, "status": claim.status, "note": claim.note} for table, claim in claims
    ]
    view: dict[str, Any] = {
        "version": version,
        "title": TITLE,
        "lead": LEAD,
        "facts": _facts(audit),
        "sections": with_markup(_sections(audit, claims, command)),
        "data": json_block({"audit": kept}),
    }
    return render("audit.html.j2", view)


SIGNS = {"holds": "✓ holds", "fails": "✗ fails", "not testable": "○ not testable"}


def _sections(audit: Audit, claims: Sequence[tuple[TableAudit, Published]], command: str) -> tuple[Section, ...]:
    """What the page shows below its head."""
    against = DataTable("contradictions", CONTRADICTIONS, tuple(map(tuple, _contradictions(audit))), (3,))
    head = ("Claim", "Where", "Sentence", "As printed", "Of the limit", "What the numbers say")
    body = []
    for table, claim in claims:
        share = share_of_limit(claim) if claim.clear is not None else None
        status = SIGNS[claim.status] + (", too close to tell" if too_close(claim) else "")
        of_limit = Value(fixed(share, 1), share if share is not None and math.isfinite(share) else None)
        body.append((claim.id, table.place, claim.text, status, of_limit, claim.note))
    limit = (
        "“Of the limit” is the weakest difference behind a sentence, in units of what single runs differ by by chance: "
        "below 1 it is too close to tell."
    )
    chart = Chart("How far the printed numbers are from telling nothing", lambda width: distances_picture(audit, width))
    every = DataTable("claim", head, tuple(body), (4,), search="Filter sentences")
    return (
        Section("found", "What stands out", "", (ItemList(tuple(audit.headline)),), folded=False),
        Section("contradict", "Numbers that contradict each other", "", (against,), folded=False),
        Section("close", "Too close to tell?", BASIS, (chart,), folded=False),
        Section("claims", "Every sentence", limit, (every,), folded=False),
        Section("command", "The command", "", (CommandLine(command),), folded=False),
    )


def _facts(audit: Audit) -> list[dict[str, str]]:
    counts = {status: sum(c.status == status for c in audit.claims) for status in ("holds", "fails", "not testable")}
    facts = (
        ("Sentences that hold as printed", str(counts["holds"])),
        ("Sentences that fail as printed", str(counts["fails"])),
        ("In part too close to tell", str(len(audit.close()))),
        ("Sentences that no number decides", str(counts["not testable"])),
        ("Numbers in contradiction", str(len(audit.doubles) + len(audit.misprints))),
    )
    return [{"name": name, "value": value} for name, value in facts]


def distances_picture(audit: Audit, page: float = WIDE) -> str:
    """Draw each claim's weakest difference in units of what single runs can tell, one line per paper."""
    papers: dict[str, list[float]] = {}
    for table in audit.tables:
        shares = [
            share_of_limit(claim) for claim in table.claims if claim.clear is not None and claim.status == "holds"
        ]
        papers.setdefault(table.place.split()[0], []).extend(share for share in shares if math.isfinite(share))
    left, right, step = max(text_width(name, 9) for name in papers) + 14, page - 14, 34.0
    canvas = Canvas(page, 18 + step * len(papers) + 34)
    bottom = 18 + step * len(papers)

    def across(share: float) -> float:
        """Logarithmic from a thirtieth to thirty times the limit; what lies beyond stands at the end."""
        return left + (math.log(min(max(share, 1 / 30), 30)) / math.log(30) + 1) / 2 * (right - left)

    canvas.box(left, 18, across(1) - left, bottom - 18, "open", 0.12)
    for share, name in ((1 / 30, "1/30"), (0.1, "1/10"), (1 / 3, "1/3"), (1, "limit"), (3, "3 ×"), (10, "10 ×")):
        canvas.line([across(share)] * 2, [18, bottom], "line", 1.4 if share == 1 else 0.8)
        canvas.text(across(share), bottom + 11, name, 8.5, "soft", "center")
    canvas.text(left + 4, 8, "too close to tell", 8.5, "open")
    canvas.text(
        across(1) + 4,
        8,
        "more than chance" if page <= NARROW else "more than single runs differ by chance",
        8.5,
        "soft",
    )
    for index, (paper, shares) in enumerate(papers.items()):
        y = 18 + step * (index + 0.5)
        canvas.text(0, y, paper, 9, row_colour(index), bold=True)
        for k, share in enumerate(sorted(shares)):
            canvas.marks([across(share)], [y + 8 * ((k % 3) - 1)], row_colour(index), "o", 5, 0.75)
    canvas.text(left, bottom + 27, "weakest difference behind each sentence that holds", 8.5, "soft")
    caption = f"{sum(map(len, papers.values()))} sentences; the table below has each of them."
    return canvas.svg("distances", "How far the printed numbers are from telling nothing", caption)


def audit_files(audit: Audit, formats: Sequence[PageFormat], command: str, full: bool, version: str) -> dict[str, str]:
    """Return file name -> text."""
    makers = {
        "md": lambda: audit_markdown(audit, command, full),
        "html": lambda: audit_html(audit, command, version),
    }
    return {f"audit.{name}": makers[name]() for name in formats}
