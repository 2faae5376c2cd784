"""Reading somebody's recipe: TOML in the protocol's own words, a configuration, or command lines as typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repro.diagnose.command_line import RecipeCommand, read_command_lines
from repro.diagnose.python_config import flattened, read_python_config
from repro.diagnose.recipe_keys import FORMATS, Recipe, RecipeFormat, apply_keys, load_format
from repro.errors import InputError, did_you_mean
from repro.spec import bounds
from repro.spec.keys import flatten
from repro.spec.reading import parse, read_text

DEVICES = re.compile(r"(?:^|[^0-9])(\d{1,4})xb\d+")
"""In the name of an mmsegmentation configuration: 4xb4 is a batch of 4 on each of 4 devices."""
LAUNCHERS = ("nproc_per_node", "gpus", "num_gpus")


def read_recipe(path: Path, form: str | None, devices: int | None, images: Mapping[str, int]) -> Recipe:
    """Read a recipe; `form`: one of `FORMATS`, "protocol", or None to see from the file.

    `images`: of each training split. Raises InputError naming file, line or key, and remedy.
    """
    place = str(path)
    if form is not None and form not in ("protocol", *FORMATS):
        hint = did_you_mean(form, ["protocol", *FORMATS])
        raise InputError(f"--as {form}: there is no such form; there are protocol, {', '.join(FORMATS)}.{hint}")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no ordinary file" if path.exists() else "no such file"
        raise InputError(f"{place}: {what}. Name the file of your recipe.")
    if path.stat().st_size > bounds.SPEC_BYTES:
        raise InputError(f"{place}: over {bounds.SPEC_BYTES:,} bytes; no recipe is so long. Name the right file.")
    if form == "protocol" or (form is None and path.suffix == ".toml"):
        return _protocol(path, place)
    if form == "mmsegmentation" or (form is None and path.suffix == ".py"):
        return _python(path, place, devices, images)
    return _flags(path, place, form, devices, images)


def _protocol(path: Path, place: str) -> Recipe:
    tree = parse(read_text(path, place), place)
    settings = flatten(tree.get("protocol", tree) if set(tree) == {"protocol"} else tree, place)
    if not settings:
        raise InputError(f"{place}: no setting. Write those you know, as [train] and batch_size = 8.")
    recipe = Recipe("your protocol")
    recipe.state(settings, place)
    return recipe


def _python(path: Path, place: str, devices: int | None, images: Mapping[str, int]) -> Recipe:
    config = read_python_config(path, place)
    form = load_format("mmsegmentation")
    named = DEVICES.search(path.name)
    recipe = Recipe(form.title, devices=devices or (int(named.group(1)) if named else None))
    recipe.open += config.left_out
    written = flattened(config.values)
    _start(recipe, form)
    if not apply_keys(recipe, written, form.keys, images):
        raise InputError(f"{place}: nothing in it is a key of {form.title}. Name another form with --as.")
    return recipe


def _flags(path: Path, place: str, name: str | None, devices: int | None, images: Mapping[str, int]) -> Recipe:
    commands = read_command_lines(path, place)
    name = name or _recognised(commands)
    if name is None:
        raise InputError(
            f"{place}: no command line of a program that is known here. Name the form with --as: {', '.join(FORMATS)}, "
            "or write your settings as TOML: `repro diagnose --help`."
        )
    form = load_format(name)
    recipe = Recipe(form.title, devices=devices)
    _start(recipe, form)
    evaluations = [c for c in commands if c.script in form.evaluation_scripts]
    trainings = [c for c in commands if c.script not in form.evaluation_scripts]
    if recipe.devices is None:
        recipe.devices = _launched([*trainings, *evaluations])
    apply_keys(recipe, _written(trainings), form.keys, images)
    if evaluations:
        apply_keys(recipe, _written(evaluations), form.evaluation, images)
    known = {name for key in (*form.keys, *form.evaluation) for name in key.theirs} | set(LAUNCHERS)
    flags = [flag for command in commands for flag in command.flags if flag not in known]
    if flags:
        recipe.open.append(", ".join(f"--{flag}" for flag in dict.fromkeys(flags)))
    return recipe


def _start(recipe: Recipe, form: RecipeFormat) -> None:
    recipe.extras += form.extras
    for key, value in flatten(form.always, form.title).items():
        recipe.settings[key] = value  # without a place: what is written replaces it in silence


def _recognised(commands: list[RecipeCommand]) -> str | None:
    flags = {flag for command in commands for flag in command.flags}
    counts = {name: len(flags & set(load_format(name).known_by)) for name in FORMATS}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else None


def _launched(commands: list[RecipeCommand]) -> int | None:
    for command in commands:
        for name in LAUNCHERS:
            for held in (command.launcher, command.flags):
                values = held.get(name, [])
                if values and values[-1].isdecimal():
                    return int(values[-1]) or None
    return 1 if any(command.script and not command.launcher for command in commands) else None


def _written(commands: list[RecipeCommand]) -> dict[str, Any]:
    """Every flag's values, single ones as such."""
    flags = [item for command in commands for item in command.flags.items()]
    return {flag: values[0] if len(values) == 1 else values for flag, values in flags}
