"""axe-core's rules on every kind of page, in both themes and at both widths: no serious or critical finding.

axe-core is no part of this project. Where it is installed (`npm install axe-core`, and REPRO_AXE names its axe.min.js
or a folder with node_modules), these tests use it.
"""

import os
from pathlib import Path

import pytest
from browser import Browser, find_browser
from report_fixture import SUITE, content
from typer.testing import CliRunner

from repro.cli import app
from repro.report.formats.index_page import unreported, write_index
from repro.report.formats.write import write_report

ROOT = Path(__file__).parents[2]
OPENED = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"


def axe_script() -> Path | None:
    """axe.min.js, where it is installed."""
    given = [Path(os.environ["REPRO_AXE"])] if "REPRO_AXE" in os.environ else []
    for folder in (*given, ROOT, Path.home() / ".cache/repro-axe"):
        for path in (folder, folder / "node_modules/axe-core/axe.min.js"):
            if path.is_file() and path.name == "axe.min.js":
                return path
    return None


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium here"),
    pytest.mark.skipif(axe_script() is None, reason="axe-core is not here: npm install axe-core, REPRO_AXE names it"),
]
PAGES = ("reports/v3-table3.html", "reports/pitfalls-deeplabv3.html", "reports/index.html", "reports/one-seed.html",
         "site/index.html", "site/audit/audit.html")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("pages")
    write_report(content(seeds=(0, 1)), out / "reports", ("html",))
    write_report(content(table="pitfalls/deeplabv3"), out / "reports", ("html",))
    write_report(content(table="v3/table1", seeds=(0,), broken=False, name="one-seed"), out / "reports", ("html",))
    write_index(out / "reports", [unreported(table) for table in SUITE.tables.values()], "1")
    found = CliRunner().invoke(app, ["site", str(out / "site"), "--reports", str(ROOT / "reports")])
    assert found.exit_code == 0, found.output
    return out


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        running.page.context.set_default_timeout(120_000)
        yield running


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", PAGES)
def test_no_serious_finding(browser, folder, page, width, dark):
    browser.open(folder / page, width=width, dark=dark)
    browser.evaluate(OPENED)
    # into the page by the debugger's protocol: the page's own policy lets no script in
    browser.call("Runtime.evaluate", expression=axe_script().read_text(encoding="utf-8"))
    found = browser.call(
        "Runtime.evaluate",
        expression="axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => ({id: v.id, "
        "impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 4).map(n => n.html.slice(0, 160)), "
        "n: v.nodes.length, why: v.nodes[0].failureSummary})))",
        awaitPromise=True,
        returnByValue=True,
    )["result"]["value"]
    serious = [line for line in found if line["impact"] in ("serious", "critical")]
    assert serious == []
