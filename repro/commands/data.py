"""`repro data list` and `repro data show`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.commands.output import print_json, print_line, print_table
from repro.errors import EXIT_OK, EXIT_WRONG_INPUT, InputError
from repro.spec.dataset import Dataset
from repro.spec.load import load_suite
from repro.spec.protocol import Data

if TYPE_CHECKING:
    from PIL import Image

    from repro.data.images import PaddedSplit


def list_sets(as_json: bool) -> None:
    """Print every data set with classes and splits."""
    suite = load_suite()
    rows: list[dict[str, Any]] = [
        {"id": name, "kind": "data", "title": d.title, "classes": d.count, "splits": dict(d.splits)}
        for name, d in suite.datasets.items()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("name", "classes", "splits", "title"),
        [
            (
                str(row["id"]),
                str(row["classes"] or ""),
                ", ".join(f"{split} {count}" for split, count in dict(row["splits"]).items()),
                str(row["title"]),
            )
            for row in rows
        ],
    )


def show_sheet(name: str, root: Path | None, split: str, count: int, side: int | None, out: Path, store: Path) -> None:
    """Write a PNG sheet of images beside their label maps in the data set's colours, void white."""
    from repro.data import source

    suite = load_suite()
    name = suite.dataset_name(name)
    facts = suite.dataset(name)
    if facts.count is None:
        raise InputError(f'data set "{name}" has no label maps to show. Choose another.')
    data = Data(
        name=name,
        classes=facts.count,
        side=side,
        train_split=facts.train_split,
        val_split=split,
        train_images=count,
        val_images=count,
    )
    images = source.load(data, split, root, store / "cache", facts)
    sheet = _sheet(images, facts, count)
    try:
        sheet.save(out)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"--out {out}: {reason}. Name a writable .png file.") from error
    print_line(f"{out}: {min(count, len(images.pixels))} images of {name}, split {split}")


def verify_set(name: str, root: Path, store: Path, as_json: bool) -> int:
    """Print what was checked; 2 if something is not as published."""
    from repro.data.verify import verify

    suite = load_suite()
    name = suite.dataset_name(name)
    result = verify(name, suite.dataset(name), root, store / "cache", percent())
    marks: dict[object, str] = {True: "ok", False: "WRONG", None: ""}
    if as_json:
        print_json(
            {"id": r.what, "kind": "check", "published": r.expected, "value": r.actual, "ok": r.ok} for r in result
        )
    else:
        print_table(
            ("", "what", "expected", "found"),
            [(marks[r.ok], str(r.what), str(r.expected), str(r.actual)) for r in result],
        )
    return EXIT_WRONG_INPUT if any(r.ok is False for r in result) else EXIT_OK


def prepare_set(name: str, root: Path) -> int:
    """Print what is left to do by hand; 2 if anything is."""
    from repro.data.prepare import PIECES, prepare

    left = prepare(name, root, print_line, percent())
    for line in left:
        print(line)
    if left:
        print_line(f"Then once more: repro data prepare {name} --root {root}")
    else:
        print_line(
            f"{name}: everything is in {root}" if PIECES[name] else f"{name}: drawn when needed, nothing to fetch"
        )
    return EXIT_WRONG_INPUT if left else EXIT_OK


def percent(pause_seconds: float = 5.0) -> Callable[[int, int], None]:
    """Tells how far a long step is, on stderr, at most once in `pause_seconds`."""
    last = [time.monotonic()]

    def progress(done: int, total: int) -> None:
        if time.monotonic() - last[0] >= pause_seconds:
            last[0] = time.monotonic()
            print_line(f"  {100 * done / max(total, 1):.0f} %")

    return progress


def _sheet(images: PaddedSplit, facts: Dataset, count: int) -> Image.Image:
    import numpy as np
    from PIL import Image

    palette = np.full((256, 3), 255, dtype=np.uint8)
    colours = facts.colours or [(37 * i % 256, 91 * i % 256, 153 * i % 256) for i in range(facts.count or 0)]
    palette[: len(colours)] = colours
    shown = min(count, len(images.pixels))
    columns = max(1, round((shown / 2) ** 0.5))
    height, width = images.pixels.shape[1:3]
    gap = 4
    rows = -(-shown // columns)
    sheet = Image.new("RGB", (columns * (2 * width + gap) - gap, rows * (height + gap) - gap), (255, 255, 255))
    for i in range(shown):
        pair = np.concatenate([images.pixels[i], palette[images.labels[i]]], axis=1)
        sheet.paste(Image.fromarray(pair), ((i % columns) * (2 * width + gap), (i // columns) * (height + gap)))
    return sheet
