"""Whether the reports on disk already say what the store would: a second run then has nothing to write."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from repro.files import Damaged, read, seal, unseal, write
from repro.plan.code import Code, closure
from repro.plan.plan import Plan
from repro.spec.implementation import source_of
from repro.spec.metric import Metric, find_metric
from repro.spec.table import TableSpec
from repro.store.store import Store, Stored

NOTES = ".written.json"
"""In the folder of reports; may be deleted at any time."""


def digest(plan: Plan, table: TableSpec, store: Store, entry: str, facts: Sequence[str]) -> str:
    """Hex digest of all that decides a table's report: spec, protocols, records, failures, code, what else is `facts`.

    `entry` is the module that writes it: what it imports counts as its code. Records never change under their key.
    """
    parts: list[object] = [table.model_dump_json(), closure([entry]).digest, *facts]
    names = {cell.metric for cell in table.cells()} | {claim.metric for claim in table.claims}
    for metric in (find_metric(name) for name in sorted(names)):
        parts.append((repr(metric), own_code(metric).digest if metric.is_own else ""))
    for path in sorted((Path(__file__).parent / "formats" / "templates").rglob("*.*")):
        parts.append((path.name, path.stat().st_mtime_ns))
    for planned in plan.of_table(table.id):
        resolved = planned.resolved
        parts.append((planned.cell.id, repr(resolved.deviations) if resolved else ""))
        for evaluation in planned.evaluations.values():
            trainings: list[tuple[Stored, str]] = [
                ("training", training.key) for training in evaluation.training.chain()
            ]
            for kind, key in (("evaluation", evaluation.key), *trainings):
                there = store.file(kind, key, "record.json").exists()
                failed = not there and len(store.failures(key))
                parts.append((key, there, failed))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def own_code(metric: Metric) -> Code:
    """The code of a user's metric: its module, and what that imports of the same distribution."""
    module = metric.name.partition(":")[0]
    return closure([module], source_of(metric.name, module)[0])


class ReportNotes:
    """Table id -> what its report was made from, and the files as they were written."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._known: dict[str, Any] = {}
        with contextlib.suppress(OSError, Damaged, KeyError):
            self._known = unseal(read(out / NOTES))["tables"]

    def fresh(self, table: str, made_from: str) -> list[Path]:
        """The files of a report that needs no writing; empty where it does."""
        known = self._known.get(table)
        if known is None or known["digest"] != made_from:
            return []
        paths = [self._out / name for name in known["files"]]
        same = all(_stamp(path) == stamp for path, stamp in zip(paths, known["files"].values(), strict=True))
        return paths if same else []

    def note(self, table: str, made_from: str, files: Iterable[Path]) -> None:
        """Remember that `files` were written for a table."""
        self._known[table] = {"digest": made_from, "files": {path.name: _stamp(path) for path in files}}

    def keep(self) -> None:
        """Write the notes. Where that fails nothing is lost but the time to write the reports again."""
        with contextlib.suppress(OSError):
            write(self._out / NOTES, seal({"tables": self._known}), durable=False)


def _stamp(path: Path) -> list[int] | None:
    """Size and time of a file; None where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns]
