"""Dotted names of protocol values, `train.output_stride`: which there are, and how nested tables spell them."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from repro.errors import InputError
from repro.spec.explain import TYPES, brief, first, first_error
from repro.spec.protocol import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Flat = dict[str, Any]
"""Dotted key -> value; lists as tuples. `evaluate.crf` is one value: None, or a mapping."""


def _walk(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, bool]]:
    for name, field in section.model_fields.items():
        key = f"{prefix}{name}"
        inner = [t for t in (field.annotation, *get_args(field.annotation)) if isinstance(t, type)]
        below = next((t for t in inner if issubclass(t, BaseModel)), None)
        optional = below is not field.annotation
        if below is not None:
            yield key, optional
            yield from _walk(below, f"{key}.")
        else:
            yield key, True


_DOTTED = re.compile(r"\b[a-z_]+(?:\.[a-z_0-9]+)+")
_PLAIN = frozenset({str, int, float, bool})


@cache
def keys() -> dict[str, bool]:
    """Every dotted name; True where it holds a value, False where it is only a section."""
    return dict(_walk(Protocol, ""))


def unknown(key: str) -> str:
    """What to say of a key that does not exist: its namesakes in other sections, or near misses."""
    known = [k for k, value in keys().items() if value]
    namesakes = [k for k in known if k.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    near = sorted(namesakes, key=lambda k: k.count("."))[:3] or get_close_matches(key, known, n=3, cutoff=0.75)
    hint = " Did you mean " + " or ".join(near) + "?" if near else " See `repro show TABLE` for all settings."
    return f"there is no such setting.{hint}"


def frozen(value: Any) -> Any:
    """Lists become tuples, at any depth; mappings keep their form."""
    if value is None or value.__class__ in _PLAIN:
        return value
    if isinstance(value, list | tuple):
        return tuple(frozen(v) for v in value)
    if isinstance(value, dict):
        return {k: frozen(v) for k, v in value.items()}
    return value


def flatten(tree: Mapping[str, Any], place: str) -> Flat:
    """{"train": {"crop": 513}} or {"train.crop": 513} -> {"train.crop": 513}.

    Raises InputError that names `place` and the key, where a key does not exist or a section is not a table.
    """
    out: Flat = {}

    def visit(node: Mapping[str, Any], prefix: str) -> None:
        for name, value in node.items():
            key = f"{prefix}{name}"
            if key not in keys():
                raise InputError(f"{place}.{key}: {unknown(key)}")
            if keys()[key]:
                out[key] = frozen(value)
            elif isinstance(value, dict):
                visit(value, f"{key}.")
            else:
                raise InputError(f"{place}.{key}: {brief(value)} is not {TYPES['model_type']}.")

    visit(tree, "")
    return out


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten`. A value set below `evaluate.crf` switches it on."""
    out: dict[str, Any] = {}
    sections = {"": out}

    def section(name: str) -> dict[str, Any]:
        if name not in sections:
            above, _, last = name.rpartition(".")
            node = section(above)
            held = node.get(last)
            # a CRF spelt as a word: its preset, to which single values may be added
            sections[name] = {"preset": held} if isinstance(held, str) else dict(held) if isinstance(held, dict) else {}
            if held is None or isinstance(held, str | dict):  # anything else stays there, to be refused by its name
                node[last] = sections[name]
        return sections[name]

    for key in sorted(flat, key=lambda k: k.count(".")):
        above, _, last = key.rpartition(".")
        section(above)[last] = flat[key]
    return out


def flat_of(protocol: Protocol) -> Flat:
    """Every value of a protocol under its dotted key."""
    dumped = protocol.model_dump()
    return flatten(dumped, "protocol")


def build(flat: Mapping[str, Any], places: Mapping[str, str]) -> Protocol:
    """Check and build a protocol; `places` says where each key was written, for the message.

    Raises InputError: ``FILE: where.key: value is not one of ...``.
    """
    try:
        return Protocol.model_validate(nest(flat), strict=True)
    except ValidationError as error:
        details = first(error)
        loc = [str(p) for p in details["loc"]]
        dotted = next((".".join(loc[:n]) for n in range(len(loc), 0, -1) if ".".join(loc[:n]) in flat), ".".join(loc))
        _, message = first_error(error, {("evaluate", "crf"): [k.rsplit(".", 1)[-1] for k in keys() if ".crf." in k]})
        inside = details["type"] == "extra_forbidden" and dotted != ".".join(loc)
        rest = "." + loc[-1] if inside else ""
        if details["type"] == "value_error" and dotted not in places:  # of settings that do not go together
            named = [f"{dotted}.{message.partition(':')[0]}", *_DOTTED.findall(message)]
            dotted = next((key for key in named if key in places), dotted)
        raise InputError(f"{places.get(dotted, f'protocol.{dotted}')}{rest}: {message}") from None
