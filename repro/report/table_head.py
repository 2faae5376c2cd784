"""The head of a report's table, from its spec."""

from __future__ import annotations

from urllib.parse import quote

from repro.judge.audit import short_name
from repro.report.content import TableHead, TableKind
from repro.spec.metric import find_metric
from repro.spec.naming import key_name
from repro.spec.table import TableSpec

PAPERS = ("v2", "v3", "v3plus", "model_zoo")
"""Ids of the papers that this suite reproduces; others are the user's own."""


def table_head(spec: TableSpec) -> TableHead:
    """Return a table's title, source, and what its rows and metrics are called."""
    paper, source = spec.paper, spec.source
    place = f"Table {source.table}" if source.table else f"Figure {source.figure}" if source.figure else "text"
    cells = spec.cells()
    labels = {cell.row: cell.row_label for cell in cells}
    headings: tuple[str, ...]
    heads: dict[int, tuple[str, ...]]
    if spec.rows and spec.headings and all(len(row.printed) == len(spec.headings) for row in spec.rows):
        headings, heads = spec.headings, {k: row.printed for k, row in enumerate(spec.rows)}
    else:
        # A table with one axis has one row, the metric; the axis names its columns, from the left, as the papers do.
        heading = (spec.axes[0].heading or key_name(spec.axes[0].key)) if spec.axes else ""
        headings, heads = (heading,), {k: (label,) for k, label in labels.items()}
    column_heading = spec.axes[1].heading if len(spec.axes) == 2 else ""
    metrics = {name: find_metric(name).label for name in dict.fromkeys(c.metric for c in cells)}
    arxiv = source.arxiv or paper.arxiv
    return TableHead(
        id=spec.id,
        title=spec.title,
        paper=f"DeepLab {short_name(paper.id)}" if paper.id in ("v2", "v3", "v3plus") else short_name(paper.id),
        paper_title=paper.title,
        place=place,
        citation=f"{paper.authors}: {paper.title}, {paper.year}",
        url=f"https://arxiv.org/abs/{quote(arxiv)}" if arxiv else "",
        headings=headings,
        heads=heads,
        column_heading=column_heading,
        metrics=metrics,
        kind=_kind(spec),
        notes=(*spec.notes, *((f"Support of the transcription: {source.support}",) if source.support else ())),
    )


def _kind(spec: TableSpec) -> TableKind:
    if spec.id.startswith("pitfalls/"):
        return "pitfalls"
    if spec.id.startswith("implementations/"):
        return "implementations"
    return "paper" if spec.paper.id in PAPERS else "own"
