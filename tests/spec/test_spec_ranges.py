"""Every number in a spec declares its range, every list and text its length, so that a new field without one fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from repro.errors import InputError
from repro.spec.dataset import Dataset
from repro.spec.gpu import Gpu
from repro.spec.load import Suite
from repro.spec.protocol import CRF, Protocol
from repro.spec.resolve import resolve
from repro.spec.scales import Scale
from repro.spec.strict import StrictModel
from repro.spec.table import Paper, TableSpec

LOW, HIGH = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
FREE = {
    "left", "right", "where", "among", "at", "when", "value", "map", "values", "published", "set", "protocol",
}  # fmt: skip
"""Keys whose values are checked where they are used: settings, selectors, printed numbers."""


def unbounded(model: type[BaseModel]) -> list[str]:
    """Dotted places in a model's schema that hold a number, list or text without end."""
    schema = model.model_json_schema()
    return sorted({place for place in _walk(schema, schema, model.__name__, ())})


def _walk(node: Any, whole: dict[str, Any], place: str, above: tuple[str, ...]) -> Iterator[str]:
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        if name not in above:
            yield from _walk(whole["$defs"][name], whole, name, (*above, name))
        return
    for kind in ("anyOf", "oneOf", "allOf"):
        for part in node.get(kind, ()):
            yield from _walk(part, whole, place, above)
    if "enum" in node or "const" in node:
        return
    what = node.get("type")
    if what in ("integer", "number") and not (any(k in node for k in LOW) and any(k in node for k in HIGH)):
        yield place
    if what == "string" and "maxLength" not in node:
        yield place
    if what == "array":
        if "maxItems" not in node:
            yield place
        for part in (*node.get("prefixItems", ()), *([node["items"]] if node.get("items") else ())):
            yield from _walk(part, whole, f"{place}[]", above)
    if isinstance(node.get("additionalProperties"), dict):
        yield from _walk(node["additionalProperties"], whole, f"{place}{{}}", above)
    for name, part in node.get("properties", {}).items():
        if name not in FREE:
            yield from _walk(part, whole, f"{place}.{name}", above)


@pytest.mark.parametrize("model", [Protocol, TableSpec, Paper, Scale, Dataset, Gpu], ids=lambda m: m.__name__)
def test_everything_has_bounds(model: type[BaseModel]) -> None:
    assert unbounded(model) == []


def test_a_field_without_a_range_would_be_seen() -> None:
    class New(StrictModel):
        half: float = 0.0
        many: tuple[int, ...] = ()
        name: str | None = None

    class Above(StrictModel):
        new: New = New()

    assert unbounded(Above) == ["New.half", "New.many", "New.many[]", "New.name"]


def numbers() -> list[tuple[str, str, Any]]:
    """(section, key, schema) of each plain number of the protocol."""
    out = []
    definitions = Protocol.model_json_schema()["$defs"]
    for section in ("Model", "Data", "Train", "Pretrain", "Coco", "Evaluate", "SecondStage", "CRF"):
        for key, node in definitions[section]["properties"].items():
            parts = node.get("anyOf") or node.get("oneOf") or [node]
            out += [(section, key, p) for p in parts if p.get("type") in ("integer", "number") and "enum" not in p]
    return out


@pytest.mark.parametrize(("section", "key", "node"), numbers(), ids=lambda v: v if isinstance(v, str) else "")
def test_no_number_is_infinite_or_out_of_its_range(section: str, key: str, node: dict[str, Any]) -> None:
    model = {c.__name__: c for c in (*StrictModel.__subclasses__(), CRF)}[section]
    low = node.get("minimum", node.get("exclusiveMinimum"))
    high = node.get("maximum", node.get("exclusiveMaximum"))
    wrong: list[Any] = [float("nan"), float("inf"), float("-inf"), low - 1, high + 1, 10**18]
    wrong += [low] * ("exclusiveMinimum" in node) + [high] * ("exclusiveMaximum" in node)
    for value in wrong:
        with pytest.raises(ValidationError):
            model.model_validate({key: value}, strict=True)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("evaluate.scales=[0]", "0 is too small; it must be at least 0.0625"),
        ("evaluate.scales=[-1]", "-1 is too small"),
        ("evaluate.scales=[1e200]", "1e+200 is too large; it must be at most 16"),
        ("train.scales=[0]", "0 is too small"),
        ("train.scales=[-0.5]", "-0.5 is too small"),
        ("train.scales=[]", "[] has too few values; there must be at least 1"),
        ("train.warmup_iterations=-5", "-5 is too small; it must be at least 0"),
        ("train.warmup_iterations=1e20", "1e+20 is not an integer. Write one, such as 16."),
        ("train.batch_norm_parts=156", "--set train.batch_norm_parts: batch_norm_parts: 156 parts of a batch of"),
        ("train.momentum=2", "2 is too large; it must be below 1"),
        ("train.weight_decay=-1", "-1 is too small"),
        ("train.power=-1", "-1 is too small"),
        ("train.power=inf", "inf is no number that can be computed with"),
        ("train.head_lr_multiplier=-1", "-1 is too small"),
        ("model.residual_gamma=nan", "nan is no number that can be computed with"),
        ("model.batch_norm_eps=-1", "-1 is too small; it must be above 0"),
        ("train.crop=1000000", "1000000 is too large; it must be at most 16384"),
        ("model.width=1000000000", "is too large"),
        ("model.width=1e20", "1e+20 is not an integer"),
        ("train.batch_size=1000000000", "is too large"),
        ("model.units=[8,100,100,1000000]", "1000000 is too large; it must be at most 256"),
        ("model.decoder_convs=2147483648", "2147483648 is too large; it must be at most 32"),
        ("train.lr=1e308", "1e+308 is too large"),
        ("data.classes=1" + "0" * 300, "an integer of about 300 digits; at most 18 are read"),
        ("model.atrous_rates=" + "[" * 500 + "]" * 500, "nested deeper than 20 lists or tables"),
        ("evaluate.crf.w2=1e308", "1e+308 is too large"),
        ("evaluate.crf.sigma_gamma=1e-9", "1e-09 is too small; it must be at least 0.01"),
        ("evaluate.crf.preset=[1]", "preset"),
    ],
    ids=lambda text: text[:40],
)
def test_numbers_of_no_use_are_refused_with_their_range(suite: Suite, setting: str, told: str) -> None:
    table = suite.find("v2/table4")
    cell = next(c for c in table.cells() if c.kind == "measured")
    with pytest.raises(InputError) as caught:
        resolve(suite, table, cell.settings, "smoke", None, [setting])
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"--set {setting.partition('=')[0]}"[:40])


def test_a_search_has_so_many_combinations_at_most() -> None:
    lists = {"w1": tuple(map(float, range(1, 65))), "sigma_alpha": tuple(map(float, range(1, 65)))}
    assert CRF.model_validate({**lists, "refinements": 0, "sigma_beta": 3.0}).combinations == 4096
    with pytest.raises(ValidationError, match=r"make 8192 combinations to search; at most 4096 are. Shorten a list"):
        CRF.model_validate({**lists, "refinements": 0, "sigma_beta": (3.0, 4.0)})
