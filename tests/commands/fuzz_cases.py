"""Wrong words made at random: mutants of the real specs, settings, selections and options. `fuzz_play` plays them."""

from __future__ import annotations

import contextlib
import json
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from repro.spec.keys import keys

ROOT = Path(__file__).parents[2]
SPECS = ("v2/table3", "v2/table4", "v3/table1", "v3/table3", "v3/table5", "v3/table6", "v3plus/table1", "v3plus/table3")
FILES = (
    *(f"tables/{name}.toml" for name in SPECS),
    "figures/v3plus/fig5.toml",
    "tables/v3/paper.toml",
    "tables/scales.toml",
    "tables/datasets.toml",
    "tables/pitfalls/deeplabv2.toml",
)


@dataclass(frozen=True)
class Raw:
    """TOML that no value would be spelt as."""

    text: str


NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 3, 7, 16, 255, 256, 10**6, 2**31, 2**63, 10**18, 10**40, -(10**300), 0.0, -0.0, 0.5, 1.0, -0.5,
    1e-300, 1e20, 1e308, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
WORDS: tuple[str, ...] = (
    "", " ", "x", "none", "all", "index", "../../up", "/etc/passwd", "a/b", "a\\b", "<script>alert(1)</script>", "\x00",
    "\x1b[2J", "\u202eabc", "é", "中文", "x" * 10_000, "imagenet", "coco", "scenes", "voc2012", "miou", "unknown",
    "true", "v3/table3", "model.last_block", "train", "{}", "[1, 2", "'", '"', "a\nb", "=cmd()", "%s%n", "{0}",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *NUMBERS, *WORDS, True, False, [], {}, [[]], [1, 1, 1], [0], [-1], [1e200], ["conv2"], ["conv2", "conv2"],
    list(range(300)), {"any": 5}, {"any": "x"}, {"any": []}, {"any": [4, 7]}, {"not": {"any": 3}}, {"not": 4}, {"x": 1},
    Raw("1979-05-27"), Raw("1979-05-27T07:32:00Z"), Raw("[" * 500 + "]" * 500), Raw("9" * 5000), Raw("0x" + "f" * 400),
    Raw("1e400"), Raw("{a.b.c = 1}"), Raw("[1, 2"), Raw("+"), Raw("'''x'''"), Raw(".".join("a" * 50)),
)  # fmt: skip


def spelt(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))} = {spelt(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(spelt(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def document(tree: dict[str, Any]) -> str:
    """A whole file."""
    return "".join(f"{json.dumps(str(key))} = {spelt(value)}\n" for key, value in tree.items())


def nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key or position) of every value below."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(pairs):
        yield tree, key
        yield from nodes(value)


def mutate(tree: Any, rng: random.Random) -> None:
    """Change one to three things of a parsed spec in place."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(nodes(tree))
        if not places:
            return
        home, at = rng.choice(places)
        kind = rng.randrange(7)
        if kind <= 2:
            home[at] = rng.choice(VALUES)
        elif kind == 3:
            del home[at]
        elif kind == 4:
            other, there = rng.choice(places)
            with contextlib.suppress(KeyError, IndexError):
                home[at] = json.loads(json.dumps(other[there], default=_float))
        elif kind == 5 and isinstance(home, dict):
            home[slip(str(at), rng)] = home.pop(at)
        elif isinstance(home, list):
            home[at:at] = [home[at]] * rng.choice((1, 2, 1001))
        else:
            home[at] = [home[at]]


def _float(value: Any) -> float:
    return float(value) if isinstance(value, Decimal) else 0.0


def slip(word: str, rng: random.Random) -> str:
    """A word misspelt, or another one."""
    if rng.random() < 0.3:
        return rng.choice([w for w in WORDS if w.isprintable()] + list(keys())) or "x"
    letters = list(word)
    at = rng.randrange(len(letters) + 1)
    letters[at : at + rng.randrange(2)] = rng.choice("abcxyz_.- 0")
    return "".join(letters)


def damage(whole: bytes, rng: random.Random) -> bytes:
    """Change some bytes of a file."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            data[at:at] = rng.choice(
                (b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"[", b"]", b'"', b"\n", b"=", b"#", b"\r\n")
            )
        elif kind == 1:
            del data[at : at + rng.choice((1, 3, 50))]
        elif kind == 2:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            data[at:at] = data[at : at + 200]
        else:
            data[at:at] = str(rng.choice(NUMBERS if rng.random() < 0.5 else WORDS)).encode()[:50]
    return bytes(data)


@dataclass(frozen=True)
class Case:
    """Words of a command, and what stands in its folder."""

    words: tuple[str, ...]
    files: dict[str, bytes]
    named: tuple[str, ...]
    """One of these must stand in what the user is told."""


def spec_case(rng: random.Random) -> Case:
    """A mutant of a real spec, as somebody's own folder of specs, before a command that reads it."""
    name = rng.choice(FILES)
    text = (ROOT / name).read_text(encoding="utf-8")
    tree = tomllib.loads(text, parse_float=Decimal)
    table, place = "mine/t", Path(name).name
    if "source" in tree:
        tree |= {"id": table, "aliases": ["mine"]}
    elif "authors" in tree:
        tree["id"] = "mine-paper"
    else:
        tree = {f"my-{key}": value for key, value in tree.items()}
    if rng.random() < 0.75:
        mutate(tree, rng)
        data = document(tree).encode("utf-8", "surrogatepass")
    else:
        data = damage(document(tree).encode(), rng)
    own = "table.toml" if "source" in tree or "axes" in tree else place
    names = [table, "mine"] if own == "table.toml" else ["v3/table2"]
    scale = rng.choice(("smoke", "tiny", "paper"))
    return Case(_reading(rng, rng.choice(names), scale), {f"specs/{own}": data}, ("specs", "mine", *names))


def _reading(rng: random.Random, table: str, scale: str) -> tuple[str, ...]:
    """A command that reads the specs of a folder."""
    given = ("--tables", "specs")
    if rng.random() < 0.03:
        return ("audit", *given)  # seldom: it counts the networks of every table
    return rng.choice(
        (
            ("list", *given),
            ("show", table, *given, "--scale", scale),
            ("show", table, *given, "--scale", scale, "--resolved"),
            ("plan", table, *given, "--scale", scale, "--store", "runs"),
            ("plan", table, *given, "--scale", scale, "--store", "runs", "--json"),
            ("run", table, *given, "--scale", "smoke", "--store", "runs", "--out", "out"),
            ("report", table, *given, "--scale", "smoke", "--store", "runs", "--out", "out", "--format", "md"),
        )
    )


def setting_case(rng: random.Random) -> Case:
    """--set with values of every kind, for keys that exist and some that do not."""
    words: list[str] = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        key = rng.choice(list(keys())) if rng.random() < 0.9 else slip(rng.choice(list(keys())), rng)
        if key.startswith("evaluate.crf") and rng.random() < 0.5:
            key = key.replace("evaluate.crf", "evaluate.crf?")
        value = spelt(rng.choice(VALUES)) if rng.random() < 0.7 else str(rng.randrange(-2, 600))
        words += ["--set", f"{key}={value}" if rng.random() < 0.97 else value]
    table = rng.choice(SPECS)
    command = rng.choice(("show", "plan", "run", "report", "cost"))
    return Case(_command(command, table, words, rng), {}, ("--set", "--crf", table, "data", "--weights"))


def _command(command: str, table: str, words: list[str], rng: random.Random) -> tuple[str, ...]:
    more = {
        "show": ["--scale", rng.choice(("smoke", "paper"))],
        "plan": ["--scale", rng.choice(("smoke", "small", "paper")), "--store", "runs"],
        "run": ["--scale", "smoke", "--store", "runs", "--out", "out", "--device", "cpu"],
        "report": ["--scale", "smoke", "--store", "runs", "--out", "out", "--format", "md"],
    }
    return (command, table, *more.get(command, []), *words)


def only_case(rng: random.Random) -> Case:
    """--only with keys and values that some cells have, and others."""
    words: list[str] = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        key = rng.choice(("row", "column", "table", "metric", "last_block", "multi_grid", "decoder", *keys()))
        key = key if rng.random() < 0.9 else slip(key, rng)
        value = rng.choice(("7", "[1,2,1]", "OS=8", "block7", "conv2", "v3/table3", spelt(rng.choice(VALUES))))
        words += ["--only", f"{key}={value}" if rng.random() < 0.97 else value]
    command = rng.choice(("show", "plan", "run", "report", "cost"))
    return Case(_command(command, rng.choice((*SPECS, "pitfalls/deeplabv3")), words, rng), {}, ("--only",))


OPTIONS = (
    "--scale", "--seeds", "--only", "--set", "--crf", "--crf-backend", "--dataset", "--data", "--weights", "--store",
    "--any-code", "--out", "--tables", "--device", "--jobs", "--executor", "--slurm", "--gpus-per-training",
    "--micro-batch", "--launch", "--json", "--gpu", "--format", "--resolved", "--from", "--seed", "--markdown",
    "--baselines", "--full", "--cell", "--runs", "--seeds-sd", "--classes", "--void", "--help", "--version", "--bogus",
)  # fmt: skip
COMMANDS = (
    "list", "show", "plan", "run", "report", "compare", "check", "cost", "audit", "predict", "judge", "score", "data",
    "doctor", "bench",
)  # fmt: skip


def argument_case(rng: random.Random) -> Case:
    """Commands with options and arguments of every kind, theirs or not."""
    command = rng.choice(COMMANDS)
    words = [command]
    if command == "data":
        words.append(rng.choice(("list", "show", "verify", "bogus")))
    for _ in range(rng.randrange(3)):
        words.append(rng.choice(("v3/table3", "table6", "all", "deeplab", "runs", *WORDS[:20])))
    for _ in range(rng.randrange(1, 4)):
        option = rng.choice(OPTIONS)
        value = rng.choice(
            ("smoke", "1", "2", "cpu", "cuda:99", "slurm", "h200", "md", "camvid", "runs", spelt(rng.choice(VALUES)))
        )
        words += [option] if rng.random() < 0.15 else [option, value]
    words = [word.replace("\x00", "") for word in words]  # which no shell can hand over
    return Case(tuple(words), {}, ("",))
