"""How much a user may ask for at once. More is taken for a mistake, and refused before it takes time.

What a single setting may be stands with it, in `repro.spec.protocol`.
"""

from __future__ import annotations

from repro.errors import InputError

SPEC_BYTES = 500_000
"""Of one spec file; the longest of the suite's own has 20,000."""
SPEC_FILES = 500
"""Below one folder of --tables."""
FOLDER_BYTES = 5_000_000
"""Of all spec files there."""
FOLDER_ENTRIES = 50_000
"""Files and folders looked at there, spec files or not: --tables / is a slip."""
NESTING = 20
"""Of lists and tables in a spec or in an option's value."""
DIGITS = 18
"""Of an integer: what 64 bits hold."""
DECIMAL_EXPONENT = 100
"""Of a number's power of ten, either way."""

CELLS = 1000
"""Of one table. The largest printed one of the papers has 48, the longest curve 160."""
CLAIMS = 200
"""Of one table, or of one paper's text."""
RULES = 200
"""Deviations of one scale, table or paper."""
NOTES = 100
"""Of one table; also of its headings and aliases."""
NAME = 80
"""Letters of an id, an alias, or a name of a scale or data set: they become names of files."""
LABEL = 200
"""Letters of a row's or column's label."""
TEXT = 3000
"""Letters of a title, a note or a claim's sentence."""

SEEDS = 1000
"""Of one cell."""
EVALUATIONS = 20_000
"""Of one plan: measured cells times seeds."""
JOBS = 1024
"""Trainings at a time."""
PROCESSES = 1024
"""GPUs that train one network together."""


def check_count(option: str, count: int | None, low: int, high: int) -> None:
    """Raise InputError where an option's number is out of bounds; None: it was not given."""
    if count is not None and count < low:
        raise InputError(f"{option} {count}: at least {low} is needed.")
    if count is not None and count > high:
        raise InputError(f"{option} {count}: at most {high} can be asked for. Give less.")
