"""Somebody's own network, named in a spec as "module:function": where its code lies, and which settings it takes.

Read from source, so that nothing heavy is imported while specs are read. What the function must do is in
docs/extending.md and checked by `repro check-network`.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUT_STRIDE = "output_stride"
CLASSES = ("classes", "num_classes")
"""What the number of classes is called, by us and by torchvision. A network for one number only takes neither."""


@dataclass(frozen=True)
class Parameters:
    """What a function can be called with by name."""

    names: tuple[str, ...]
    needed: tuple[str, ...]
    """Those without a default."""


@dataclass(frozen=True)
class Implementation:
    """A function that builds a network."""

    name: str
    module: str
    function: str
    package: Path
    """Folder or file (without .py) of the module's topmost package: its code is part of a record's key."""
    parameters: Parameters

    @property
    def home(self) -> Path:
        """The folder that must be on Python's path."""
        return self.package.parent

    @property
    def classes(self) -> str | None:
        """What its parameter for the number of classes is called; None if it has none."""
        return next((name for name in CLASSES if name in self.parameters.names), None)

    def takes(self, setting: str) -> bool:
        """Whether the function has a parameter for a setting of `model`."""
        return setting in self.parameters.names and setting not in (OUTPUT_STRIDE, *CLASSES)


def locate(name: str) -> Implementation:
    """Return the function that "module:function" names.

    Raises InputError where there is no such module or function, or where it has no parameter for the output stride.
    """
    module, _, function = name.partition(":")
    package, path = source_of(name, module)
    stat = path.stat()
    functions = _functions(path, stat.st_mtime_ns, stat.st_size, name)
    if function not in functions:
        defined = f" It defines {', '.join(list(functions)[:8]) or 'none'}: name the module whose source has it."
        hint = did_you_mean(function, functions) or defined
        raise InputError(f"{name}: {path} defines no function {function}.{hint}")
    parameters = functions[function]
    if OUTPUT_STRIDE not in parameters.names:
        raise InputError(
            f"{name}: {function}({', '.join(parameters.names)}) has no parameter {OUTPUT_STRIDE}, so that it cannot be "
            "built at the output strides of trainings and evaluations. Add it."
        )
    return Implementation(name, module, function, package, parameters)


def source_of(name: str, module: str) -> tuple[Path, Path]:
    """Return a module's topmost package, and the file of the module itself; `name` is what messages call it.

    Raises InputError where there is no such module.
    """
    top, *rest = module.split(".")
    spec = _spec(top)
    if spec is None:
        raise InputError(
            f"{name}: there is no module {top} in the current folder or on Python's path. Run from its folder, or set "
            "PYTHONPATH."
        )
    if spec.submodule_search_locations:
        package = Path(next(iter(spec.submodule_search_locations)))
    else:
        package = Path(spec.origin or "").with_suffix("")
    path = next((path for path in _candidates(package, rest) if path.is_file()), None)
    if path is None:
        raise InputError(f"{name}: {package} has no module {module} whose source can be read.")
    return package, path


def _spec(top: str) -> ModuleSpec | None:
    """Where a module lies: the current folder first, as `python -m repro` looks; nothing is imported."""
    path = [str(Path.cwd()), *(place for place in sys.path if place)]
    try:
        return PathFinder.find_spec(top, path) or importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None


def _candidates(package: Path, rest: list[str]) -> Iterator[Path]:
    place = package.joinpath(*rest)
    if rest or not package.is_dir():
        yield place.with_suffix(".py")
    yield place / "__init__.py"


@lru_cache(maxsize=64)
def _functions(path: Path, _changed: int, _size: int, name: str) -> dict[str, Parameters]:
    """Function (or class) that a file defines -> its parameters. Remembered while the file stays as it is."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{name}: {path} cannot be read as Python ({error}).") from error
    return {
        node.name: parameters_of(node, tree) for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def parameters_of(node: ast.FunctionDef | ast.ClassDef, module: ast.Module) -> Parameters:
    """Return what a function, or a class with the classes of its module that it inherits from, is called with."""
    if isinstance(node, ast.FunctionDef):
        return _parameters(node.args)
    starts = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    if starts:
        return _parameters(starts[0].args, bound=1)
    above = {base.id for base in node.bases if isinstance(base, ast.Name)} - {node.name}
    bases = [n for n in module.body if isinstance(n, ast.ClassDef) and n.name in above and n.lineno < node.lineno]
    return parameters_of(bases[0], module) if bases else Parameters((), ())


def _parameters(arguments: ast.arguments, bound: int = 0) -> Parameters:
    """The parameters without the first `bound`, which a method has from its object."""
    placed = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    needed = placed[: len(placed) - len(arguments.defaults)]
    named = [a.arg for a in arguments.kwonlyargs]
    needed_named = [a for a, default in zip(named, arguments.kw_defaults, strict=True) if default is None]
    return Parameters((*placed[bound:], *named), (*needed[bound:], *needed_named))
