"""The index over a folder's reports: what each says of itself, read from the reports."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

from repro.judge.result import Verdict
from repro.judge.scorecard import counted
from repro.report.changes import read_data
from repro.report.content import TableKind
from repro.report.files import ready_folder, write_file
from repro.report.legend import LEGEND, VERDICTS, Mark
from repro.report.number_format import NONE, fixed
from repro.report.table_head import table_head
from repro.spec.cell import Basis
from repro.spec.table import TableSpec

BASES: tuple[Basis, ...] = get_args(Basis)
NUMBERLESS: tuple[Mark, ...] = ("failed", "missing", "quoted")
"""Marks of cells without a number of ours."""


@dataclass(frozen=True)
class Entry:
    """One table in the index."""

    id: str
    title: str
    paper: str
    place: str
    file: str = ""
    """Name of the report; empty where the table has none yet."""
    asked: str = ""
    """Data set, cells and settings that this report was asked for; empty for the whole table as its scale has it."""
    scale: str = ""
    """"paper, changed" where settings were changed on the command line."""
    seeds: int = 0
    date: str = ""
    headline: str = ""
    cells: int = 0
    states: tuple[tuple[Mark, int], ...] = ()
    """(mark, cells) in the legend's order, of the marks that occur."""
    verdicts: tuple[tuple[Verdict, int], ...] = ()
    """(verdict, claims) in order, of the verdicts that occur among claims that measurements decide."""
    computed: tuple[tuple[Verdict, int], ...] = ()
    """The same of claims that computed figures decide."""
    printed: int = 0
    """Claims that rest on printed numbers alone."""
    tau: float | None = None
    """Rank agreement with the paper."""
    finding: str = ""
    """The most certain of its findings."""
    kind: TableKind = "paper"


def unreported(spec: TableSpec) -> Entry:
    """Return the line of a table that has no report yet."""
    head = table_head(spec)
    return Entry(head.id, head.title, head.paper, head.place, kind=head.kind)


def entry(data: Mapping[str, Any], file: str) -> Entry:
    """Return a report's line from the data inside it."""
    marks = [row["mark"] for row in data["cells"]]
    of = {basis: [row["verdict"] for row in data["claims"] if _basis(row) == basis] for basis in BASES}
    return Entry(
        id=data["table"],
        title=data["title"],
        paper=data["paper"],
        place=data["place"],
        file=file,
        asked=", ".join(data.get("asked", ())),
        scale=f"{data['scale']}, changed" if data.get("changed") else data["scale"],
        seeds=len(data["seed_list"]),
        date=data["date"][:10],
        headline=data["headline"],
        cells=len(marks),
        states=tuple((name, marks.count(name)) for name in LEGEND if name in marks),
        verdicts=tuple((name, of["measured"].count(name)) for name in VERDICTS if name in of["measured"]),
        computed=tuple((name, of["computed"].count(name)) for name in VERDICTS if name in of["computed"]),
        printed=len(of["printed"]),
        tau=data.get("tau"),
        finding=next((line["text"] for line in data.get("findings", ())), ""),
        kind=data.get("kind") or ("pitfalls" if data["table"].startswith("pitfalls/") else "paper"),
    )


def _basis(row: Mapping[str, Any]) -> str:
    """What decides a claim; pages that were made before it was written down say nothing, and count as measured."""
    return str(row.get("basis", "measured"))


def entries(folder: Path, tables: Iterable[Entry] = ()) -> list[Entry]:
    """Return the lines of a folder's reports, in the order of `tables`, then by name.

    A table may have several: those of all its cells come first. `tables`: the suite's tables, so that those without a
    report are shown as such. A page whose data cannot be understood is left out.
    """
    reports: dict[str, list[Entry]] = {}
    for page in sorted(folder.glob("*.html")):
        data = read_data(page)
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            line = entry(data, page.name) if data is not None else None
            if line is not None:
                reports.setdefault(line.id, []).append(line)
    for lines in reports.values():
        lines.sort(key=lambda line: (bool(line.asked), len(line.file), line.file))
    ordered = [line for table in tables for line in reports.pop(table.id, [table])]
    return [*ordered, *(line for lines in reports.values() for line in lines)]


def write_index(folder: Path, tables: Sequence[Entry] = (), version: str = "") -> list[Path]:
    """Write index.html and index.md over the reports in a folder. Raises InputError where it can't be written to."""
    ready_folder(folder)
    lines = entries(folder, tables)
    return [
        write_file(folder / "index.md", index_markdown(lines).encode()),
        write_file(folder / "index.html", index_html(lines, version).encode()),
    ]


@dataclass(frozen=True)
class PaperEntries:
    """The tables of one paper, of implementations, of the known mistakes, or of one paper of the user's own."""

    title: str
    reported: tuple[Entry, ...]
    waiting: tuple[Entry, ...]
    """Those without a report."""


ORDER: tuple[TableKind, ...] = ("own", "paper", "implementations", "pitfalls")
COUNTED = {
    "paper": "Claims of the papers",
    "own": "Your own hypotheses",
    "implementations": "Claims about implementations",
    "pitfalls": "Claims about known mistakes",
}
"""Kind of table -> what its claims are counted as: never together."""
TITLES: dict[TableKind, str] = {"implementations": "Implementations", "pitfalls": "Known mistakes"}
"""Kind of table -> title of the group that its tables stand in whatever their paper."""


def groups(lines: Sequence[Entry]) -> list[PaperEntries]:
    """Return tables by paper: those with results first, the user's own before the papers, known mistakes last."""
    titles: dict[str, list[Entry]] = {}
    for line in sorted(lines, key=lambda line: ORDER.index(line.kind)):
        titles.setdefault(TITLES.get(line.kind, line.paper), []).append(line)
    groups_of_papers = [
        PaperEntries(title, tuple(line for line in own if line.file), tuple(line for line in own if not line.file))
        for title, own in titles.items()
    ]
    return sorted(groups_of_papers, key=lambda group: not group.reported)


def index_html(
    lines: Sequence[Entry], version: str, claims: Sequence[object] = (), others: Sequence[tuple[str, str]] = ()
) -> str:
    """Return the index as a page; that of a site has the `claims` too, and other pages: (title, address)."""
    from repro.report.formats.html import json_block, render

    reports = [line for line in lines if line.file]
    # a table may have several reports: the first counts
    first = list({line.id: line for line in reversed(reports)}.values())
    view = {
        "version": version,
        "groups": [
            {"title": group.title, "reported": [_view(line) for line in group.reported], "waiting": group.waiting}
            for group in groups(lines)
        ],
        "verdicts": VERDICTS,
        "claims": claims,
        "others": others,
        "facts": [
            {
                "name": "Tables with a report",
                "value": f"{len(first)} of {len({line.id for line in lines})}",
                "small": f"{len(reports)} reports; the first of each table is counted"
                if len(reports) > len(first)
                else "",
            },
            _numbered(first),
            *_claims(first),
        ],
        "data": json_block({"table": "index", "reports": [line.file for line in reports]}),
    }
    return render("index.html.j2", view)


def _claims(lines: Sequence[Entry]) -> list[dict[str, str]]:
    """How claims came out, counted apart by whose they are and by what decides them."""
    facts = []
    for kind in ORDER:
        own = [line for line in lines if line.kind == kind]
        totals = _totals(line.verdicts for line in own)
        if totals:
            n = sum(totals.values())
            rest = counted(totals, [verdict for verdict in VERDICTS if verdict != "supported"])
            value = f"{totals.get('supported', 0)} of {n} supported"
            facts.append({"name": f"{COUNTED[kind]}, measured", "value": value, "small": rest})
    computed, printed = _totals(line.computed for line in lines), sum(line.printed for line in lines)
    if computed:
        value = f"{computed.get('supported', 0)} of {sum(computed.values())} supported"
        facts.append({"name": "Claims, computed", "value": value, "small": "from the architecture alone"})
    if printed:
        facts.append({"name": "Claims, printed only", "value": str(printed), "small": "nothing here decides them"})
    return facts


def _totals(counts: Iterable[Sequence[tuple[Verdict, int]]]) -> dict[Verdict, int]:
    totals: dict[Verdict, int] = {}
    for verdict, n in (pair for pairs in counts for pair in pairs):
        totals[verdict] = totals.get(verdict, 0) + n
    return totals


def index_markdown(lines: Sequence[Entry]) -> str:
    """Return the index as Markdown; its links lead to the Markdown reports."""
    from repro.report.formats.markdown import rows, text

    head = ("Table", "Title", "Scale", "Seeds", "Cells", "Claims, measured", "computed", "printed only")
    signs = "; ".join(f"{entry.symbol} {entry.name}" for entry in VERDICTS.values())
    blocks = ["# Reports"]
    for group in groups(lines):
        body = [
            [
                f"[{text(line.id)}]({quote(line.file.removesuffix('.html'))}.md)",
                text(f"{line.title}; {line.asked}" if line.asked else line.title),
                text(line.scale),
                str(line.seeds),
                status(line),
                _signs(line.verdicts),
                _signs(line.computed),
                str(line.printed or NONE),
            ]
            for line in group.reported
        ]
        waiting = ", ".join(text(line.id) for line in group.waiting)
        blocks += [f"## {text(group.title)}", rows(head, body, (3,)), f"Not run: {waiting}." if waiting else ""]
    return "\n\n".join([*(block for block in blocks if block), f"Claims: {signs}."]) + "\n"


def status(line: Entry) -> str:
    """Return how many of a table's cells have a number of ours, in words."""
    if not line.file:
        return "not run"
    counts = dict(line.states)
    own = line.cells - sum(counts.get(name, 0) for name in NUMBERLESS)
    parts = [f"{own} of {line.cells}"]
    parts += [f"{counts[mark]} {LEGEND[mark].name}" for mark in NUMBERLESS if counts.get(mark)]
    return ", ".join(parts)


def _signs(verdicts: Sequence[tuple[Verdict, int]]) -> str:
    return ", ".join(f"{VERDICTS[name].symbol} {n}" for name, n in verdicts) or NONE


def _numbered(lines: Sequence[Entry]) -> dict[str, str]:
    """How many cells have a number of ours, of those that can have one."""
    cells = sum(line.cells for line in lines)
    without, quoted = (
        sum(n for line in lines for name, n in line.states if name in names) for names in (NUMBERLESS, ("quoted",))
    )
    small = f"{quoted} more are quoted" if quoted else ""
    return {"name": "Cells with a number", "value": f"{cells - without} of {cells - quoted}", "small": small}


def _view(line: Entry) -> dict[str, Any]:
    own = line.cells - sum(n for name, n in line.states if name in NUMBERLESS)
    return {
        **{name: getattr(line, name) for name in Entry.__dataclass_fields__},
        "address": quote(line.file),
        "status": status(line),
        "share": f"{own / line.cells:.4f}" if line.cells else "0",
        "supported": dict(line.verdicts).get("supported", 0),
        "computed_supported": dict(line.computed).get("supported", 0),
        "tau_text": fixed(line.tau),
        "tau_value": "" if line.tau is None else f"{line.tau:.4f}",
    }
