"""The Markdown twin: deterministic, well-formed, the same numbers as the table."""

import dataclasses
import re

import pytest
from report_fixture import SUITE, content, usual, without_results

from repro.report.formats.markdown import code, report_markdown, text
from repro.report.grid import grid


@pytest.fixture(scope="module")
def page() -> str:
    return report_markdown(usual())


def tables(page: str) -> list[list[str]]:
    """Runs of lines that begin with a bar."""
    found: list[list[str]] = [[]]
    for line in page.split("\n"):
        if line.startswith("|"):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_equal_records_give_equal_bytes(page):
    assert report_markdown(content()) == page


def test_every_table_is_rectangular(page):
    for table in tables(page):
        widths = {len(cells(line)) for line in table}
        assert len(widths) == 1, table[0]
        assert set(cells(table[1])) <= {"---", "---:"}


@pytest.mark.parametrize("scale", ["tiny", "paper"])
def test_the_paper_table_has_the_same_numbers_as_the_grid(scale):
    base = content(scale=scale)
    table = next(t for t in tables(report_markdown(base)) if "block4" in t[0])
    # differences that are not judged are not shown
    each = 3 if scale == "paper" else 2
    for index, row in enumerate(grid(base).rows):
        published, ours, *differences = (cells(line)[2:] for line in table[2 + each * index : 2 + each * (index + 1)])
        assert published == [c.published for c in row.cells]
        assert all(c.ours in shown for c, shown in zip(row.cells, ours, strict=True))
        for line in differences:
            assert all(c.difference in shown for c, shown in zip(row.cells, line, strict=True) if c.n)


def test_every_claim_with_its_verdict(page):
    for claim in usual().claims:
        assert claim.id in page
        assert text(claim.text) in page


def test_failed_cells_show_reason_and_command(page):
    assert "loss became NaN at iteration 83" in page
    failed = next(c for c in usual().cells if c.state == "failed")
    assert f"```sh\n{failed.command}\n```" in page


def test_no_trailing_blank_runs_and_no_missing_values(page):
    assert "\n\n\n" not in page
    assert not re.search(r"\b(None|nan|inf)\b", page)


def test_markup_in_words_is_escaped():
    base = usual()
    table = dataclasses.replace(base.table, title="<script>alert(1)</script> *bold* | `x` & [l](u)")
    first = report_markdown(dataclasses.replace(base, table=table)).split("\n")[0]
    assert r"\<script\>alert(1)\</script\> \*bold\* \| \`x\` &amp; \[l\](u)" in first


def test_code_spans_survive_bars_and_ticks():
    assert code("a|b`c") == r"`a\|b'c`"


def test_before_anything_was_run():
    page = report_markdown(without_results(usual()))
    assert page.count("not run") >= 20
    assert "## Every cell" not in page


def test_one_seed_says_what_is_unknown():
    page = report_markdown(content(seeds=(0,)))
    assert "seed noise is unknown" in page
    assert "--seeds 5" in page


@pytest.mark.parametrize("table", list(SUITE.tables))
def test_every_table_of_the_suite(table):
    base = content(table=table, broken=False)
    page = report_markdown(base)
    for found in tables(page):
        assert len({len(cells(line)) for line in found}) == 1
        assert len(cells(found[0])) <= 8 + 1 + len(base.table.headings)
    assert page.count("<details>") == page.count("</details>")
    assert not re.search(r"\b(None|nan|inf)\b(?! of)", page)
