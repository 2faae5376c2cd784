"""Backbones and heads: what is declared of each, read from the source in which it is registered.

A class or function becomes one by a decorator whose arguments are plain literals (`repro.nets.registry`):

    @register_backbone("resnet50", units=(3, 4, 6, 3), taps=("conv2", "conv3"))

Who resolves and plans reads them here without importing the module, and so without torch. The suite's own are those of
`repro/nets`; "module:name" names one of the user's (docs/extending.md).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from repro.errors import InputError, did_you_mean
from repro.spec.implementation import OUTPUT_STRIDE, Parameters, parameters_of, source_of

PartKind = Literal["backbone", "head"]
KINDS: tuple[PartKind, ...] = get_args(PartKind)
PACKAGE = Path(__file__).parents[1]
NEEDED: dict[PartKind, tuple[str, ...]] = {"backbone": (OUTPUT_STRIDE,), "head": ("channels", "classes")}
"""Parameters without which no network can be made of it."""
OFFERED: dict[PartKind, tuple[str, ...]] = {
    "backbone": (OUTPUT_STRIDE, "model"),
    "head": (OUTPUT_STRIDE, "model", "channels", "low_channels", "classes"),
}
"""What a builder is given beside settings of `model`, where it has a parameter of that name."""


@dataclass(frozen=True)
class PublishedWeights:
    """A published file of ImageNet weights."""

    name: str
    """What files of them are called, to begin with."""
    url: str
    sha256: str = ""
    """Beginning of its SHA-256, as its address states it; empty where none is published."""
    file: str = ""
    """What it is called here; its name and checksum unless given."""
    when: Mapping[str, Any] = field(default_factory=dict)
    """Settings of `model` that choose them; the first of a backbone's that fit are its."""

    @property
    def filename(self) -> str:
        """What it is called here."""
        ending = Path(self.url).suffix
        return self.file or "-".join(filter(None, (self.name, self.sha256))) + ending


@dataclass(frozen=True)
class EvaluationTransform:
    """How the weights' makers saw an image: its shorter side, the crop's side, the interpolation."""

    shorter: int
    crop: int
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"


@dataclass(frozen=True)
class BackboneFacts:
    """What is declared of a backbone beside its name."""

    units: tuple[int, int, int, int] | None = None
    """The usual `model.units`."""
    batch_norm: bool | str = True
    """Whether it has batch normalisation, or which setting says so."""
    batch_norm_eps: float | None = None
    """The usual `model.batch_norm_eps`, where that is another."""
    taps: tuple[str, ...] = ()
    """Levels of `model.decoder` that it can hand on."""
    settings: tuple[str, ...] = ()
    """What it heeds of `model`, where its builder takes the whole of it."""
    takes_weights_of: str = ""
    """Whose ImageNet weights it takes, in words."""
    weights: tuple[PublishedWeights, ...] = ()
    transform: EvaluationTransform | None = None
    """None where nobody measures its weights on ImageNet here."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> BackboneFacts:
        """From a decorator's arguments. Raises TypeError for one that there is not."""
        facts = dict(given)
        facts["weights"] = tuple(PublishedWeights(**file) for file in facts.get("weights", ()))
        if "transform" in facts:
            facts["transform"] = EvaluationTransform(*facts["transform"])
        return cls(**facts)


@dataclass(frozen=True)
class HeadFacts:
    """What is declared of a head beside its name."""

    backbones: tuple[str, ...] = ()
    """The only ones that it goes on; empty for any."""
    needs: tuple[str, ...] = ()
    """Settings that must hold something."""
    batch_norm: bool = True
    settings: tuple[str, ...] = ()
    """What it heeds of `model`, where its builder takes the whole of it."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> HeadFacts:
        """From a decorator's arguments. Raises TypeError for one that there is not."""
        return cls(**given)


@dataclass(frozen=True)
class NetworkPart:
    """A registered backbone or head: where its builder lies and what is declared of it."""

    kind: PartKind
    name: str
    """As in a spec: "resnet50", "mynets:small"."""
    module: str
    function: str
    package: Path
    """Folder or file (without .py) of the module's topmost package: its code is part of a record's key."""
    parameters: Parameters
    facts: BackboneFacts | HeadFacts

    @property
    def own(self) -> bool:
        """Whether it is the user's."""
        return ":" in self.name

    def takes(self, setting: str) -> bool:
        """Whether it heeds a setting of `model`."""
        return setting in self.facts.settings or (
            setting in self.parameters.names and setting not in OFFERED[self.kind]
        )


def backbone_facts(name: str) -> BackboneFacts:
    """What is declared of a backbone. Raises InputError where there is none."""
    facts = part("backbone", name).facts
    assert isinstance(facts, BackboneFacts)
    return facts


def head_facts(name: str) -> HeadFacts:
    """What is declared of a head. Raises InputError where there is none."""
    facts = part("head", name).facts
    assert isinstance(facts, HeadFacts)
    return facts


@cache
def names(kind: PartKind) -> tuple[str, ...]:
    """The suite's own."""
    return tuple(name for of, name in _ours() if of == kind)


def part(kind: PartKind, name: str) -> NetworkPart:
    """The backbone or head of that name. Raises InputError where there is none, or no network can be made of it."""
    if ":" not in name:
        if (kind, name) not in _ours():
            raise InputError(f"{name} is not one of {', '.join(names(kind))}.{did_you_mean(name, names(kind))}")
        return _ours()[kind, name]
    module, _, short = name.partition(":")
    package, path = source_of(name, module)
    stat = path.stat()
    registered = _read(path, module, package, stat.st_mtime_ns, stat.st_size)
    entry = next((p for p in registered if (p.kind, p.name) == (kind, name)), None)
    if entry is None:
        here = [p.name.partition(":")[2] for p in registered if p.kind == kind]
        rest = f" It registers {', '.join(here)}." if here else f' Write @register_{kind}("{short}") above it.'
        raise InputError(f"{name}: {path} registers no {kind} {short}.{did_you_mean(short, here) or rest}")
    for needed in NEEDED[kind]:
        if needed not in entry.parameters.names:
            raise InputError(f"{name}: {entry.function} has no parameter {needed}, which a {kind} needs. Add it.")
    for weights in entry.facts.weights if isinstance(entry.facts, BackboneFacts) else ():
        if weights.name in _suites_weights():
            raise InputError(
                f"{name}: weights: {weights.name} is what this suite's own are called. Choose another name."
            )
        _users_weights[weights.name] = weights
    return entry


def published(name: str) -> PublishedWeights:
    """Where files of weights of that name are published. Raises InputError where they are not."""
    url_and_digest = _suites_weights().get(name) or _users_weights.get(name)
    if url_and_digest is None:
        raise InputError(f"--weights hub: no file is declared for {name}. Give --weights DIR.")
    return url_and_digest


_users_weights: dict[str, PublishedWeights] = {}
"""Of the user's backbones that were asked for in this process."""


@cache
def _suites_weights() -> dict[str, PublishedWeights]:
    return {weights.name: weights for name in names("backbone") for weights in backbone_facts(name).weights}


def is_registered(kind: PartKind, name: str) -> bool:
    """Whether the module that "module:name" names registers such a part. Raises InputError where there is no module."""
    module, _, _ = name.partition(":")
    package, path = source_of(name, module)
    stat = path.stat()
    return any((p.kind, p.name) == (kind, name) for p in _read(path, module, package, stat.st_mtime_ns, stat.st_size))


def takers(setting: str) -> str:
    """Who of the suite's own heeds a setting of `model`: 'head "aspp" or "fc"'."""
    for kind in ("head", "backbone"):
        own = [f'"{name}"' for (of, name), entry in _ours().items() if of == kind and entry.takes(setting)]
        if own:
            return f"{kind} {', '.join(own[:-1])}{' or ' * (len(own) > 1)}{own[-1]}"
    return "a part that takes it"


@cache
def _ours() -> dict[tuple[PartKind, str], NetworkPart]:
    ours = {}
    for path in sorted((PACKAGE / "nets").glob("*.py")):
        if b"\n@register_" in path.read_bytes():
            for entry in _read(path, f"repro.nets.{path.stem}", PACKAGE):
                short = entry.name.partition(":")[2]
                ours[entry.kind, short] = NetworkPart(
                    entry.kind, short, entry.module, entry.function, entry.package, entry.parameters, entry.facts
                )
    return ours


@lru_cache(maxsize=64)
def _read(path: Path, module: str, package: Path, _changed: int = 0, _size: int = 0) -> tuple[NetworkPart, ...]:
    """What a file registers. Remembered while the file stays as it is."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Python ({error}).") from error
    parts = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for call in node.decorator_list:
                kind = _kind(call)
                if kind and isinstance(call, ast.Call):
                    name, facts = _facts(kind, call, f"{path}, line {call.lineno}")
                    parameters = parameters_of(node, tree)
                    parts.append(NetworkPart(kind, f"{module}:{name}", module, node.name, package, parameters, facts))
    return tuple(parts)


def _kind(call: ast.expr) -> PartKind | None:
    function = call.func if isinstance(call, ast.Call) else None
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return "backbone" if name == "register_backbone" else "head" if name == "register_head" else None


def _facts(kind: PartKind, call: ast.Call, place: str) -> tuple[str, BackboneFacts | HeadFacts]:
    try:
        name = ast.literal_eval(call.args[0])
        given = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        if len(call.args) > 1 or not isinstance(name, str) or not name.isidentifier():
            raise ValueError("its name comes first and alone, as a word of letters, digits and underscores")
        return name, BackboneFacts.of(given) if kind == "backbone" else HeadFacts.of(given)
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"{place}: @register_{kind}: {error}. Its arguments are read without running the file: write a name and "
            "plain values (docs/extending.md)."
        ) from error
