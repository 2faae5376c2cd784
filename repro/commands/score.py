"""`repro score`: label maps that somebody's network made, against ground truth."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import repro
from repro.commands.judge import find_cell, judged_sentence
from repro.commands.output import print_line, print_table
from repro.cores import cores
from repro.data.format import DiskFormat, Sample
from repro.data.label_form import LabelForm
from repro.data.source import format_of
from repro.errors import InputError, shortened
from repro.scoring.labels import largest_label, read_map
from repro.scoring.matrix import VOID
from repro.scoring.pairs import LabelPair, dataset_truths, label_files, pair_up
from repro.scoring.result import Score, score_pairs
from repro.scoring.tally import Reading, read_pair
from repro.spec.colours import VOID_COLOUR, voc_colours
from repro.spec.load import load_suite

if TYPE_CHECKING:
    from repro.report.content import ClassTable
    from repro.report.formats.score_page import ScorePage
    from repro.report.pictures import Sheet

FORMATS_WRITTEN = ("md", "html", "json", "csv")
MOST_CLASSES = 254
PICTURE_BYTES = 3_000_000


@dataclass(frozen=True)
class LabelReading:
    """How one side's numbers are read, as given on the command line."""

    void: tuple[int, ...]
    offset: int
    mapping: str | None
    ending: str


@dataclass(frozen=True)
class ClassNames:
    """The classes: names in label order, and colours where they are known."""

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...] = ()


def main(
    predictions: Path, truth: Path | None, dataset: str | None, data: Path | None, split: str | None,
    classes: str | None, sides: tuple[LabelReading, LabelReading], partial: bool, unanswered: bool, formats: str,
    against: str | None, out: Path, jobs: int | None, as_json: bool,
) -> ScorePage:  # fmt: skip
    """Score, write the pages, print a summary (or the JSON), return the page. `sides`: ground truth, prediction."""
    from repro.report.files import ready_folder, try_folder, write_file
    from repro.report.formats.score_page import score_document, score_files

    wanted = _formats(formats)
    form = _format(dataset, truth, data)
    truths, place = _truths(form, truth, data, split, sides[0].ending)
    files = label_files(predictions, sides[1].ending, "predictions")
    pairs = pair_up(files, truths, partial=partial, places=(str(predictions), place))
    known = _names(classes, dataset) or _counted(pairs, sides, form)
    reading = _reading(known, sides, form, unanswered)
    if against is not None:
        find_cell(load_suite(), against)
    if not as_json:
        try_folder(out)
    with _progress(len(pairs), "scoring") as advance:
        score = score_pairs(
            pairs, reading, known.names, jobs or cores(), len(truths) - len(pairs) if partial else 0, advance
        )
    page = _page(score, pairs, reading, known, str(predictions), place)
    if against is not None:
        miou = score.miou
        judged = judged_sentence(load_suite(), against, miou.value * 100, len(pairs), miou.standard_error * 100)
        page = replace(page, judgement=(judged,))
    if as_json:
        import json

        json.dump(score_document(page), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
        return page
    _print(score, page.judgement)
    ready_folder(out)
    for name, text in score_files(page, wanted).items():
        print_line(str(write_file(out / name, text.encode())))
    return page


def _formats(text: str) -> tuple[str, ...]:
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    for part in names or [text]:
        if part not in FORMATS_WRITTEN:
            raise InputError(f"--format: {part!r} is not one of {', '.join(FORMATS_WRITTEN)}.")
    return tuple(names)


def _format(dataset: str | None, truth: Path | None, data: Path | None) -> DiskFormat | None:
    if dataset is None:
        if truth is None:
            raise InputError(
                "GROUND_TRUTH: nothing to score against. Give a folder of label maps, or --dataset NAME --data DIR."
            )
        if data is not None:
            raise InputError("--data: which data set is it? Name it with --dataset.")
        return None
    suite = load_suite()
    name = suite.dataset_name(dataset)
    form = format_of(name, suite.dataset(name))
    if truth is not None and data is not None:
        raise InputError("GROUND_TRUTH and --data: give one of them; both say where the ground truth is.")
    return form


def _truths(
    form: DiskFormat | None, truth: Path | None, data: Path | None, split: str | None, ending: str
) -> tuple[dict[str, tuple[Path, Sample | None]], str]:
    if truth is not None:
        if split is not None:
            raise InputError("--split: a folder of ground truth has no splits. Use it with --dataset and --data.")
        return {name: (path, None) for name, path in label_files(truth, ending, "ground truth").items()}, str(truth)
    if form is None:
        raise InputError("GROUND_TRUTH: give a folder of label maps, or --dataset NAME --data DIR.")
    chosen = split or "val"
    return dataset_truths(form, data, chosen), f"{form.name} {chosen}"


def _names(classes: str | None, dataset: str | None) -> ClassNames | None:
    """The classes as named by --classes (a number, or names) or by the data set; None: count them."""
    if classes is not None:
        if classes.strip().isdigit():
            number = int(classes) if len(classes) < 6 else MOST_CLASSES + 1
            names = tuple(str(k) for k in range(number)) if number <= MOST_CLASSES else ()
        else:
            names = tuple(name.strip() for name in classes.split(",") if name.strip())
        if not 2 <= len(names) <= MOST_CLASSES:
            raise InputError(
                f"--classes {shortened(classes)}: give a number from 2 to {MOST_CLASSES}, or as many names with commas "
                "between."
            )
        return ClassNames(names, voc_colours(len(names)))
    if dataset is None:
        return None
    suite = load_suite()
    facts = suite.dataset(suite.dataset_name(dataset))
    return ClassNames(facts.names, facts.colours)


def _counted(
    pairs: Sequence[LabelPair], sides: tuple[LabelReading, LabelReading], form: DiskFormat | None
) -> ClassNames:
    """Count the classes: up to the largest label in the files. Classes that occur nowhere change no score."""
    reading = _reading(ClassNames(tuple(map(str, range(MOST_CLASSES)))), sides, form, True)
    largest = 0
    with _progress(len(pairs), "counting classes") as advance:
        for pair in pairs:
            largest = max(largest, *(largest_label(labels) for labels in read_pair(pair, reading)))
            advance(1)
    number = max(2, largest + 1)
    print_line(f"{number} classes: the largest label in the files is {largest}. Name them with --classes.")
    return ClassNames(tuple(str(k) for k in range(number)), voc_colours(number))


def _reading(
    known: ClassNames, sides: tuple[LabelReading, LabelReading], form: DiskFormat | None, unanswered: bool
) -> Reading:
    colours = {colour: k for k, colour in enumerate(known.colours)}
    colours.setdefault(VOID_COLOUR, VOID)
    truth, prediction = (
        LabelForm(
            len(known.names),
            frozenset(side.void),
            side.offset,
            read_map(side.mapping) if side.mapping else None,
            colours if known.colours else {},
        )
        for side in sides
    )
    labels = partial(form.labels, classes=len(known.names)) if form else None
    return Reading(len(known.names), prediction, truth, labels, unanswered)


@contextmanager
def _progress(total: int, title: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal; silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, advance=done)


def _page(
    score: Score,
    pairs: Sequence[LabelPair],
    reading: Reading,
    known: ClassNames,
    predictions: str,
    place: str,
) -> ScorePage:
    from repro.report.content import ClassTable
    from repro.report.formats.score_page import ScorePage

    classes = ClassTable(known.names, known.colours)
    command = shlex.join(["python", "-m", "repro", *sys.argv[1:]])
    sheets = _sheets(score, pairs, reading, classes)
    return ScorePage(score, predictions, place, command, repro.__version__, classes, sheets)


def _sheets(score: Score, pairs: Sequence[LabelPair], reading: Reading, classes: ClassTable) -> tuple[Sheet, ...]:
    from repro.data.decode import read_photo
    from repro.report.content import Pictures
    from repro.report.pictures import sheets

    by_name = {pair.name: pair for pair in pairs}
    shown = []
    photographs = {}
    for image in (*score.worst(), *score.best()[::-1]):
        pair = by_name[image.name]
        truth, prediction = read_pair(pair, reading)
        photograph = read_photo(pair.sample.image) if pair.sample and pair.sample.image.is_file() else None
        photographs[image.name] = photograph is not None
        pixels = photograph if photograph is not None else np.zeros((*truth.shape, 3), np.uint8)
        shown.append(Pictures("score", 0, (image.name,), pixels[None], truth[None], prediction[None]))
    made = sheets(shown, classes, {"score": "prediction"}, PICTURE_BYTES)
    return tuple(sheet if photographs[sheet.name] else replace(sheet, image_uri="") for sheet in made)


def _print(score: Score, judgement: tuple[str, ...]) -> None:
    from repro.report.formats.score_page import interval, percent
    from repro.report.number_format import signed

    whole = score.whole
    print(f"mean IOU {percent(score.miou.value, 4)} %, 95 % interval over images {interval(score.miou)}")
    print(
        f"pixel accuracy {percent(whole.pixel_accuracy, 4)} %, mean accuracy {percent(whole.mean_accuracy)} %, "
        f"frequency-weighted IOU {percent(whole.frequency_weighted_iou)} %; {len(score.images)} images"
    )
    for line in judgement:
        print(line)
    if score.missing:
        print(f"{score.missing} images without a prediction were left out (--partial)")
    print()
    ours = score.rules[0].value
    print_table(
        ("the same predictions by", "mean IOU %", "difference", "used by"),
        [
            (r.name, percent(r.value), "" if r.papers else signed((r.value - ours) * 100), r.used_by)
            for r in score.rules
        ],
    )
