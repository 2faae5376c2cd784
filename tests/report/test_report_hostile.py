"""Titles, class names, ids, reasons and paths that hold HTML, script, Markdown or formulas: nothing runs, nothing ends.

What a user's own specs, data sets and error messages say reaches every format. Here every text of a report is such.
"""

import csv
import dataclasses
import io
import re
from typing import Any

import numpy as np
import pytest
from browser import Browser, find_browser
from markdown_it import MarkdownIt
from PIL import Image
from report_fixture import SUITE, content
from typer.testing import CliRunner

from repro.cli import app
from repro.report.formats.frames import cells_frame, to_csv, to_document
from repro.report.formats.html import report_html
from repro.report.formats.index_page import entry, index_html, index_markdown, unreported
from repro.report.formats.markdown import code, fence, report_markdown, text
from repro.report.formats.write import write_report
from repro.report.table_head import table_head

SCRIPT = "</script></title></style>--><script>window.ran=1</script>"
HOSTILE = (
    SCRIPT,
    "\"'><img src=x onerror=window.ran=1>",
    "<svg/onload=window.ran=1>",
    "{{ 7 * 7 }}{% raw %}",
    "```\n\n<b onclick=window.ran=1>b</b>\n\n[a](javascript:window.ran=1) ![i](https://example.org/i.png) <https://example.org>",
    "a | b\r\n# head\n\n| c |\x00\x1b[31m",
)
KEPT = {"basis", "state", "kind", "metric", "verdict", "covers", "direction", "scale", "status", "unit", "name", "mark"}
"""Fields that hold one of a few words of ours."""


def hostile(value: Any, field: str = "", turn: list[int] | None = None) -> Any:
    """Replace every text in a tree of frozen data by a hostile one, the next each time."""
    turn = [0] if turn is None else turn
    if isinstance(value, str):
        if field in KEPT:
            return value
        turn[0] += 1
        return HOSTILE[turn[0] % len(HOSTILE)] + ("" if field in ("url", "date") else str(turn[0]))
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(hostile(item, field, turn) for item in value)
    if isinstance(value, dict):
        return {(hostile(k, "", turn) if isinstance(k, str) else k): hostile(v, "", turn) for k, v in value.items()}
    if dataclasses.is_dataclass(value):
        told = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        return dataclasses.replace(value, **{k: hostile(v, k, turn) for k, v in told.items() if k != "settings"})
    return value


@pytest.fixture(scope="module")
def base():
    made = content(seeds=(0, 1), table="v3/table1")
    ids = {cell.cell.id: f"{SCRIPT}{k}" for k, cell in enumerate(made.cells)}
    spoilt = hostile(made)
    # cells, pictures and pairs must still know each other
    cells = tuple(
        dataclasses.replace(new, cell=dataclasses.replace(new.cell, id=ids[old.cell.id]))
        for old, new in zip(made.cells, spoilt.cells, strict=True)
    )
    pictures = tuple(
        dataclasses.replace(new, cell=ids[old.cell]) for old, new in zip(made.pictures, spoilt.pictures, strict=True)
    )
    table = dataclasses.replace(spoilt.table, metrics={"miou": SCRIPT})
    return dataclasses.replace(spoilt, cells=cells, pictures=pictures, table=table, name="hostile")


@pytest.mark.skipif(find_browser() is None, reason="no Chromium here")
def test_nothing_runs_in_a_browser(base, tmp_path):
    written = write_report(base, tmp_path)
    assert [path.name for path in written] == ["hostile.md", "hostile.html"]
    line = dataclasses.replace(entry(to_document(base), "hostile.html"), file="javascript:window.ran=1.html")
    (tmp_path / "index.html").write_text(index_html([line, *map(unreported, SUITE.tables.values())], SCRIPT))
    (tmp_path / "md.html").write_text(MarkdownIt("gfm-like", {"linkify": False}).render(report_markdown(base)))
    with Browser() as browser:
        browser.page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        for name in ("hostile.html", "index.html", "md.html"):
            browser.open(tmp_path / name)
            browser.evaluate(
                "document.querySelectorAll('a, button, b, img, summary').forEach((e) => { e.onmouseover?.(); })"
            )
            browser.evaluate("new Promise((done) => setTimeout(done, 50))")
            assert browser.evaluate("window.ran") is None, name
            assert (
                browser.evaluate(
                    "[...document.querySelectorAll('a')].filter((a) => a.protocol === 'javascript:').length"
                )
                == 0
            )
            assert [address.rpartition("/")[2] for address in browser.requests()] == [name]
            if name != "md.html":  # in Markdown text may have any element that GitHub's own rules let through
                assert browser.complaints() == []
                handlers = "[...e.attributes].some((a) => a.name.startsWith('on'))"
                assert browser.evaluate(f"[...document.querySelectorAll('*')].some((e) => {handlers})") is False
        browser.open(tmp_path / "hostile.html")
        assert SCRIPT in browser.evaluate("document.querySelector('#paper-table').textContent")


@pytest.mark.skipif(find_browser() is None, reason="no Chromium here")
def test_the_page_of_a_score_runs_nothing(tmp_path, monkeypatch):
    """Class names, file names and folders are the user's own; so is the command that the page repeats."""
    names = ("<img src=x onerror=window.ran=1>", "'><svg onload=window.ran=1>")
    folders = (tmp_path / "<b onclick=window.ran=1>mine", tmp_path / "truth")
    for folder in folders:
        folder.mkdir()
        for k, name in enumerate(names):
            Image.fromarray(np.array([[0, 1, k]], np.uint8)).save(folder / f"{name}.png")
    words = ["score", *map(str, folders), "--classes", f"{names[0]},{names[1]}", "--jobs", "1", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["repro", *words])
    assert CliRunner().invoke(app, words).exit_code == 0
    with Browser() as browser:
        browser.open(tmp_path / "score.html")
        browser.evaluate("new Promise((done) => setTimeout(done, 50))")
        assert browser.evaluate("window.ran") is None
        assert names[0] in browser.evaluate("document.body.textContent")
        handlers = "[...e.attributes].some((a) => a.name.startsWith('on'))"
        assert browser.evaluate(f"[...document.querySelectorAll('*')].some((e) => {handlers})") is False
        assert [address.rpartition("/")[2] for address in browser.requests()] == ["score.html"]


def test_markdown_has_no_element_or_link_but_its_own(base):
    page = MarkdownIt("gfm-like", {"linkify": False}).parse(report_markdown(base))
    tokens = [token for block in page for token in (block, *(block.children or ()))]
    own = re.compile(r"(</?(details|summary)>|[\w ,]|\s)+")  # and plain words of a summary
    for token in tokens:
        assert token.type != "image"
        if token.type.startswith("html"):
            assert own.fullmatch(token.content), token.content
        if token.type == "link_open":
            assert "javascript" not in token.attrs["href"].partition("/")[0]
    headings = [tokens[k + 1].content for k, token in enumerate(tokens) if token.type == "heading_open"]
    tame = report_markdown(content(seeds=(0, 1), table="v3/table1"))
    assert headings[1:] == re.findall("^## (.*)$", tame, flags=re.MULTILINE)
    commands = {token.content for token in tokens if token.type == "fence"}
    assert commands & {base.more_seeds + "\n", base.more_seeds.replace("\r\n", "\n").replace("\x00", "�") + "\n"}


@pytest.mark.parametrize("words", HOSTILE)
def test_words_code_and_commands_stay_what_they_are(words):
    md = MarkdownIt("gfm-like", {"linkify": False})
    tokens = md.parse(fence(words))
    assert [(token.type, token.content) for token in tokens] == [
        ("fence", words.replace("\r\n", "\n").replace("\x00", "�") + "\n")
    ]
    for made in (text(words), code(words)):
        children = [child.type for token in md.parse(f"a {made} z") for child in (token.children or ())]
        assert set(children) <= {"text", "code_inline", "text_special"}, made
        assert "\n" not in made


def test_an_arxiv_number_cannot_leave_its_link():
    spec = SUITE.find("v3/table3")
    paper = spec.paper.model_copy(update={"arxiv": "1706.05587> <img src=x> [a](javascript:b)\"'"})
    spec = spec.model_copy()
    object.__setattr__(spec, "_paper", paper)
    url = table_head(spec).url
    assert re.fullmatch(r"https://arxiv\.org/abs/[\w.%/-]+", url)
    assert table_head(SUITE.find("v3/table3")).url == "https://arxiv.org/abs/1706.05587"


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_csv_holds_no_formula(words):
    base = content(seeds=(0,), table="v3/table4", broken=False)
    cells = tuple(
        dataclasses.replace(c, cell=dataclasses.replace(c.cell, row_label=words), reason=words) for c in base.cells
    )
    data = to_csv(cells_frame(dataclasses.replace(base, cells=cells)))
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert {row["row"] for row in rows} == {"'" + words.replace("\r", " ")} == {row["reason"] for row in rows}
    # numbers stay numbers, negative ones too
    assert all(float(row["difference"]) < 0 for row in rows)


def test_an_index_over_pages_of_others(tmp_path):
    """A page whose data is damaged or somebody else's is no report; the others are listed."""
    write_report(content(seeds=(0,), table="v3/table4"), tmp_path, ("html",))
    good = (tmp_path / "v3-table4.html").read_text()
    for k, data in enumerate(
        ('{"table": 1, "scale": 2, "cells": 3}', '{"table": "a", "scale": "b", "cells": [1]}', "[]")
    ):
        page = re.sub(r'(id="report-data">).*?(</script>)', rf"\g<1>{data}\g<2>", good, flags=re.DOTALL)
        (tmp_path / f"other{k}.html").write_text(page)
    from repro.report.formats.index_page import entries

    assert [line.file for line in entries(tmp_path)] == ["v3-table4.html"]
    again = write_report(content(seeds=(0,), table="v3/table4"), tmp_path, ("html",))
    assert again[0].read_text() == good
    assert "javascript:" not in index_markdown([dataclasses.replace(entries(tmp_path)[0], file="javascript:a.html")])
    assert report_html(content(seeds=(0,), table="v3/table4")) == good
