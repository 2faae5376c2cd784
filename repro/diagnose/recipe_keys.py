"""From the words of other programs to those of the protocol, by the tables of `formats/`.

A table lists keys. Each says where the other program has the value (`theirs`, dotted, `*` for any place in a list,
`=VALUE` for one that must stand there), and what becomes of it: `to` a protocol key, `read` in a certain way, or by
`map` from what is written to settings. `default` is the program's own where nothing is written, `absent` the settings
that then hold. What no key covers is a sentence: `otherwise`, with {value}, or `say` for single values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import Field

from repro.spec.keys import Flat, flatten, frozen
from repro.spec.reading import parse
from repro.spec.strict import StrictModel

Read = Literal[
    "text", "integer", "number", "boolean", "integers", "numbers", "side", "scale range", "strides", "rates",
    "per device", "epochs", "complement",
]  # fmt: skip
MOST_VALUES = 64
"""Of one flag or list."""


class TranslatedKey(StrictModel):
    """One key of another program."""

    theirs: Annotated[tuple[str, ...], Field(min_length=1)]
    to: str = ""
    read: Read = "text"
    default: Any = None
    map: dict[str, dict[str, Any]] = {}
    absent: dict[str, Any] = {}
    otherwise: str = ""
    say: dict[str, str] = {}


class RecipeFormat(StrictModel):
    """How one program's recipes are read."""

    title: str
    kind: Literal["flags", "python"]
    known_by: tuple[str, ...] = ()
    """Flags that only this program has."""
    evaluation_scripts: tuple[str, ...] = ()
    """Scripts whose flags `evaluation` reads; all others are read by `keys`."""
    always: dict[str, Any] = {}
    """Settings that the program has whatever is written."""
    extras: tuple[str, ...] = ()
    """What it always does otherwise and no setting covers."""
    keys: tuple[TranslatedKey, ...]
    evaluation: tuple[TranslatedKey, ...] = ()


FORMATS = ("deeplab", "torchvision", "mmsegmentation")


@cache
def load_format(name: str) -> RecipeFormat:
    """One of `FORMATS`."""
    place = files("repro.diagnose") / "formats" / f"{name}.toml"
    tree = parse(place.read_text(encoding="utf-8"), f"formats/{name}.toml")
    return RecipeFormat.model_validate(_plain(tree))


@dataclass
class Recipe:
    """What a recipe states, in the protocol's words."""

    title: str
    """What was read, in words."""
    settings: Flat = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    """Key -> where it is written."""
    extras: list[str] = field(default_factory=list)
    """Departures that no setting covers."""
    open: list[str] = field(default_factory=list)
    """What could not be read, each with a reason."""
    devices: int | None = None
    """That it ran on, where that is known."""

    def state(self, settings: Mapping[str, Any], place: str) -> None:
        """Take settings (nested or dotted) in; a contradiction of what is there is an extra."""
        for key, value in flatten(settings, place).items():
            if key in self.settings and self.settings[key] != value and key in self.places:
                self.extras.append(f"{key} is {self.settings[key]} by {self.places[key]} and {value} by {place}")
            self.settings[key], self.places[key] = value, place


def apply_keys(
    recipe: Recipe, written: Mapping[str, Any], table: tuple[TranslatedKey, ...], images: Mapping[str, int]
) -> bool:
    """State in `recipe` what `written` (dotted key or flag -> value) says by a table of keys.

    `images`: of each training split, for epochs. Keys that need another's value come last. Whether anything of it was
    written.
    """
    later = []
    for key in table:
        if key.read in ("rates", "epochs"):
            later.append(key)
        else:
            _apply_key(recipe, written, key, images)
    for key in later:
        _apply_key(recipe, written, key, images)
    return any(_lookup(written, key.theirs)[1] is not None for key in table)


def _apply_key(recipe: Recipe, written: Mapping[str, Any], key: TranslatedKey, images: Mapping[str, int]) -> None:
    name, value = _lookup(written, key.theirs)
    if value is None:
        if key.absent:
            recipe.state(key.absent, f"no {key.theirs[0]}")
        value = key.default
        name = f"{key.theirs[0]} (default)"
    if value is None:
        return
    spelt = _spelt(value)
    if spelt in key.say:
        recipe.extras.append(key.say[spelt])
    if spelt in key.map:
        recipe.state(key.map[spelt], name)
    elif key.to:
        _state_value(recipe, key, name, value, images)
    elif key.otherwise:
        recipe.extras.append(key.otherwise.format(value=spelt[:60]))


def _state_value(recipe: Recipe, key: TranslatedKey, name: str, value: Any, images: Mapping[str, int]) -> None:
    try:
        read = _understood(key.read, value, recipe, images)
    except (ValueError, TypeError, KeyError, OverflowError):
        recipe.open.append(f"{name} = {_spelt(value)[:60]}: not understood as {key.to}")
        return
    if isinstance(read, _Open):
        recipe.open.append(f"{name} = {_spelt(value)[:60]}: {read}")
    else:
        recipe.state({key.to: read}, name)


class _Open(str):
    """Why a value says nothing by itself."""


def _lookup(written: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, Any]:
    for name in names:
        path, _, wanted = name.partition("=")
        if path in written and not wanted:
            return path, written[path]
        if "*" in path:
            pattern = re.compile(re.escape(path).replace(r"\*", r"\d+") + r"\Z")
            for at, value in written.items():
                if pattern.match(at) and (not wanted or value == wanted):
                    return at, value
    return names[0], None


def _spelt(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_spelt(item) for item in value[:MOST_VALUES])
    return str(value).lower() if isinstance(value, bool) else str(value)


def _items(value: Any) -> list[Any]:
    items = list(value) if isinstance(value, list | tuple) else [value]
    return [
        item_
        for item in items
        for item_ in (re.split(r"[,\s]+", item.strip("[]()")) if isinstance(item, str) else [item])
    ]


def _numbers(value: Any) -> list[float]:
    out = [float(item) for item in _items(value)]
    if not all(math.isfinite(number) for number in out):
        raise ValueError
    return out


def _number(value: Any) -> float:
    (number,) = _numbers(value)
    return number


def _integer(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError
    return int(number)


def _side(value: Any) -> Any:
    sides = {int(number) for number in _numbers(value)}
    return sides.pop() if len(sides) == 1 else _Open("the crop is no square")


def _scale_range(value: Any) -> Any:
    low, high = _numbers(value)
    steps = round((high - low) / 0.25)
    if steps < 0 or abs(low + 0.25 * steps - high) > 1e-9 or steps > MOST_VALUES:
        return _Open("no range in steps of 0.25")
    return [low + 0.25 * step for step in range(steps + 1)]


def _rates(value: Any, recipe: Recipe) -> Any:
    """Rates as they act at the recipe's output stride, brought to those at 16; a leading 1 is the 1x1 branch."""
    rates = [int(number) for number in _numbers(value)] if value else []
    rates = rates[1:] if rates[:1] == [1] else rates
    stride = recipe.settings.get("train.output_stride")
    if stride is None:
        return _Open("the output stride is not known, and rates depend on it")
    at_16 = [rate * stride / 16 for rate in rates]
    return (
        [int(rate) for rate in at_16]
        if all(rate == int(rate) for rate in at_16)
        else _Open(f"no rates of output stride {stride}")
    )


def _per_device(value: Any, recipe: Recipe) -> Any:
    if recipe.devices is None:
        return _Open("a batch of that on each device; say on how many with --devices")
    return _integer(value) * recipe.devices


def _epochs(value: Any, recipe: Recipe, images: Mapping[str, int]) -> Any:
    split, batch = recipe.settings.get("data.train_split"), recipe.settings.get("train.batch_size")
    if not isinstance(split, str) or split not in images or not batch:
        return _Open("epochs of a set or a batch that is not known")
    return max(1, _integer(value) * (images[split] // batch))


def _understood(how: Read, value: Any, recipe: Recipe, images: Mapping[str, int]) -> Any:
    match how:
        case "text":
            return _spelt(value)
        case "integer":
            return _integer(value)
        case "number":
            return _number(value)
        case "boolean":
            return {"true": True, "1": True, "false": False, "0": False}[_spelt(value).lower()]
        case "integers":
            return [_integer(item) for item in _items(value)]
        case "numbers":
            return _numbers(value)
        case "side":
            return _side(value)
        case "scale range":
            return _scale_range(value)
        case "strides":
            return 4 * math.prod(_integer(item) for item in value)
        case "rates":
            return _rates(value, recipe)
        case "per device":
            return _per_device(value, recipe)
        case "epochs":
            return _epochs(value, recipe, images)
        case "complement":
            return round(1 - _number(value), 12)


def _plain(tree: Any) -> Any:
    """Decimals, as TOML is read here, as floats."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_plain(value) for value in tree]
    return frozen(tree) if isinstance(tree, bool | int | str) else float(tree)
