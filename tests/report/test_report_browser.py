"""Reports in a real browser: no complaints, no requests, no sideways scrolling, and controls that do what they say."""

import pytest
from browser import Browser, find_browser
from report_fixture import SUITE, content, usual

from repro.report.formats.index_page import unreported, write_index
from repro.report.formats.write import write_report

OPENED = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
pytestmark = pytest.mark.skipif(find_browser() is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("reports")
    write_report(usual(), out, ("html",))
    write_report(content(table="v3/table1", seeds=(0,), broken=False), out, ("html",))
    write_index(out, [unreported(table) for table in SUITE.tables.values()], "1")
    return out


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


@pytest.mark.parametrize("name", ["v3-table3.html", "v3-table1.html", "index.html"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (375, True)])
def test_opens_quietly_and_fits(browser, folder, name, width, dark):
    browser.open(folder / name, width=width, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    # The policy inside the page would turn any request into a complaint; the page itself is the only address asked for.
    assert browser.complaints() == []
    assert [address.rpartition("/")[2] for address in browser.requests()] == [name]


def test_theme_follows_the_system_until_the_reader_chooses(browser, folder):
    background = "getComputedStyle(document.body).backgroundColor"
    browser.open(folder / "v3-table3.html", dark=True)
    dark = browser.evaluate(background)
    browser.open(folder / "v3-table3.html", dark=False)
    light = browser.evaluate(background)
    assert dark != light
    browser.evaluate("document.getElementById('theme').click()")
    assert browser.evaluate(background) == dark
    ink = browser.evaluate("getComputedStyle(document.querySelector('.chart text')).fill")
    browser.evaluate("document.getElementById('theme').click()")
    assert browser.evaluate(background) == light
    assert browser.evaluate("getComputedStyle(document.querySelector('.chart text')).fill") != ink


def test_words_stand_out_from_what_is_behind_them(browser, folder):
    contrast = """(() => {
      const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
      const light = (text) => { const [r, g, b] = rgb(text).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ratio = (name, behind) => { const probe = document.createElement("i"); probe.style.color = `var(--${name})`;
        probe.style.backgroundColor = `var(--${behind})`; document.body.append(probe); const style = getComputedStyle(probe);
        const [a, b] = [light(style.color), light(style.backgroundColor)]; probe.remove();
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
      return Math.min(...["ink", "soft", "accent", "good", "bad", "open"].flatMap((n) => ["page", "panel", "raised"].map((b) => ratio(n, b))));
    })()"""  # noqa: E501
    for dark in (False, True):
        browser.open(folder / "index.html", dark=dark)
        # WCAG 2, level AA, for text of ordinary size.
        assert browser.evaluate(contrast) >= 4.5


def test_sorting_by_number_and_back(browser, folder):
    browser.open(folder / "v3-table3.html")
    column = "[...document.querySelectorAll('#row-table tbody tr')].map(r => r.cells[4].dataset.v)"
    button = "document.querySelectorAll('#row-table .sort')[4].click()"
    original = browser.evaluate(column)
    browser.evaluate(button)
    rising = [float(v) for v in browser.evaluate(column) if v]
    assert rising == sorted(rising)
    assert browser.evaluate(column)[-2:] == ["", ""]
    browser.evaluate(button)
    falling = [float(v) for v in browser.evaluate(column) if v]
    assert falling == sorted(falling, reverse=True)
    assert browser.evaluate("document.querySelectorAll('#row-table th')[4].getAttribute('aria-sort')") == "descending"
    browser.evaluate(button)
    assert browser.evaluate(column) == original


def test_filtering_rows(browser, folder):
    browser.open(folder / "v3-table3.html")
    browser.evaluate(
        "(() => { const q = document.getElementById('row-table-q'); q.value = '(1, 2, 1) block7';"
        " q.dispatchEvent(new Event('input')); })()"
    )
    shown = "[...document.querySelectorAll('#row-table tbody tr')].filter(r => !r.hidden).length"
    assert browser.evaluate(shown) == 2
    assert browser.evaluate("document.getElementById('row-table-count').textContent") == "2 of 38 rows"


def test_views_of_the_table(browser, folder):
    browser.open(folder / "v3-table3.html")
    visible = "getComputedStyle(document.querySelector('#paper-table .v-{}')).display"
    assert browser.evaluate(visible.format("values")) == "block"
    browser.evaluate("document.querySelector('input[name=view][value=ranks]').click()")
    assert browser.evaluate(visible.format("values")) == "none"
    assert browser.evaluate(visible.format("ranks")) == "block"


def test_a_link_keeps_the_chosen_view(browser, folder):
    browser.open(folder / "v3-table3.html")
    browser.evaluate("document.querySelector('input[name=view][value=seeds]').click()")
    browser.evaluate("document.querySelectorAll('#row-table .sort')[4].click()")
    address = browser.evaluate("location.href")
    browser.open(folder / "index.html")
    browser.go(address)
    assert browser.evaluate("document.getElementById('paper-table').dataset.view") == "seeds"
    assert browser.evaluate("document.querySelectorAll('#row-table th')[4].getAttribute('aria-sort')") == "ascending"


def test_a_link_to_a_record_opens_the_list_that_holds_it(browser, folder):
    browser.open(folder / "v3-table3.html")
    browser.evaluate("document.querySelector('#row-table tbody a').click()")
    opened = (
        "new Promise(done => setTimeout(() => done(document.querySelector('tr:target').closest('details').open), 50))"
    )
    assert browser.evaluate(opened) is True


def test_everything_can_be_reached_and_used_by_keyboard(browser, folder):
    """Tab goes through every control in the order of the page, each stop can be seen, and Enter sorts."""
    browser.open(folder / "v3-table3.html")
    browser.evaluate(OPENED)
    browser.evaluate("document.getElementById('row-table').scrollIntoView()")
    browser.evaluate("document.querySelector('#row-table-q').focus()")
    where = "document.activeElement.closest('#row-table th')?.cellIndex ?? document.activeElement.tagName"
    ring = "parseFloat(getComputedStyle(document.activeElement).outlineWidth)"
    stops = []
    for _ in range(12):
        browser.press("Tab")
        stops.append(browser.evaluate(where))
        assert browser.evaluate(ring) >= 1, stops
    heads = [stop for stop in stops if isinstance(stop, int)]
    assert heads == list(range(7)), stops
    browser.evaluate("document.querySelectorAll('#row-table .sort')[4].focus()")
    browser.press("Enter")
    assert browser.evaluate("document.querySelectorAll('#row-table th')[4].getAttribute('aria-sort')") == "ascending"


def test_screen_readers_hear_names_of_tables_charts_and_controls(browser, folder):
    browser.open(folder / "v3-table3.html")
    nameless = """[...document.querySelectorAll('table, svg, button, input, select, [role=region]')].filter((e) =>
      !e.hidden && !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.labels?.length ||
      e.caption || e.closest('[aria-label],[aria-labelledby]') || e.textContent.trim()))
      .map((e) => e.outerHTML.slice(0, 80))"""
    assert browser.evaluate(nameless) == []
    assert browser.evaluate("[...document.querySelectorAll('thead th:not([scope])')].length") == 0
    assert browser.evaluate("[...document.querySelectorAll('img:not([alt])')].length") == 0


def test_pictures_by_keyboard(browser, folder):
    browser.open(folder / "v3-table3.html")
    image = "document.querySelector('img.prediction').src"
    before = browser.evaluate(image)
    browser.evaluate("document.querySelector('button[data-step=\"-1\"]').click()")
    assert browser.evaluate("document.getElementById('picture-cell').selectedOptions[0].text") == "(2, 2, 2), block5"
    assert browser.evaluate(image) != before
    browser.evaluate(OPENED)
    browser.evaluate("document.querySelector('.slide').focus()")
    browser.press("ArrowRight")
    assert browser.evaluate("document.querySelector('.compare').style.getPropertyValue('--cut')") == "51%"


def test_the_first_tab_stop_leads_past_the_contents(browser, folder):
    browser.open(folder / "v3-table3.html")
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.className") == "skip"
    assert browser.evaluate("document.activeElement.getBoundingClientRect().left") >= 0


def test_claims_by_verdict(browser, folder):
    browser.open(folder / "v3-table3.html")
    browser.evaluate(
        "(() => { const s = document.getElementById('verdict'); s.value = 'not run';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    verdicts = "[...document.querySelectorAll('.claim')].filter(c => !c.hidden).map(c => c.dataset.verdict)"
    assert set(browser.evaluate(verdicts)) == {"not run"}


def test_copying_a_command(browser, folder):
    browser.open(folder / "v3-table3.html")
    button = "document.querySelector('#commands button[data-copy]')"
    browser.evaluate(
        "navigator.clipboard.writeText = async (text) => { window.copied = text; };"
        f"(async () => {{ {button}.click(); await new Promise(done => setTimeout(done, 20)); }})()"
    )
    assert browser.evaluate("window.copied") == "python -m repro run v3/table3 --scale tiny --seeds 2"
    assert browser.evaluate(f"{button}.textContent") == "Copied"
    assert browser.evaluate("document.getElementById('said').textContent") == "Command copied"


def test_printed_on_white_without_controls(browser, folder):
    browser.open(folder / "v3-table3.html", dark=True, media="print")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.querySelector('.bar')).display") == "none"


def test_everything_is_there_without_scripts(browser, folder):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(folder / "v3-table3.html")
        tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    names = " ".join(str(node.get("name", {}).get("value", "")) for node in tree)
    assert "76.66" in names
    assert usual().claims[0].text in names
    assert "Every cell with its interval" in names
    assert "Theme" not in names


def test_many_claims_are_folded_and_a_link_or_a_choice_unfolds_them(browser, tmp_path):
    write_report(content(table="pitfalls/deeplabv3", pictures=(), curves=()), tmp_path, ("html",))
    page = tmp_path / "pitfalls-deeplabv3.html"
    browser.open(page)
    more = "document.querySelector('.claims-more').open"
    assert browser.evaluate("document.querySelectorAll('.claims > details.claim').length") == 10
    assert browser.evaluate(more) is False
    last = browser.evaluate("[...document.querySelectorAll('.claims-more .claim')].pop().id")
    browser.go(f"{page.as_uri()}?#{last}")
    assert browser.evaluate(more) is True
    browser.open(page)
    browser.page.select_option("#verdict", "contradicted")
    assert browser.evaluate(more) is True
