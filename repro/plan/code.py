"""Which code a record depends on: the content of the modules that computed it, their import closure.

Read from the source files, so that nothing heavy is imported; comments, docstrings and layout do not count. What a file
means is remembered (`repro.memo`), so that the next process need not parse it.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import repro
from repro.files import Stamp, settled, stamp
from repro.memo import Memo, default_folder

PACKAGE = Path(repro.__file__).parent


@dataclass(frozen=True)
class Code:
    """A frozen import closure: module name -> 12 hex digits of its content."""

    modules: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        """20 hex digits over all modules."""
        return hashlib.sha256(repr(self.modules).encode()).hexdigest()[:20]

    def record(self) -> dict[str, object]:
        """The form that records keep."""
        return {"digest": self.digest, "modules": dict(self.modules)}


@dataclass(frozen=True)
class _Closure:
    """A closure of this process, good while its files stay as they are."""

    code: Code
    files: tuple[tuple[Path, Stamp | None], ...]


_closures: dict[tuple[tuple[str, ...], Path], _Closure] = {}
"""(entries, package) -> what was read of them last: planning asks for the same few closures once per training."""


def _stamp(path: Path) -> Stamp | None:
    """None: there is no such file, or it is so new that a change might not be seen."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return stamp(seen) if settled(seen) else None


def path_of(module: str, package: Path = PACKAGE) -> Path | None:
    """The source file of a module of this package, or of one that lies beside it; None where there is no such module.

    Beside an installed package lie other distributions, which are not its own.
    """
    parts = module.split(".")
    if parts[0] == package.name:
        base = package.joinpath(*parts[1:])
    elif package == PACKAGE or {"site-packages", "dist-packages"} & set(package.parts):
        return None
    else:
        base = package.parent.joinpath(*parts)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _memo(package: Path) -> Memo:
    """What was learnt of a package's files by this reader under this Python, whose trees are dumped in its own form."""
    digest = hashlib.sha256(str(package.absolute()).encode()).hexdigest()[:20]
    reader = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return Memo(default_folder() / "code" / f"{digest}-{sys.implementation.cache_tag}.json", reader)


def _absolute(name: str, module: str, path: Path) -> str:
    """A relative import's name (".heads") as seen from a module."""
    level = len(name) - len(name.lstrip("."))
    if not level:
        return name
    parts = module.split(".")
    home = parts[: len(parts) - level + (path.name == "__init__.py")]
    return ".".join([*home, *filter(None, [name.lstrip(".")])])


def _read(path: Path, memo: Memo) -> tuple[str, list[str]]:
    """Digest of a file's meaning, and the names it imports."""
    stat = path.stat()
    known = memo.recall(path, stat)
    if known is None:
        known = _parsed(path)
        memo.learn(path, stat, known)
    digest, names = known
    return digest, names


def _parsed(path: Path) -> tuple[str, list[str]]:
    tree = ast.parse(path.read_bytes())
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            joint = "." if node.module else ""
            names += [start, *(f"{start}{joint}{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [n for n in node.body if not _is_text(n)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12], names


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def closure(entries: Iterable[str], package: Path = PACKAGE) -> Code:
    """The modules that `entries` import, directly or not, with their digests.

    Raises ValueError for an entry that is not a module of the package.
    """
    entries = tuple(entries)
    known = _closures.get((entries, package))
    if known is not None and all(then is not None and then == _stamp(path) for path, then in known.files):
        return known.code
    memo = _memo(package)
    digests: dict[str, str] = {}
    files: list[tuple[Path, Stamp | None]] = []
    todo: list[str] = []
    exists: dict[str, bool] = {}
    for entry in entries:
        if path_of(entry, package) is None:
            raise ValueError(f"no module {entry}")
        todo.append(entry)
    while todo:
        module = todo.pop()
        path = path_of(module, package)
        if module in digests or path is None:
            continue
        files.append((path, _stamp(path)))
        digests[module], names = _read(path, memo)
        for name in {_absolute(name, module, path) for name in names}:
            if name not in exists:
                exists[name] = path_of(name, package) is not None
            if exists[name]:
                todo.append(name)
    memo.keep()
    code = Code(tuple(sorted(digests.items())))
    _closures[entries, package] = _Closure(code, tuple(files))
    return code


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Modules whose content differs between two closures, or that only one of them has."""
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
