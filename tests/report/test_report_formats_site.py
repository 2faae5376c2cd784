"""The site over the committed reports: what is in it, and what a browser makes of it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from browser import Browser, find_browser
from report_fixture import SUITE, content
from typer.testing import CliRunner

from repro.cli import app
from repro.errors import InputError
from repro.report.formats.site import site_files
from repro.report.formats.write import write_report

ROOT = Path(__file__).parents[2]
in_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium here")


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.hrefs = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids |= {found["id"]} if found.get("id") else set()
        self.hrefs += [found["href"]] if tag == "a" and found.get("href") else []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    found = CliRunner().invoke(app, ["site", str(folder), "--reports", str(ROOT / "reports")])
    assert found.exit_code == 0, found.output
    return folder


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


def test_every_committed_page_is_in_it_and_leads_back(site):
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    committed = {
        path.relative_to(ROOT / "reports").as_posix()
        for path in (ROOT / "reports").rglob("*.html")
        if path.name != "index.html" and "local" not in path.parts
    }
    assert pages == committed | {"index.html"}
    for page in committed:
        assert '<a class="brand" href="../index.html">repro</a>' in (site / page).read_text()


def test_every_link_leads_somewhere(site):
    pages = {path.relative_to(site).as_posix(): Links(path.read_text()) for path in site.rglob("*.html")}
    for name, page in pages.items():
        for href in page.hrefs:
            if re.match(r"https?:", href):
                continue
            address, _, anchor = unquote(href).partition("#")
            target = (Path(name).parent / address).as_posix() if address else name
            target = re.sub(r"^(\w+)/\.\./", "", target)
            assert target in pages, (name, href)
            assert not anchor or anchor in pages[target].ids, (name, href)


def test_each_declared_claim_has_its_id_as_anchor(site):
    ids = Links((site / "index.html").read_text()).ids
    declared = {claim.id for table in SUITE.tables.values() for claim in table.claims}
    assert declared
    assert declared <= ids


def test_pages_of_one_name_stay_apart_and_strange_pages_stay_out(tmp_path):
    one = content(table="v3/table1", seeds=(0,), broken=False, pictures=(), curves=())
    for name in ("tiny", "other"):
        write_report(one, tmp_path / name, ("html",))
    (tmp_path / "notes.html").write_text("<html><title>mine</title></html>")
    files = site_files(tmp_path, SUITE, "1", [tmp_path / "left"])
    assert set(files) == {"index.html", "tiny/v3-table1.html", "other/v3-table1.html"}
    index = files["index.html"].decode()
    assert index.count('href="tiny/v3-table1.html#claim-v3.t1.c1') == index.count(
        'href="other/v3-table1.html#claim-v3.t1.c1'
    )
    with pytest.raises(InputError, match="there is no report below it"):
        site_files(tmp_path, SUITE, "1", [tmp_path / "tiny", tmp_path / "other"])


def test_pages_that_cannot_be_understood_stop_nothing(tmp_path):
    one = content(table="v3/table1", seeds=(0,), broken=False, pictures=(), curves=())
    (page,) = write_report(one, tmp_path, ("html",))
    text = page.read_text()
    (tmp_path / "later.html").write_text(re.sub(r'"verdict": ?"\w[^"]*"', '"verdict": "proven"', text))
    (tmp_path / "notes.html").write_bytes("<html><title>Schön</title></html>".encode("latin-1"))
    files = site_files(tmp_path, SUITE, "1")
    assert set(files) == {"index.html", "v3-table1.html", "later.html"}
    index = files["index.html"].decode()
    assert "proven" not in index
    assert '<li><a href="later.html">' in index  # among the other pages
    (tmp_path / "gone.html").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"gone\.html: cannot be read"):
        site_files(tmp_path, SUITE, "1")


@pytest.mark.parametrize(
    ("words", "message"),
    [(["x", "--reports", "nowhere"], "no such folder"), (["reports/site", "--reports", "reports"], "lies inside")],
)
def test_wrong_folders(words, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = CliRunner().invoke(app, ["site", *words])
    assert isinstance(found.exception, InputError)
    assert message in str(found.exception)
    assert not (ROOT / "x").exists()


SHOWN = (
    "[...document.querySelectorAll('#index-tables tbody tr')]"
    ".filter(row => !row.hidden && row.closest('section:not([hidden])'))"
    ".map(row => row.querySelector('th').textContent)"
)


@in_browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_it_opens_quietly_at_both_widths(browser, site, width, dark):
    browser.open(site / "index.html", width=width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.complaints() == []
    assert [address.rpartition("/")[2] for address in browser.requests()] == ["index.html"]


@in_browser
def test_search_by_keyboard_finds_tables_and_claims_and_is_kept_in_the_address(browser, site):
    browser.open(site / "index.html")
    everything = browser.evaluate(SHOWN)
    browser.press("/")
    assert browser.evaluate("document.activeElement.id") == "index-tables-q"
    browser.page.keyboard.type("block7 resnet")
    found = browser.evaluate(SHOWN)
    assert found
    assert len(found) < len(everything)
    texts = {claim.id: f"{claim.id} {claim.text}".lower() for t in SUITE.tables.values() for claim in t.claims}
    assert any(name in texts for name in found)
    assert all("block7" in texts[name] for name in found if name in texts)
    browser.go(browser.evaluate("location.href"))
    assert browser.evaluate(SHOWN) == found
    browser.evaluate("document.getElementById('index-tables-q').focus()")
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.tagName") in ("A", "DIV", "BUTTON", "SUMMARY")


@in_browser
def test_a_permanent_link_shows_the_claim_and_its_verdict_the_evidence(browser, site):
    browser.go((site / "index.html").as_uri() + "#v3.t3.c1")
    assert browser.evaluate("document.querySelector('tr:target').id") == "v3.t3.c1"
    browser.page.locator("tr:target a.outcome").first.click()
    browser.page.wait_for_url("**/v3-table3.html#claim-v3.t3.c1")
    assert browser.evaluate("document.getElementById('claim-v3.t3.c1').open") is True
    browser.page.locator("a.brand").click()
    browser.page.wait_for_url("**/index.html")


@in_browser
def test_without_scripts_it_is_a_list(browser, site):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(site / "index.html")
        assert browser.page.locator("#claims tbody tr").first.is_visible()
        assert not browser.page.locator("#index-tables-q").is_visible()
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
