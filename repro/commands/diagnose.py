"""`repro diagnose`: a recipe of one's own beside a published one."""

from __future__ import annotations

from pathlib import Path

from repro.commands.judge import find_cell, place, size_of
from repro.commands.output import print_json, print_table
from repro.diagnose.departures import Departure, Diagnosis, diagnose, verdict
from repro.diagnose.recipe import read_recipe
from repro.diagnose.recipe_keys import Recipe
from repro.errors import InputError
from repro.spec.explain import brief
from repro.spec.load import Suite, load_suite

SHOWN_UNSTATED = 12


def main(path: Path, cell_id: str, got: float | None, form: str | None, devices: int | None, as_json: bool) -> None:
    """Print departures, their sizes, and what they lead one to expect."""
    suite = load_suite()
    cell = find_cell(suite, cell_id)
    if got is not None and not 0 <= got <= 100:
        raise InputError(f"--got {got}: a mean IOU is 0 to 100 per cent.")
    if got is not None and got <= 1:
        raise InputError(f"--got {got}: looks like a share; give per cent.")
    if devices is not None and not 1 <= devices <= 65_536:
        raise InputError(f"--devices {devices}: give 1 to 65536.")
    recipe = read_recipe(path, form, devices, split_sizes(suite))
    result = diagnose(suite, cell, recipe)
    unsized = [_line_of(departure) for departure in result.departures if departure.points is None] + recipe.extras
    if as_json:
        print_json(
            [_row(departure) for departure in result.departures],
            cell=cell.id, read_as=recipe.title, published=result.published,
            low=None if result.dataset else result.low, high=None if result.dataset else result.high,
            margin=result.margin, extras=recipe.extras, not_read=recipe.open, not_stated=list(result.unstated), got=got,
            verdict=verdict(result, got, unsized) if got is not None else None,
        )  # fmt: skip
        return
    print(f"{cell.id}: {place(suite, cell)}")
    print(f"{path}: read as {recipe.title}; {len(recipe.settings)} settings.")
    print()
    _print(result, recipe)
    print()
    print(expectation(result, len(unsized)))
    if got is not None:
        print(verdict(result, got, unsized))


def split_sizes(suite: Suite) -> dict[str, int]:
    """Images of VOC's training splits, for recipes that count epochs."""
    return {name: count for name, count in suite.datasets["voc2012"].splits.items() if isinstance(count, int)}


def expectation(result: Diagnosis, unsized: int) -> str:
    """What the recipe should give, in words."""
    if result.dataset:
        return (
            f"Nothing can be expected: {result.dataset} is not the published number's data set. Name one with --cell."
        )
    sized = [departure.points for departure in result.sized if departure.points is not None]
    runs = f"two runs of one recipe differ by up to {result.margin:.2f} in 95 % of cases"
    if not sized:
        sentence = f"Expected: {result.low:.1f} to {result.high:.1f}, as published ({result.published:.2f}); {runs}."
    else:
        low, high = (sum(size[end] for size in sized) for end in (0, 1))
        ends = f"{max(0, result.low):.1f} to {max(0, result.high):.1f}"
        sentence = (
            f"Expected: {ends}: {result.published:.2f} published, {size_of((low, high))} by departures of known size, "
            f"if they add up; {runs}."
        )
    if unsized:
        count = "One departure has" if unsized == 1 else f"{unsized} departures have"
        sentence += f" {count} no known size and no part in this."
    return sentence


def _print(result: Diagnosis, recipe: Recipe) -> None:
    if not result.departures and not recipe.extras:
        print("No departure from the published protocol in what is stated.")
    if result.departures:
        rows = [
            (_line_of(d), "unknown" if d.points is None else size_of(d.points), _known(d)) for d in result.departures
        ]
        print_table(("departure (published -> yours)", "points", "what is known of it"), rows)
    commands = list(dict.fromkeys(command for d in result.departures for command in d.commands))
    if commands:
        print("\nMeasure them beside the correct protocol:")
        for command in commands:
            print(f"  {command}")
    for title, lines in (("No setting covers, size unknown:", recipe.extras), ("Not read:", recipe.open)):
        if lines:
            print(f"\n{title}")
            for line in lines:
                print(f"  {line}")
    if result.unstated:
        more = len(result.unstated) - SHOWN_UNSTATED
        names = ", ".join(result.unstated[:SHOWN_UNSTATED]) + (f" and {more} more" if more > 0 else "")
        print(f"\nNot stated, taken as published: {names}.")


def _line_of(departure: Departure) -> str:
    changes = [f"{d.key}: {_value(d.published)} -> {_value(d.value)}" for d in departure.settings]
    return "; ".join(changes)


def _value(value: object) -> str:
    return "none" if value is None else brief(list(value) if isinstance(value, tuple) else value)


def _known(departure: Departure) -> str:
    return ": ".join(part for part in (departure.cause, departure.source) if part)


def _row(departure: Departure) -> dict[str, object]:
    return {
        "kind": "departure",
        "settings": {d.key: {"published": d.published, "yours": d.value} for d in departure.settings},
        "points": departure.points,
        "cause": departure.cause,
        "source": departure.source,
        "test": list(departure.commands),
    }
