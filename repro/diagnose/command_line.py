"""Command lines of training scripts, read from a text file: `python train.py --lr 0.02 -b 4 --crop=513,513`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from repro.errors import InputError
from repro.spec.reading import read_text


@dataclass
class RecipeCommand:
    """One command: its script's file name and its flags, each with all values that it was given, in order."""

    script: str = ""
    flags: dict[str, list[str]] = field(default_factory=dict)
    """Without hyphens in front; an underscore for each hyphen inside. A flag without a value has "true"."""
    launcher: dict[str, list[str]] = field(default_factory=dict)
    """What came before the script, such as torchrun's `nproc_per_node`."""


def read_command_lines(path: Path, place: str) -> list[RecipeCommand]:
    """Read every command that runs a Python script; flags alone are one command without a script.

    Lines that end in a backslash go on; what follows # is a comment. Nothing is executed or expanded: `$X` stays `$X`.
    Raises InputError where quotes are not closed.
    """
    text = read_text(path, place).replace("\\\n", " ")
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            arguments = shlex.split(line, comments=True)
        except ValueError as error:
            raise InputError(f"{place}: command {number}: {error}. Mend the line.") from None
        command = _command(arguments)
        if command.flags or command.script:
            out.append(command)
    if len(out) > 1 and not any(command.script for command in out):  # a flag a line
        whole = RecipeCommand()
        for command in out:
            for name, values in command.flags.items():
                whole.flags.setdefault(name, []).extend(values)
        return [whole]
    return out


def _command(arguments: list[str]) -> RecipeCommand:
    out = RecipeCommand()
    flags = out.flags
    last = ""
    for argument in arguments:
        if argument.startswith("-") and not _number(argument):
            name, equals, value = argument.lstrip("-").partition("=")
            last = name.replace("-", "_")
            values = flags.setdefault(last, [])
            if equals:
                values.append(value)
                last = ""
        elif argument.endswith(".py") and not out.script:
            out.script = PurePosixPath(argument).name
            out.launcher, out.flags = out.flags, {}
            flags, last = out.flags, ""
        elif last:
            flags[last].append(argument)
    for held in (out.flags, out.launcher):
        for name in [name for name, values in held.items() if not values]:
            negated = name.startswith("no") and len(name) > 2 and not name.startswith("norm")
            held[name] = ["true"]
            if negated and name[2:].lstrip("_"):
                held.setdefault(name[2:].lstrip("_"), ["false"])
    return out


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
