"""Turn what pydantic found wrong into one sentence: bad value, what was expected, a near miss."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from repro.errors import did_you_mean, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_INTEGER, _LIST, _TABLE = "an integer. Write one, such as 16", "a list. Write one, such as [1, 2]", "a table"
_FIELDS = "Write {name = value}, or a section of its own"
TYPES = {
    "int_type": _INTEGER,
    "int_from_float": _INTEGER,
    "float_type": "a number. Write one, such as 0.5",
    "bool_type": "true or false. Write one of them",
    "string_type": "a string. Write one, in quotes",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": f"{_TABLE}. {_FIELDS}",
    "model_type": f"{_TABLE} of settings. {_FIELDS}",
    "mapping_type": f"{_TABLE}. {_FIELDS}",
}
"""What was expected, and how to write it."""


_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def shown(value: Any) -> str:
    """A value as TOML spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.translate(_ESCAPED) + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {shown(v)}" for k, v in value.items()) + "}"
    return "none" if value is None else str(value)


def brief(value: Any) -> str:
    """The same for messages: the middle of a long one left out."""
    return shortened(shown(value))


def choices(expected: str) -> list[str]:
    """Split pydantic's "4, 8 or 16" or "'conv2' or 'conv3'" into its members, unquoted."""
    return [c.strip().strip("'") for c in re.split(r", | or ", expected)]


def nearest(value: Any, allowed: list[str]) -> str:
    """`` Did you mean 16?``: the nearest number, or the nearest word; empty where nothing is near."""
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and all(re.fullmatch(r"-?[\d.]+", a) for a in allowed)
    ):
        # of two numbers equally far, the larger: 12 is more often a slip for 16 than for 8
        return f" Did you mean {min(allowed, key=lambda a: (abs(float(a) - value), -float(a)))}?"
    return did_you_mean(str(value), allowed)


def sentence(error: ErrorDetails, known: Iterable[str] = ()) -> str:
    """What is wrong with one value and what was expected there; `known` are the names allowed beside it."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        names = sorted(known)
        name = str(error["loc"][-1])
        return f"unknown key.{did_you_mean(name, names) or ' Known here: ' + ', '.join(names) + '.'}"
    if kind == "missing":
        if error["loc"] and isinstance(error["loc"][-1], int):
            return f"{brief(value)} has too few values; number {error['loc'][-1] + 1} is missing. Add it."
        return "this key is missing. Add it."
    if kind == "too_long":
        most = context["max_length"]
        # pydantic stops counting a longer list than a fixed one's length
        count = len(value) if isinstance(value, list | tuple) else context["actual_length"]
        return f"{brief(value)} has {count} values; there may be {most} at most."
    if kind == "too_short":
        return f"{brief(value)} has too few values; there must be at least {context['min_length']}."
    if kind == "string_too_long":
        return f"{brief(value)} has {len(value)} letters; there may be {context['max_length']} at most."
    if kind == "string_too_short":
        return "an empty text says nothing. Write one."
    if kind == "finite_number":
        return f"{brief(value)} is no number that can be computed with. Write a finite one."
    if kind == "literal_error":
        allowed = choices(str(context["expected"]))
        return f"{brief(value)} is not one of {', '.join(allowed)}.{nearest(value, allowed)}"
    if kind == "greater_than_equal":
        return f"{brief(value)} is too small; it must be at least {context['ge']}."
    if kind == "less_than_equal":
        return f"{brief(value)} is too large; it must be at most {context['le']}."
    if kind == "greater_than":
        return f"{brief(value)} is too small; it must be above {context['gt']}."
    if kind == "less_than":
        return f"{brief(value)} is too large; it must be below {context['lt']}."
    if kind in TYPES:
        return f"{brief(value)} is not {TYPES[kind]}."
    if kind == "value_error":
        return f"{context['error']}"
    if kind == "string_pattern_mismatch":
        return f"{brief(value)} has not the form {context['pattern']}. Write words of a-z and 0-9 with points between."
    return f"{brief(value)}: {error['msg']}. Give another value."


def first(error: ValidationError) -> ErrorDetails:
    """What to tell first: a misspelt key explains the missing one beside it."""
    errors = error.errors(include_url=False)
    return next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])


def first_error(
    error: ValidationError, known: Mapping[tuple[str, ...], Iterable[str]] | None = None
) -> tuple[str, str]:
    """(dotted place, sentence) of what is wrong first; `known` maps a parent's place to the names allowed in it."""
    details = first(error)
    place = ""
    for part in details["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    parent = tuple(str(p) for p in details["loc"][:-1] if not isinstance(p, int))
    return place, sentence(details, (known or {}).get(parent, ()))
