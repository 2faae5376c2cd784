"""The HTML report as text: well-formed, self-contained, accessible, safe."""

import base64
import dataclasses
import hashlib
import itertools
import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from report_fixture import SUITE, content, usual, without_results

from repro.report.changes import Change
from repro.report.formats.html import report_html
from repro.report.grid import grid

VOID_ELEMENTS = {"meta", "link", "img", "input", "br"}
EVIL = "<script>alert('x')</script>\"&'</script>"


class Page(HTMLParser):
    """Elements of a page with their attributes; raises where tags don't nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open[-1:] == [tag], f"</{tag}> closes nothing"
        self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text() -> str:
    return report_html(usual())


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_equal_contents_give_equal_pages(text):
    assert report_html(content()) == text


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert [i for i, n in Counter(ids).items() if n > 1] == []
    inner = [a["href"][1:] for a in page.all("a") if a.get("href", "").startswith("#")]
    assert len(inner) > 20
    assert set(inner) <= set(ids)


def test_labels_and_references_of_controls_resolve(page):
    ids = {attributes.get("id") for _, attributes in page.elements}
    for name in ("for", "aria-labelledby", "data-filter", "data-views"):
        wanted = {part for _, a in page.elements if a.get(name) for part in a[name].split()}
        assert wanted <= ids, name


def test_nothing_is_asked_of_other_places(text, page):
    sources = [a[key] for _, a in page.elements for key in ("src", "poster", "data", "srcset") if a.get(key)]
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert [a["href"] for a in page.all("link")] == ["data:,"]
    assert not re.search(r"@import|url\((?!#|data:)", text)
    outside = {a["href"] for a in page.all("a") if re.match(r"[a-z]+:", a.get("href") or "")}
    assert outside == {"https://arxiv.org/abs/1706.05587"}


def test_the_security_policy_admits_this_script_and_no_other(text, page):
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_a_page_is_small(text):
    assert len(text.encode()) < 3_000_000


def test_tables_have_scopes_and_pictures_have_words(page):
    assert all(a.get("scope") in ("row", "col") for a in page.all("th"))
    assert all("alt" in a for a in page.all("img"))
    assert all(a.get("aria-labelledby") for a in page.all("svg"))
    assert page.all("html")[0]["lang"] == "en"
    headings = [tag for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert headings.count("h1") == 1
    assert all(int(b[1]) - int(a[1]) <= 1 for a, b in itertools.pairwise(headings))


def test_every_number_of_the_table_is_on_the_page(page):
    words = " ".join(page.words)
    for cell in grid(usual()).cells():
        assert cell.published in words
        assert cell.ours in words
        assert cell.interval in words


def test_sections_in_the_order_that_readers_need(page):
    order = [a["href"][1:] for a in page.all("a") if a.get("href", "").startswith("#")]
    sections = [a["id"] for a in page.all("section")]
    assert order[1 : 1 + len(sections)] == sections
    assert sections == [
        "table", "claims", "cells", "agreement", "pictures", "classes", "curves", "protocol", "cost", "records",
        "commands", "limits",
    ]  # fmt: skip


def test_words_from_outside_cannot_become_markup():
    base = usual()
    failed = dataclasses.replace(base.cells[-2], reason=EVIL, command=EVIL)
    cells = tuple(
        failed
        if c is base.cells[-2]
        else dataclasses.replace(c, cell=dataclasses.replace(c.cell, row_label=EVIL, note=EVIL))
        for c in base.cells
    )
    claims = tuple(dataclasses.replace(c, text=EVIL, sentence=EVIL) for c in base.claims)
    pictures = tuple(dataclasses.replace(p, names=(EVIL,) * 4) for p in base.pictures)
    text = report_html(
        dataclasses.replace(
            base,
            table=dataclasses.replace(base.table, title=EVIL, headings=(EVIL,), heads={0: (EVIL,)}, notes=(EVIL,)),
            cells=cells,
            claims=claims,
            pictures=pictures,
            headline=EVIL,
            scale_text=EVIL,
            dataset=EVIL,
            command=EVIL,
            environment={EVIL: EVIL},
            classes=dataclasses.replace(base.classes, names=(EVIL,) * 9),
        )
    )
    assert text.count("<script") == usual_scripts()
    assert EVIL not in text
    page = Page(text)
    assert [a for _, a in page.elements if any(name.startswith("on") for name in a)] == []
    assert json.loads(re.search(r'id="report-data">(.*?)</script>', text, re.DOTALL)[1])["title"] == EVIL


def usual_scripts() -> int:
    return report_html(usual()).count("<script")


def test_the_data_inside_is_the_document(text):
    data = json.loads(re.search(r'id="report-data">(.*?)</script>', text, re.DOTALL)[1])
    assert [row["published"] for row in data["cells"]][:4] == [68.39, 73.21, 75.34, 75.76]


def test_before_anything_was_run():
    page = Page(report_html(without_results(usual())))
    sections = [a["id"] for a in page.all("section")]
    assert sections == ["table", "protocol", "records", "commands", "limits"]
    assert " ".join(page.words).count("not run") >= 20


@pytest.mark.parametrize("table", ["v3/table1", "v3plus/table5"])
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_other_tables(table, seeds):
    page = Page(report_html(content(table=table, seeds=seeds, broken=False)))
    assert ("seed noise is unknown" in " ".join(page.words)) == (len(seeds) == 1)


def test_changes_are_told():
    page = Page(report_html(usual(), (Change("(1, 1, 1), block4", "49.00", "49.81", "+0.81"),)))
    assert "Since the report before" in " ".join(page.words)


def test_the_largest_table_still_fits():
    largest = max(SUITE.tables.values(), key=lambda table: len(table.cells()))
    text = report_html(content(table=largest.id, seeds=tuple(range(5)), broken=False))
    assert len(text.encode()) < 3_000_000
    assert Page(text).all("section")


def test_a_table_of_quoted_numbers_only():
    page = Page(report_html(content(table="v3/table13")))
    assert " ".join(page.words).count("quoted") >= 18
