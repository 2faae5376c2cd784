"""A data set of one's own, read as its TOML file declares (`repro.spec.dataset`, docs/extending.md)."""

from __future__ import annotations

import glob
import re
from functools import partial
from pathlib import Path

from repro.data.format import DiskFormat, Sample, list_lines, pair_of
from repro.data.images import VOID, ByteArray
from repro.data.label_form import LabelForm, read_labels
from repro.errors import InputError
from repro.spec.dataset import Dataset, FilePatterns

_REMEDY = "Say what it means in the data set's file: labels.void, labels.offset or labels.values."


def declared_format(name: str, facts: Dataset) -> DiskFormat:
    """The form on disk of a declared data set; its functions can be sent to other processes."""
    if facts.files is None or facts.count is None:
        raise InputError(
            f"data set {name!r}: its declaration does not say where its files are. Add [files] and [labels] "
            "(docs/extending.md), or choose another data set."
        )
    patterns = [p for p in (facts.files.images, facts.files.labels, facts.files.list) if p]
    return DiskFormat(
        name=name,
        splits=tuple(facts.splits),
        largest=None,
        homes=("",),
        # the whole folders that its patterns begin with
        marks=tuple(dict.fromkeys(_beginning(pattern, facts.splits) for pattern in patterns)),
        get="Give the folder that its patterns begin in.",
        samples=partial(_samples, facts.files),
        read_labels=partial(_labels, label_form(facts, facts.count)),
        reading=facts.reading(),
    )


def label_form(facts: Dataset, count: int) -> LabelForm:
    """What the numbers or colours in its label files mean."""
    labels = facts.labels
    if labels.format == "rgb":
        colours = {**{colour: k for k, colour in enumerate(facts.colours)}, **dict.fromkeys(labels.voids, VOID)}
        return LabelForm(count, colours=colours, kind="rgb", rest_void=False, remedy=_REMEDY)
    mapping = {number: k for k, number in enumerate(labels.numbers(count))}
    void = frozenset(labels.voids)
    return LabelForm(count, void, mapping=mapping, kind=labels.format, rest_void=False, remedy=_REMEDY)


def _labels(form: LabelForm, sample: Sample) -> ByteArray:
    return read_labels(sample.labels, form)


def _beginning(pattern: str, splits: dict[str, int]) -> str:
    """The first folder or file of a pattern; of the first split, where that is part of it."""
    first = pattern.replace("{split}", next(iter(splits))).split("/")[0]
    return "." if "{" in first else first


def _samples(files: FilePatterns, home: Path, split: str) -> tuple[Sample, ...]:
    """The samples of a split: in the order of its list, or else by name."""
    images, labels, listed = (p.replace("{split}", split) for p in (files.images, files.labels, files.list))
    if listed:
        lines = tuple(list_lines(home / listed))
        if not images:
            return tuple(pair_of(line, place, lambda entry: home / entry) for place, line in lines)
        suffix = images.partition("{name}")[2]
        return tuple(_sample(line.removesuffix(suffix), home, images, labels, place) for place, line in lines)
    before, _, after = images.partition("{name}")
    pattern = f"{glob.escape(before)}*{glob.escape(after)}"
    form = re.compile(f"{re.escape(before)}([^/]+){re.escape(after)}")
    names = sorted(m[1] for path in home.glob(pattern) if (m := form.fullmatch(path.relative_to(home).as_posix())))
    if not names:
        raise InputError(f"{home}: there is no {before}*{after} in it. Mend files.images, or give another --data.")
    return tuple(_sample(name, home, images, labels, str(home / images.replace("{name}", name))) for name in names)


def _sample(name: str, home: Path, images: str, labels: str, place: str) -> Sample:
    return Sample(name, home / images.replace("{name}", name), home / labels.replace("{name}", name), place)
