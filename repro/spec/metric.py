"""Metrics: what a number in a table is called, its unit, which of two numbers is better, and what it is computed from.

Whatever follows from a confusion matrix is measured: the suite's own metrics by the functions of `repro.metrics`, one's
own by a function that `metric = "module:function"` names (docs/extending.md). Nothing is imported while specs are read:
what one's own function says of itself is read from its source.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from repro.errors import InputError, did_you_mean
from repro.spec.explain import brief
from repro.spec.implementation import source_of

if TYPE_CHECKING:
    from pathlib import Path

    from repro.spec.cell import CellKind

Better = Literal["higher", "lower"]
DECORATOR = "register_metric"
SHARE = "%"


@dataclass(frozen=True)
class Metric:
    """What a number is."""

    name: str
    """As specs and records have it."""
    title: str
    """In print."""
    unit: str
    """In print."""
    better: Better = "higher"
    """Which of two numbers a table prefers."""
    from_confusion: str = ""
    """The function that computes it, "module:function", from counts (..., C, C); empty where nothing measured does."""
    usual_kind: CellKind = "quoted"
    """How it comes about, unless a table says otherwise, where no confusion matrix gives it."""

    @property
    def kind(self) -> CellKind:
        """How it comes about, unless a table says otherwise."""
        return "measured" if self.from_confusion else self.usual_kind

    @property
    def is_share(self) -> bool:
        """Whether its measured values are shares in [0, 1], printed in per cent."""
        return bool(self.from_confusion) and self.unit == SHARE

    @property
    def factor(self) -> float:
        """What a value of ours is multiplied by for print."""
        return 100.0 if self.is_share else 1.0

    @property
    def difference_unit(self) -> str:
        """What differences of it are printed in."""
        return "points" if self.is_share else self.unit

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title

    @property
    def is_own(self) -> bool:
        """Whether a user's function computes it."""
        return ":" in self.name


def _of_suite(name: str, title: str) -> Metric:
    return Metric(name, title, SHARE, from_confusion=f"repro.metrics:{name}")


MIOU = _of_suite("miou", "mIOU")
MEASURED = (
    MIOU,
    _of_suite("pixel_accuracy", "Pixel accuracy"),
    _of_suite("mean_accuracy", "Mean accuracy"),
    _of_suite("frequency_weighted_iou", "Frequency-weighted IOU"),
)
"""Of every evaluation; records hold them."""
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *MEASURED,
        Metric("multiply_adds", "Multiply-Adds", "B", "lower", usual_kind="computed"),
        Metric("parameters", "Params", "M", "lower", usual_kind="computed"),
        Metric("field_of_view", "FOV", "px", usual_kind="computed"),
        Metric("valid_9", "9 valid weights", "share of positions", usual_kind="computed"),
        Metric("valid_4", "4 valid weights", "share of positions", usual_kind="computed"),
        Metric("valid_1", "1 valid weight", "share of positions", usual_kind="computed"),
        Metric("images_per_second", "Speed", "images/s"),
        Metric("relative_time", "Relative training time", "fraction", "lower"),
        Metric("top1_error", "Top-1 error", SHARE, "lower"),
        Metric("top5_error", "Top-5 error", SHARE, "lower"),
    )
}


def find_metric(name: str) -> Metric:
    """Return a metric by name, or the user's own that "module:function" names.

    Raises InputError where there is none.
    """
    if name in METRICS:
        return METRICS[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise InputError(
            f"{brief(name)} is not one of {', '.join(METRICS)}.{did_you_mean(name, METRICS)} "
            'One of your own is named "module:function".'
        )
    if not all(part.isidentifier() for part in (*module.split("."), function)):
        raise InputError(f'{brief(name)} is not "module:function", such as "mymetrics:dice".')
    _, path = source_of(name, module)
    stat = path.stat()
    return _own(name, function, path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _own(name: str, function: str, path: Path, _changed: int, _size: int) -> Metric:
    """What a function's decorator says. Remembered while the file stays as it is."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{name}: {path} cannot be read as Python ({error}).") from error
    facts = {
        node.name: call
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if (call := _decorator(decorator)) is not None
    }
    if function not in facts:
        defined = ", ".join(list(facts)[:8]) or "none"
        raise InputError(
            f"{name}: {path} has no function {function} decorated with @{DECORATOR}(...); there are {defined}."
            f"{did_you_mean(function, facts)}"
        )
    return _checked(name, function, path, facts[function])


def _decorator(node: ast.expr) -> dict[str, ast.expr] | None:
    """The arguments of @register_metric(...), by name; None for another decorator."""
    call = node.func if isinstance(node, ast.Call) else node
    if (call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "")) != DECORATOR:
        return None
    if not isinstance(node, ast.Call):
        return {}
    return {f"argument {k + 1}": value for k, value in enumerate(node.args)} | {
        str(keyword.arg): keyword.value for keyword in node.keywords
    }


def _checked(name: str, function: str, path: Path, facts: dict[str, ast.expr]) -> Metric:
    place = f"{name}: {path}: @{DECORATOR}"
    given: dict[str, Any] = {}
    for key, node in facts.items():
        try:
            given[key] = ast.literal_eval(node)
        except ValueError:
            raise InputError(f"{place}: {key}: write its value itself, it is read without running the file.") from None
    for key, value in given.items():
        if key not in ("title", "unit", "better"):
            raise InputError(f"{place}: {key}: it takes title, unit and better, by name.")
        if not isinstance(value, str) or len(value) > 60:
            raise InputError(f"{place}: {key}: {brief(value)} is no text of at most 60 letters.")
    if given.get("better", "higher") not in ("higher", "lower"):
        raise InputError(f'{place}: better: {brief(given["better"])} is neither "higher" nor "lower".')
    title = given.get("title") or function.replace("_", " ").capitalize()
    return Metric(name, title, given.get("unit", SHARE), given.get("better", "higher"), name)
