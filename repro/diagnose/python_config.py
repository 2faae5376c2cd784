"""A configuration written as Python assignments, as mmsegmentation's are: read, never executed.

Understood are literals, ``dict(...)``, names assigned before, ``*`` and ``**`` of such, and `_base_`, whose files are
read where they are. What is anything else is left out and named.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repro.errors import InputError
from repro.spec import bounds
from repro.spec.reading import read_text

MOST_FILES = 32
"""Of one configuration, itself and its bases."""
_DELETE = "_delete_"


class _Unreadable(Exception):
    """An expression that would have to be executed."""


@dataclass
class PythonConfig:
    """What a configuration assigns."""

    values: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    """What could not be read without executing it, and bases that are not there."""


def read_python_config(path: Path, place: str) -> PythonConfig:
    """Read a configuration and its bases. Raises InputError for what is not Python, too large or nested too deep."""
    out = PythonConfig()
    out.values = _read(path, place, out, ())
    return out


def _read(path: Path, place: str, out: PythonConfig, below: tuple[Path, ...]) -> dict[str, Any]:
    if len(below) >= MOST_FILES or path.resolve() in below:
        raise InputError(f"{place}: _base_ leads back to itself or through over {MOST_FILES} files. Break the circle.")
    text = read_text(path, place)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{place}: is not a Python configuration: {error}. Mend the file there.") from None
    own: dict[str, Any] = {}
    for statement in tree.body:
        if not isinstance(statement, ast.Assign) or not all(isinstance(t, ast.Name) for t in statement.targets):
            if not _harmless(statement):
                out.left_out.append(f"{path.name}, line {statement.lineno}: no plain assignment")
            continue
        try:
            value = _value(statement.value, own, 0)
        except _Unreadable as error:
            out.left_out.append(f"{path.name}, line {statement.lineno}: {error}")
            continue
        for target in statement.targets:
            assert isinstance(target, ast.Name)
            own[target.id] = value
    bases = own.pop("_base_", [])
    merged: dict[str, Any] = {}
    for base in [bases] if isinstance(bases, str) else bases:
        file = path.parent / str(base)
        if not file.is_file():
            out.left_out.append(f"{path.name}: its _base_ {base} is not there")
            continue
        merged = _merged(merged, _read(file, f"{place} (_base_ {base})", out, (*below, path.resolve())))
    return _merged(merged, own)


def _harmless(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _value(node: ast.expr, names: Mapping[str, Any], depth: int) -> Any:
    if depth > bounds.NESTING:
        raise _Unreadable(f"nested more than {bounds.NESTING} deep")
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _value(node.operand, names, depth + 1)
        if isinstance(inner, int | float):
            return -inner
    elif isinstance(node, ast.List | ast.Tuple):
        return [_value(item, names, depth + 1) for item in node.elts]
    elif isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return _mapping([(None if k is None else _value(k, names, depth + 1), v) for k, v in pairs], names, depth)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return _mapping([(keyword.arg, keyword.value) for keyword in node.keywords], names, depth)
    raise _Unreadable(f"{ast.unparse(node)[:60]} would have to be executed")


def _mapping(pairs: list[tuple[Any, ast.expr]], names: Mapping[str, Any], depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, node in pairs:
        value = _value(node, names, depth + 1)
        if key is not None:
            out[str(key)] = value
        elif isinstance(value, dict):
            out |= value
        else:
            raise _Unreadable("** of what is no dict")
    return out


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `above` over those of `below`; dicts are merged unless the upper one says `_delete_`."""
    out = dict(below)
    for key, value in above.items():
        old = out.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and not value.get(_DELETE):
            out[key] = _merged(old, value)
        else:
            out[key] = {k: v for k, v in value.items() if k != _DELETE} if isinstance(value, dict) else value
    return out


def flattened(tree: Any, prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": [1, {"c": 2}]}} -> {"a.b": [1, {"c": 2}], "a.b.1.c": 2}: every value, and lists also as such."""
    out: dict[str, Any] = {}
    items = tree.items() if isinstance(tree, dict) else ((str(i), v) for i, v in enumerate(tree))
    for key, value in items:
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            out |= flattened(value, f"{name}.")
        else:
            out[name] = value
            if isinstance(value, list) and any(isinstance(item, dict) for item in value):
                out |= flattened(value, f"{name}.")
    return out
