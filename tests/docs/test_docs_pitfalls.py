"""docs/pitfalls.md's table of causes is made from tables/pitfalls.toml: `python tests/docs/test_docs_pitfalls.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from repro.diagnose.measured import measured_sizes
from repro.spec.load import Suite, load_suite
from repro.spec.pitfall import Pitfall

PAGE = Path(__file__).resolve().parents[2] / "docs/pitfalls.md"
BEGIN = "<!-- causes: python tests/docs/test_docs_pitfalls.py writes them from tables/pitfalls.toml -->\n"
END = "<!-- end of causes -->\n"
MARKS = {"pitfalls/deeplabv2": "v2: ", "pitfalls/deeplabv3": "", "pitfalls/deeplabv3plus": "v3+: "}


def causes(suite: Suite) -> str:
    sizes = measured_sizes(suite)
    heads = ("cause", "row", "key", "reported size", *(["measured here"] if sizes else []), "source")
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for pitfall in suite.pitfalls:
        rows = "; ".join(MARKS[table] + label for table, label in (row.split(": ", 1) for row in pitfall.rows))
        keys = ", ".join(f"`{key}`" for key in sorted(pitfall.keys))
        links = ", ".join(f"[{suite.references[name][0]}][{name}]" for name in pitfall.sources)
        own = [f"{MARKS[row.split(': ')[0]]}{sizes[row].source_text}" for row in pitfall.rows if row in sizes]
        here = ["; ".join(own) or "-"] if sizes else []
        cells = (pitfall.cause, rows or "-", keys, pitfall.reported or "-", *here, links or "-")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def with_causes(page: str, suite: Suite) -> str:
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{causes(suite)}\n{END}{after}"


def test_the_page_is_what_the_file_makes(suite: Suite) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_causes(page, suite), "python tests/docs/test_docs_pitfalls.py writes the page"


def test_every_source_has_its_address_on_the_page(suite: Suite) -> None:
    page = PAGE.read_text(encoding="utf-8")
    used = {name for pitfall in suite.pitfalls for name in pitfall.sources}
    assert used == set(suite.references), "a source that nothing cites, or the reverse"
    for name in used:
        assert f"[{name}]: {suite.references[name][1]}" in page


def test_every_row_of_the_pitfalls_is_a_known_mistake_and_the_reverse(suite: Suite) -> None:
    declared = {row for pitfall in suite.pitfalls for row in pitfall.rows}
    tables = [suite.find(name) for name in MARKS]
    rows = {f"{table.id}: {cell.row_label}" for table in tables for cell in table.cells()}
    right = {f"{table.id}: as published" for table in tables} | {"pitfalls/deeplabv3: multi-scale test"}
    assert declared == rows - right


def test_sizes_are_the_published_ones_where_a_row_has_one(suite: Suite) -> None:
    by_row: dict[str, Pitfall] = {row: pitfall for pitfall in suite.pitfalls for row in pitfall.rows}
    seen = 0
    for name in MARKS:
        right, *rows = suite.find(name).cells()
        for cell in rows:
            if cell.published is None:
                continue
            seen += 1
            points = by_row[f"{name}: {cell.row_label}"].points
            assert points is not None
            assert right.published is not None
            assert points[0] - 0.02 <= cell.published - right.published <= points[1] + 0.02, cell.id
    assert seen >= 7


if __name__ == "__main__":
    PAGE.write_text(with_causes(PAGE.read_text(encoding="utf-8"), load_suite()), encoding="utf-8")
    sys.exit(0)
