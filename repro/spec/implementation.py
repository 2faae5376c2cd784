"""Somebody's own network, named in a spec as "module:function": where its code lies, and which settings it takes.

Read from source, so that nothing heavy is imported while specs are read. What the function must do is in
docs/extending.md and checked by `repro check-network`.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

ALWAYS = ("classes", "output_stride")
"""What every such function is called with."""


@dataclass(frozen=True)
class Implementation:
    """A function that builds a network."""

    name: str
    module: str
    function: str
    package: Path
    """Folder or file (without .py) of the module's topmost package: its code is part of a record's key."""
    takes: tuple[str, ...]
    """Settings of `model` that the function has parameters for."""

    @property
    def home(self) -> Path:
        """The folder that must be on Python's path."""
        return self.package.parent


def search_path() -> list[str]:
    """Where modules are looked for: the current folder first, as `python -m repro` does."""
    return [str(Path.cwd()), *(place for place in sys.path if place)]


@cache
def locate(name: str) -> Implementation:
    """Return the function that "module:function" names.

    Raises InputError where there is no such module or function, or where it does not take what every one must.
    """
    key = f"model.implementation: {name}"
    module, _, function = name.partition(":")
    top, *rest = module.split(".")
    spec = PathFinder.find_spec(top, search_path())
    if spec is None:
        raise InputError(
            f"{key}: there is no module {top} in the current folder or on Python's path. Run from its folder, or set "
            "PYTHONPATH."
        )
    if spec.submodule_search_locations:
        package = Path(next(iter(spec.submodule_search_locations)))
    else:
        package = Path(spec.origin or "").with_suffix("")
    path = next((p for p in _files(package, rest) if p.is_file()), None)
    if path is None:
        raise InputError(f"{key}: {package} has no module {module} whose source can be read.")
    found = _parameters(path, key)
    if function not in found:
        hint = did_you_mean(function, found) or f" It defines {', '.join(list(found)[:8]) or 'no function'}."
        raise InputError(f"{key}: {path} defines no function {function}.{hint}")
    parameters = found[function]
    for needed in ALWAYS:
        if needed not in parameters:
            raise InputError(
                f"{key}: {function}({', '.join(parameters)}) is called as {function}(classes=21, output_stride=16, "
                f"...) and has no parameter {needed}. Add it."
            )
    return Implementation(name, module, function, package, tuple(p for p in parameters if p not in ALWAYS))


def _files(package: Path, rest: list[str]) -> Iterator[Path]:
    place = package.joinpath(*rest)
    yield place.with_suffix(".py") if rest or not package.is_dir() else place / "__init__.py"
    yield place / "__init__.py"


def _parameters(path: Path, key: str) -> dict[str, tuple[str, ...]]:
    """Function (or class) of a file -> names of its parameters."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{key}: {path} cannot be read as Python ({error}).") from error
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = _names(node.args)
        elif isinstance(node, ast.ClassDef):
            starts = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
            found[node.name] = _names(starts[0].args)[1:] if starts else ()
    return found


def _names(arguments: ast.arguments) -> tuple[str, ...]:
    return tuple(a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))
