"""JUnit XML that parsers read, whatever is in a cell's name or a failure's text; and the Markdown beside it."""

from __future__ import annotations

from xml.etree import ElementTree

from repro.judge.drift import CheckedCell, CheckedTable, Shift
from repro.report.check_summary import About, headline, json_rows, measure, moved_rows, summary
from repro.report.formats.junit import junit

MOVED = Shift("score", 0.191, 0.173, 0.0125, True)
NASTY = "out of <memory> & \x1b[31mcontrol\x00 characters\ud800 | pipes"
ABOUT = About(["cpu: One -> Two"], ["repro.nets.aspp"], "2026-01-01", "abc", "python -m repro check v3/table3 --update")


def table(exact=False):
    return CheckedTable(
        "v3/table3",
        "smoke",
        exact,
        (
            CheckedCell("v3/table3/1-1-1/block4", "measured", "within", 1, (Shift("score", 0.2, 0.21, 0.0125, False),)),
            CheckedCell("v3/table3/<a&b>", "measured", "moved", 1, (MOVED,), "beyond what seeds explain: score"),
            CheckedCell("v3/table3/c", "measured", "failed", 0, detail=NASTY),
        ),
        6,
        {"score": 0.004, "mean loss": 0.02},
    )


def test_every_cell_is_a_test_case():
    root = ElementTree.fromstring(junit([table(), table()], 12.5))
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("time")) == ("6", "2", "2", "12.500")
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["v3/table3 at smoke"] * 2
    cases = suites[0].findall("testcase")
    assert [case.get("name") for case in cases] == ["1-1-1/block4", "<a&b>", "c"]
    assert {case.get("classname") for case in cases} == {"v3.table3"}
    assert [[part.tag for part in case] for case in cases] == [[], ["failure"], ["error"]]


def test_a_failure_tells_numbers_and_an_error_its_reason():
    suite = ElementTree.fromstring(junit([table()], 1.0))
    failure, error = suite.find(".//failure"), suite.find(".//error")
    assert failure is not None
    assert error is not None
    assert "score: 19.100 % -> 17.300 %, difference -1.800, tolerated ±1.250: MOVED" in (failure.text or "")
    assert error.get("message") == "out of <memory> & [31mcontrol characters | pipes"


def test_the_summary_shows_what_moved_and_how_to_accept_it():
    told = summary([(table(), ABOUT)])
    assert "Reproduction check: FAILED" in told
    assert "1 of 3 cells failed to run; 1 of 3 cells moved beyond what seeds and rounding explain" in told
    row = next(line for line in told.splitlines() if "a&amp;b" in line)
    assert all(part in row for part in ("19.100 %", "17.300 %", "-1.800", "±1.250"))
    assert "`repro.nets.aspp`" in told
    assert ABOUT.update in told
    columns = {line.count(" | ") for line in told.splitlines() if line.startswith("|")}
    assert len(columns) == 1  # a pipe in a text must not make a column


def test_what_passes_is_one_line():
    whole = CheckedTable("t", "smoke", True, (CheckedCell("t/a", "measured", "equal", 1),))
    assert headline(whole) == "t at smoke: all 1 cells are equal to the last bit."
    assert moved_rows(whole) == []
    assert "--update" not in summary([(whole, ABOUT)])
    assert "FAILED" not in summary([(whole, ABOUT)])
    assert "Modules changed since: 1\n" in summary([(whole, ABOUT)])  # their names are of use where something moved
    assert "Modules changed since: `repro.nets.aspp`" in summary([(table(), ABOUT)])


def test_rows_and_measure():
    rows = json_rows(table())
    assert [row["state"] for row in rows] == ["within", "moved", "failed"]
    assert rows[1]["baseline"] == 0.191
    assert rows[1]["comparisons"][0]["tolerance"] == 0.0125
    told = measure(table(), ABOUT)
    assert "cpu: One -> Two" in told
    assert "6 comparisons" in told
    assert "1% of runs" in told
