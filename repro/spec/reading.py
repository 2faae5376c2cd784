"""TOML that people wrote, in files and in options: parsed, and within bounds, or refused with a reason."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import Any

from repro.errors import InputError, shortened
from repro.spec import bounds
from repro.spec.explain import shown
from repro.spec.keys import frozen

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w.\"'-])(?:{_PART}[ \t]*+\.[ \t]*+){{{bounds.NESTING}}}")
"""a.b.c..., which tomllib reads in a time that grows with the cube of its parts."""


def read_text(path: Path, place: str) -> str:
    """A spec file's text. Raises InputError for what is no file, is too large, or is not UTF-8."""
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):
            raise InputError(f"{place}: is no ordinary file. Remove it, or give it another ending than .toml.")
        if stat.st_size > bounds.SPEC_BYTES:
            raise InputError(
                f"{place}: {stat.st_size:,} bytes; a spec has at most {bounds.SPEC_BYTES:,}, and a table at most "
                f"{bounds.CELLS:,} cells. Split it into several tables."
            )
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{place}: cannot be read: {error}. Mend or remove it.") from None


def parse(text: str, place: str) -> dict[str, Any]:
    """Parse TOML; numbers with a point become Decimal, with their printed decimals.

    Raises InputError that names `place` for what is not TOML, is nested too deep, or holds what no spec has: dates,
    infinite numbers, integers that do not fit 64 bits.
    """
    if _LONG_KEY.search(text):
        raise InputError(f"{place}: a key has more than {bounds.NESTING} parts. Take out its points, or quote it.")
    try:
        tree = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{place}: not valid TOML: {error}. Mend the file there.") from None
    except RecursionError:
        raise InputError(f"{place}: {_TOO_DEEP}") from None
    except ValueError as error:  # an integer of thousands of digits, or an impossible date
        raise InputError(f"{place}: {shortened(str(error))}. Mend that value.") from None
    for key, message in _wrong(tree):
        raise InputError(f"{place}: {key}: {message}")
    return tree


def read_value(text: str) -> Any:
    """A value as TOML spells it; `none` is no value, any other bare word a string.

    Raises InputError for a number or a list beyond all bounds; whoever asks puts the option before it.
    """
    return _read_value(text.strip())


@cache
def _read_value(text: str) -> Any:
    if text == "none":
        return None
    try:
        tree = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except RecursionError:
        raise InputError(f"{shortened(text)}: {_TOO_DEEP}") from None
    except ValueError as error:
        raise InputError(f"{shortened(text)}: {shortened(str(error))}.") from None
    if list(tree) != ["value"] or "\n" in text:
        return text  # a second line is part of no value
    for _, message in _wrong(tree):
        raise InputError(message)
    return frozen(tree["value"])


def spelt(value: Any) -> str:
    """A value as `read_value` takes it: the shortest spelling that means the same."""
    if isinstance(value, str):
        return value if _plain(value) else shown(value)
    if isinstance(value, tuple | list):
        return "[" + ",".join(shown(v) if isinstance(v, str) else spelt(v) for v in value) + "]"
    return shown(value)


def _plain(text: str) -> bool:
    try:
        return text == text.strip() and read_value(text) == text
    except InputError:
        return False


_TOO_DEEP = f"nested deeper than {bounds.NESTING} lists or tables. Write it flatter."


def _wrong(tree: Any) -> Iterator[tuple[str, str]]:
    """(dotted key, sentence) of values that nothing here can take; without recursion, however deep they lie."""
    todo: list[tuple[Any, str, int]] = [(tree, "", 0)]
    while todo:
        node, place, depth = todo.pop()
        if depth > bounds.NESTING:
            yield place, _TOO_DEEP
        elif isinstance(node, dict):
            todo += [(value, f"{place}.{key}" if place else key, depth + 1) for key, value in node.items()]
        elif isinstance(node, list):
            todo += [(value, f"{place}[{i}]", depth + 1) for i, value in enumerate(node)]
        elif isinstance(node, int) and not isinstance(node, bool) and abs(node) >= 10**bounds.DIGITS:
            digits = int((node.bit_length() - 1) * math.log10(2)) + 1  # it may have too many to be printed
            yield (
                place,
                f"an integer of about {digits} digits; at most {bounds.DIGITS} are read. Write a smaller number.",
            )
        elif isinstance(node, date | time):
            yield place, f"{node} is a date or a time, which no setting takes. Write it in quotes, if text is meant."
        elif isinstance(node, Decimal) and not node.is_finite():
            yield place, f"{node} is no number that can be computed with. Write a finite one."
        elif isinstance(node, Decimal) and node and abs(node.adjusted()) > bounds.DECIMAL_EXPONENT:
            yield place, f"{shortened(str(node))} is beyond all reason. Write a number closer to 1."
