"""The errors that a user can cause and repair, and the exit codes they end in."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

EXIT_OK = 0
EXIT_CHECK_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_CELL_FAILED = 3
EXIT_INTERRUPTED = 130


class InputError(Exception):
    """Wrong input: one message that names the place, the bad value and the remedy; exit code 2."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest of `known`, or an empty string."""
    near = get_close_matches(str(word), [str(k) for k in known], n=3, cutoff=0.5)
    if not near:
        return ""
    return " Did you mean " + " or ".join(repr(n) for n in near) + "?"
