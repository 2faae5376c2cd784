"""JUnit XML of a check: what continuous-integration services read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from repro.judge.drift import CheckedCell, CheckedTable
from repro.report.check_summary import shift_line


@dataclass(frozen=True)
class Case:
    """A test case: passed, or with a failure or an error."""

    name: str
    problem: Literal["", "failure", "error"] = ""
    message: str = ""
    text: str = ""


@dataclass(frozen=True)
class TestSuite:
    """Test cases of one class."""

    name: str
    classname: str
    cases: tuple[Case, ...]


def junit(tables: Sequence[CheckedTable], seconds: float, more: Sequence[TestSuite] = ()) -> bytes:
    """A test suite for each table, a test case for each cell; `more` follow; `seconds`: what the whole check took."""
    root = ElementTree.Element("testsuites", {"name": "repro check", "time": f"{seconds:.3f}"})
    for table in tables:
        counts = {"tests": len(table.cells), "failures": table.count("moved"), "errors": table.count("failed")}
        attributes = {name: str(count) for name, count in counts.items()}
        suite = ElementTree.SubElement(root, "testsuite", {"name": f"{table.table} at {table.scale}", **attributes})
        for cell in table.cells:
            _case(suite, table, cell)
    for further in more:
        _suite(root, further)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    return _document(root)


def unfinished(reason: str, seconds: float) -> bytes:
    """What stands for a check that came to no result: one test case in error, with the reason."""
    root = ElementTree.Element("testsuites", {"name": "repro check", "time": f"{seconds:.3f}"})
    counts = {"tests": "1", "failures": "0", "errors": "1"}
    suite = ElementTree.SubElement(root, "testsuite", {"name": "repro check", **counts})
    case = ElementTree.SubElement(suite, "testcase", {"classname": "repro", "name": "check"})
    ElementTree.SubElement(case, "error", {"type": "unfinished", "message": clean(reason)}).text = clean(reason)
    for name, count in counts.items():
        root.set(name, count)
    return _document(root)


def _document(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'.encode()


def _suite(root: ElementTree.Element, cases: TestSuite) -> None:
    counts = {"tests": len(cases.cases)}
    counts |= {f"{kind}s": sum(case.problem == kind for case in cases.cases) for kind in ("failure", "error")}
    attributes = {name: str(count) for name, count in counts.items()}
    suite = ElementTree.SubElement(root, "testsuite", {"name": clean(cases.name), **attributes})
    for case in cases.cases:
        element = ElementTree.SubElement(
            suite, "testcase", {"classname": clean(cases.classname), "name": clean(case.name)}
        )
        if case.problem:
            attributes = {"type": "moved" if case.problem == "failure" else "failed", "message": clean(case.message)}
            ElementTree.SubElement(element, case.problem, attributes).text = clean(case.text)


def _case(suite: ElementTree.Element, table: CheckedTable, cell: CheckedCell) -> None:
    name = cell.id.removeprefix(f"{table.table}/")
    case = ElementTree.SubElement(suite, "testcase", {"classname": table.table.replace("/", "."), "name": name})
    if cell.state in ("moved", "failed"):
        tag = "failure" if cell.state == "moved" else "error"
        problem = ElementTree.SubElement(case, tag, {"type": cell.state, "message": clean(cell.detail)})
        problem.text = clean("\n".join([cell.detail, *(shift_line(shift) for shift in cell.shifts)]))


def clean(text: str) -> str:
    """Text without the control characters that XML has no way to write."""
    return "".join(c for c in text if c in "\t\n" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff")
