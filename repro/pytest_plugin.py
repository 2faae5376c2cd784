"""`repro check` in pytest: `pytest --repro-check v3/table3`, one test for each cell and for each frozen computation.

The check runs once, with the first of its tests; docs/check.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the command that the tests stand for."""
    group = parser.getgroup("repro", "reproduction check")
    group.addoption("--repro-check", action="append", default=[], metavar="TABLE", help="Hold a table's baseline.")
    group.addoption("--repro-baselines", default="reports/baselines", metavar="DIR", help="Where baselines are kept.")
    group.addoption("--repro-tables", default=None, metavar="DIR", help="Your own paper's specs.")
    group.addoption("--repro-scale", default="smoke", metavar="SCALE", help="The scale of the baselines.")
    group.addoption("--repro-store", default=None, metavar="DIR", help="Where records are kept (default: not kept).")
    group.addoption("--repro-jobs", default=None, type=int, metavar="N", help="Trainings at a time.")


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of the tables that were asked for."""
    if tables := config.getoption("--repro-check"):
        run = _CheckRun(tuple(tables), config)
        for suite, case in run.tests():
            items.append(
                CheckItem.from_parent(session, name=f"{suite} {case}".strip(), run=run, suite=suite, case=case)
            )


class CheckItem(pytest.Item):
    """A cell, or a step or an evaluation from frozen weights."""

    def __init__(self, *, run: _CheckRun, suite: str, case: str, **more: Any) -> None:
        super().__init__(**more)
        self._run, self._suite, self._case = run, suite, case

    def runtest(self) -> None:
        """Fail with what the check says of it."""
        problem = self._run.problems.get((self._suite, self._case))
        if problem is not None:
            raise _MovedError(problem)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What moved, without a traceback; wrong input as the command has it."""
        from repro.errors import InputError

        if isinstance(excinfo.value, _MovedError | InputError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """What it is called."""
        return Path("repro check"), None, self.name


class _MovedError(Exception):
    """A result is not the baseline's."""


class _CheckRun:
    """One check of several tables."""

    def __init__(self, tables: tuple[str, ...], config: pytest.Config) -> None:
        self._tables, self._config = tables, config
        self._baselines = Path(config.getoption("--repro-baselines"))
        own, self._scale = config.getoption("--repro-tables"), config.getoption("--repro-scale")
        self._own = Path(own) if own else None

    def tests(self) -> Iterator[tuple[str, str]]:
        """(suite, case) of JUnit for each cell; (suite, "") for what starts from frozen weights."""
        from repro.errors import InputError
        from repro.judge.baseline import path_of, read
        from repro.regression.baseline import read as read_steps
        from repro.regression.baseline import steps_path
        from repro.spec.load import load_suite

        try:
            for table in load_suite([self._own] if self._own else None).select(self._tables):
                remedy = f"Make it: python -m repro check {table.id} --update"
                baseline = read(path_of(self._baselines, table.id, self._scale), remedy)
                for cell in baseline.cells:
                    yield f"{table.id} at {self._scale}", cell.id.removeprefix(f"{table.id}/")
                if baseline.steps:
                    for probe in read_steps(steps_path(self._baselines, table.id, self._scale), remedy).probes:
                        yield f"{probe.name} at {self._scale}, from frozen weights", ""
        except InputError as error:
            raise pytest.UsageError(str(error)) from error

    @cached_property
    def problems(self) -> dict[tuple[str, str], str]:
        """What moved or failed: (suite, case) -> its text; of a suite without cases of its own the first."""
        from repro.commands import check
        from repro.run.session import Options

        with tempfile.TemporaryDirectory() as folder:
            store = self._config.getoption("--repro-store") or folder
            options = Options(self._tables, scale=self._scale, store=Path(store), tables_dir=self._own)
            junit = Path(folder) / "check.xml"
            files = check.CheckFiles(self._baselines, junit=junit)
            check.main(options, files, "cpu", self._config.getoption("--repro-jobs"), update=False, as_json=True)
            root = ElementTree.parse(junit).getroot()
        problems: dict[tuple[str, str], str] = {}
        for suite in root.findall("testsuite"):
            for case in suite.findall("testcase"):
                for problem in case:
                    text = problem.text or problem.get("message") or ""
                    for name in (case.get("name") or "", ""):
                        problems.setdefault((suite.get("name") or "", name), text)
        return problems
