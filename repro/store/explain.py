"""Why a training or evaluation would run again, although one with the same settings and seed is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from repro.store.store import Record, Store, Stored

_MOST_NAMES = 4


class History:
    """What is stored, found by its settings and seed, whatever code and data it was computed with."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._trainings = {record["key"]: record for record in store.records("training")}
        self._evaluations = {record["key"]: record for record in store.records("evaluation")}
        kinds: tuple[Stored, ...] = ("training", "evaluation")
        self._damaged = {(kind, key) for kind in kinds for key in store.damaged(kind)}
        self._alike: dict[str | None, list[Record]] = {}
        for training in self._trainings.values():
            self._alike.setdefault(self._identity(training), []).append(training)
        for evaluation in self._evaluations.values():
            self._alike.setdefault(self._identity(evaluation), []).append(evaluation)

    def explain(self, kind: Stored, wanted: Mapping[str, Any]) -> str:
        """Return in a few words why `wanted` has to run.

        `wanted` has the entries of a record that determine it: ``key``, ``config``, ``data_fingerprint``,
        ``code`` and, for a training, ``task``, ``seed`` and ``parent``, for an evaluation ``training``; the
        last two are not keys here but such mappings themselves (or None for no parent).
        """
        key = wanted["key"]
        if key in (self._trainings if kind == "training" else self._evaluations):
            return "stored"
        failures = self._store.failures(key)
        if failures:
            return f"failed before: {failures[-1]['reason']}"
        if (kind, key) in self._damaged:
            return "its record was damaged"
        alike = self.alike(wanted)
        if not alike:
            return "not run yet"
        changes = min((self._changes(wanted, record) for record in alike), key=len)
        return "; ".join(changes) or "stored under another key, by another version of this suite"

    def alike(self, wanted: Mapping[str, Any]) -> list[Record]:
        """Return the records of the same settings and seed as `wanted`, whatever code and data, the newest first."""
        alike = self._alike.get(self._identity(wanted), [])
        return sorted(alike, key=lambda record: str(record.get("started", "")), reverse=True)

    def _first(self, record: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what `record` builds on: an evaluation's training, a training's parent."""
        first = record["training"] if "training" in record else record["parent"]
        if not isinstance(first, str):
            nearest: Mapping[str, Any] | None = first
            return nearest
        return self._trainings.get(first, {"key": first, "lost": True})

    def _identity(self, record: Mapping[str, Any]) -> str | None:
        """Return settings, seed and those of what it builds on as one string; None if that is no longer stored."""
        if record.get("lost"):
            return None
        first = self._first(record)
        before = None if first is None else self._identity(first)
        if first is not None and before is None:
            return None
        seed = None if "training" in record else record["seed"]  # an evaluation's seed is its training's
        return json.dumps([record.get("task"), record["config"], seed, before], sort_keys=True)

    def _changes(self, wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
        """Return what differs between two records of the same identity."""
        changes = []
        if modules := _changed_modules(wanted["code"], stored["code"]):
            changes.append("code changed: " + _list(modules))
        if wanted["data_fingerprint"] != stored["data_fingerprint"]:
            changes.append("data changed")
        new, old = self._first(wanted), self._first(stored)
        if new is not None and old is not None:
            what = "its training" if "training" in wanted else "the training it starts from"
            changes += [f"{what}: {change}" for change in self._changes(new, old) if change not in changes]
        return changes


def explain(store: Store, kind: Stored, wanted: Mapping[str, Any]) -> str:
    """Return why `wanted` has to run; `History.explain` for one question only."""
    return History(store).explain(kind, wanted)


def _changed_modules(wanted: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    new, old = wanted["modules"], stored["modules"]
    return sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))


def _list(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
