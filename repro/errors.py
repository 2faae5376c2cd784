"""The errors that a user can cause and repair, and the exit codes they end in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

EXIT_OK = 0
EXIT_CHECK_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_CELL_FAILED = 3
EXIT_FAULT = 70
"""A fault of the suite: EX_SOFTWARE of sysexits.h, so that a crash is never taken for the result of a check."""
EXIT_INTERRUPTED = 130

LONGEST_WORD, LONGEST_MESSAGE = 300, 2000
"""Letters of a word, and of a whole message, that are printed; paths are seldom longer."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What can end a line, move a terminal's cursor, ring its bell, or turn the direction of writing."""


class InputError(Exception):
    """Wrong input: one message that names the place, the bad value and the remedy; exit code 2.

    However long a value is, what is printed of it stays readable; letters that control a terminal are spelt out.
    """

    def __str__(self) -> str:
        text = re.sub(
            rf"\S{{{LONGEST_WORD},}}", lambda match: shortened(match.group(), LONGEST_WORD), super().__str__()
        )
        return shortened(CONTROL.sub(lambda letter: repr(letter.group())[1:-1], text), LONGEST_MESSAGE)


def shortened(text: str, most: int = 100) -> str:
    """Text with its middle left out where it has more than `most` letters; its end, often a remedy, stays."""
    if len(text) <= most:
        return text
    notice = f" ... ({len(text)} letters) ... "
    kept = max(most - len(notice), 2)
    return text[: kept - kept // 3] + notice + text[len(text) - kept // 3 :]


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest of `known`, or an empty string."""
    names = [str(k) for k in known]
    if len(text) > 2 * max(map(len, names), default=0):
        return ""  # nothing is near, and to look for it takes long
    near = get_close_matches(str(text), names, n=3, cutoff=0.5)
    if not near:
        return ""
    return " Did you mean " + " or ".join(repr(n) for n in near) + "?"
