"""`--set KEY=VALUE`: any value of the resolved protocol, from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro.errors import InputError, shortened
from repro.spec.keys import Flat, keys, unknown
from repro.spec.reading import read_value

if TYPE_CHECKING:
    from collections.abc import Iterable


OPTIONAL = "evaluate.crf"
"""The part of the protocol that may be off."""


def read_overrides(assignments: Iterable[str]) -> Flat:
    """["train.iterations=10", "evaluate.scales=[0.5, 1.0]"] -> {"train.iterations": 10, ...}.

    A question mark after a part that may be off changes it where it is on: "evaluate.crf?.backend=torch".
    Values are spelt as in TOML; they are checked when the protocol is built. Raises InputError where an assignment has
    no "=", its key does not exist, or is a section.
    """
    out: Flat = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        key = key.strip()
        at = f"--set {shortened(key)}"
        if not equals or not value.strip():
            raise InputError(f"{at}: no value. Write KEY=VALUE, for example --set train.iterations=200.")
        if "?" in key and not key.startswith(f"{OPTIONAL}?"):
            raise InputError(f"{at}: only {OPTIONAL}? can be asked for; other settings are always there.")
        if not keys().get(key.replace(f"{OPTIONAL}?", OPTIONAL), False):
            message = (
                f"is a section; name a value in it, for example {key}.{_first_below(key)}."
                if key in keys()
                else unknown(key)
            )
            raise InputError(f"{at}: {message}")
        try:
            out[key] = read_value(value)
        except InputError as error:
            raise InputError(f"{at}: {error}") from None
    return out


def _first_below(section: str) -> str:
    return next(k for k in keys() if k.startswith(f"{section}."))[len(section) + 1 :]
