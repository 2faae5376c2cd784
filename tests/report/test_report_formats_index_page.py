"""The index over a folder's reports."""

import dataclasses

import pytest
from report_fixture import SUITE, changed, content, usual
from test_report_formats_html import Page

from repro.report.formats.frames import to_document
from repro.report.formats.index_page import (
    Entry,
    entries,
    entry,
    groups,
    index_html,
    index_markdown,
    status,
    unreported,
    write_index,
)
from repro.report.formats.write import write_report

KNOWN = [unreported(table) for table in SUITE.tables.values()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("reports")
    write_report(usual(), out, ("html",))
    write_report(content(table="v3/table4", broken=False), out, ("html",))
    return out


def test_known_tables_come_in_their_order_with_what_their_reports_say(folder):
    found = entries(folder, KNOWN)
    assert [line.id for line in found] == [line.id for line in KNOWN]
    reported = [line.id for line in found if line.file]
    assert reported == ["v3/table3", "v3/table4"]


def test_counts(folder):
    line = next(e for e in entries(folder) if e.id == "v3/table3")
    assert (line.cells, dict(line.states)) == (20, {"incomparable": 18, "failed": 1, "missing": 1})
    assert status(line) == "18 of 20, 1 failed, 1 not run"
    assert sum(n for _, n in line.verdicts) == len(usual().claims)
    assert (line.computed, line.printed) == ((), 0)
    assert status(KNOWN[0]) == "not run"


def test_claims_are_counted_apart_by_what_decides_them():
    document = to_document(usual())
    first, second, third, *rest = document["claims"]
    of = [{**first, "basis": "computed", "verdict": "supported"}, {**second, "basis": "printed", "verdict": "not run"}]
    older = {key: value for key, value in third.items() if key != "basis"}
    line = entry({**document, "claims": [*of, {**older, "verdict": "supported"}, *rest]}, "a.html")
    assert line.computed == (("supported", 1),)
    assert line.printed == 1
    assert sum(n for _, n in line.verdicts) == len(rest) + 1
    page, markdown = index_html([line], "1"), index_markdown([line])
    assert "Claims, computed" in page
    assert "Claims, printed only" in page
    assert next(row for row in markdown.splitlines() if row.startswith("| [")).endswith("| ✓ 1 | 1 |")


def test_index_pages(folder):
    paths = write_index(folder, KNOWN, "1.2.3")
    assert [path.name for path in paths] == ["index.md", "index.html"]
    page = Page(paths[1].read_text())
    assert {"v3-table3.html", "v3-table4.html"} <= {a.get("href") for a in page.all("a")}
    assert all((folder / a["href"]).exists() for a in page.all("a") if a.get("href", "").endswith(".html"))
    # Made again, the index is the same: it does not take itself for a report.
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_index(folder, KNOWN, "1.2.3")] == before


def test_quoted_cells_are_not_counted_as_without_a_number():
    quoted = Entry("v3/table7", "Test", "DeepLab v3", "Table 7", "b.html", cells=17, states=(("quoted", 17),))
    page = index_html([entry(to_document(usual()), "a.html"), quoted], "1")
    assert "18 of 20" in page
    assert "17 more are quoted" in page
    assert "18 of 37" not in page


def test_markdown_links_to_markdown():
    line = entry(to_document(usual()), "v3-table3.html")
    other = next(known for known in KNOWN if known.id == "v3/table1")
    page = index_markdown([line, other])
    assert "[v3/table3](v3-table3.md)" in page
    assert "Not run: v3/table1." in page


def test_papers_with_results_come_first_and_whose_claims_they_are_is_kept_apart():
    line = entry(to_document(usual()), "a.html")
    own = dataclasses.replace(line, id="mine/table1", paper="mine", kind="own", file="b.html")
    mistakes = dataclasses.replace(line, id="pitfalls/deeplabv3", kind="pitfalls", file="c.html")
    found = groups([*KNOWN, line, own, mistakes])
    assert [group.title for group in found][:3] == ["mine", "DeepLab v3", "Known mistakes"]
    assert [bool(group.reported) for group in found] == sorted((bool(g.reported) for g in found), reverse=True)
    assert "v3/table1" in [known.id for known in found[1].waiting]
    page = index_html([line, own, mistakes], "1")
    for name in ("Claims of the papers", "Your own hypotheses", "Claims about known mistakes"):
        assert page.count(f"{name}, measured") == 1


def test_a_table_is_listed_with_the_first_of_its_findings():
    assert usual().findings
    assert entry(to_document(usual()), "a.html").finding == usual().findings[0].text


def test_changed_settings_stand_beside_the_scale():
    assert entry(to_document(changed(usual())), "a.html").scale == "tiny, changed"
    assert entry(to_document(usual()), "a.html").scale == "tiny"
    older = {key: value for key, value in to_document(usual()).items() if key != "changed"}
    assert entry(older, "a.html").scale == "tiny"


def test_titles_are_escaped():
    document = {**to_document(usual()), "title": "<script>"}
    assert "<script>" not in index_html([entry(document, "a.html")], "1").replace('<script>"use strict"', "")
