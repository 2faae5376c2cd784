"""Which prediction belongs to which ground truth: by name, from folders, lists or a data set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.data.format import DiskFormat, Sample, list_lines
from repro.data.label_form import LOSSY, SUFFIXES
from repro.errors import InputError, shortened

ENDINGS = (
    "_leftImg8bit", "_gtFine_labelTrainIds", "_gtFine_labelIds", "_gtFine_color", "_gtFine", "_gtCoarse_labelIds",
    "_labelTrainIds", "_labelIds", "_prediction", "_pred", "_pred_labels", "-labels", "_labels",
)  # fmt: skip
"""What names of one image's files end in, where data sets and tools give each its own (Cityscapes' above all)."""
NAMED = 8
"""So many names are listed in a message."""


@dataclass(frozen=True)
class LabelPair:
    """A prediction and its ground truth."""

    name: str
    prediction: Path
    truth: Path
    sample: Sample | None = None
    """Where the ground truth is a data set's: what its labels are read from."""


def base_name(path: Path) -> str:
    """Return a file's name without suffix and without what tells one image's files apart."""
    stem = path.stem
    for ending in ENDINGS:
        if stem.endswith(ending) and len(stem) > len(ending):
            return stem[: -len(ending)]
    return stem


def label_files(place: Path, ending: str, role: str) -> dict[str, Path]:
    """Return base name -> label file, of a folder (searched to any depth) or of a list (one path a line).

    `ending`: only files whose name ends so. Raises InputError where there are none, or two of one name.
    """
    if place.is_dir():
        paths = _in_folder(place, ending)
    elif place.is_file() and place.suffix.lower() in (".txt", ".lst", ".list"):
        paths = [_listed(place, line, where) for where, line in list_lines(place)]
        paths = [path for path in paths if path.name.endswith(ending)]
    elif place.exists():
        raise InputError(f"{place}: no folder and no list of {role}. Give a folder, or a .txt file with a path a line.")
    else:
        raise InputError(
            f"{place}: no such folder or list. Give the {role}: a folder, or a .txt file with a path a line."
        )
    files: dict[str, Path] = {}
    for path in paths:
        name = base_name(path)
        if name in files:
            raise InputError(
                f"{place}: {files[name].name} and {path.name} are both {role} of {name}. Leave one, or name the ending "
                f"of the right ones with --{'prediction' if role == 'predictions' else 'truth'}-ending."
            )
        files[name] = path
    if not files:
        lossy = any(entry.suffix.lower() in LOSSY for entry in place.rglob("*")) if place.is_dir() else False
        why = "; there are files of a form that need not keep labels (JPEG, WebP, GIF)" if lossy else ""
        named = f" whose names end in {shortened(ending)!r}" if ending else ""
        raise InputError(
            f"{place}: no label maps ({', '.join(SUFFIXES)}){named}{why}. Give the folder or list of the {role}."
        )
    return files


def _in_folder(folder: Path, ending: str) -> list[Path]:
    paths = []
    for home, folders, names in os.walk(folder, onerror=_refuse):
        folders.sort()
        paths += [
            Path(home, name)
            for name in sorted(names)
            if not name.startswith(".") and name.endswith(ending) and Path(name).suffix.lower() in SUFFIXES
        ]
    return paths


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read ({(error.strerror or 'error').lower()}). Make it readable.")


def _listed(place: Path, line: str, where: str) -> Path:
    """Return a list's path: as it stands, or below the list's own folder. The last column is the label file."""
    for candidate in (line, line.split()[-1]):
        path = Path(candidate)
        for full in (path, place.parent / path):
            if full.is_file():
                return full
    raise InputError(f"{where}: no such file: {line}. Write one path a line, as seen from the list's own folder.")


def pair_up(predictions: Mapping[str, Path], truths: Mapping[str, tuple[Path, Sample | None]], *, partial: bool,
            places: tuple[str, str]) -> tuple[LabelPair, ...]:  # fmt: skip
    """Return the pairs in order of name. `partial`: ground truth without a prediction is left out.

    `places` are the names of both sides in messages. Raises InputError for predictions without ground truth, and
    unless `partial` for the reverse.
    """
    extra = sorted(predictions.keys() - truths.keys())
    missing = sorted(truths.keys() - predictions.keys())
    common = sorted(predictions.keys() & truths.keys())
    if not common:
        raise InputError(
            f"{places[0]}: no prediction is named as a ground truth of {places[1]} is ({_some(extra)}, but "
            f"{_some(missing)}). Give files the names of their ground truth; suffixes may differ."
        )
    if missing and not partial:
        raise InputError(
            f"{places[0]}: {len(missing)} of {len(truths)} predictions are missing: {_some(missing)}. Every image "
            "counts in a score: add them, or leave these images out with --partial."
        )
    if extra and not partial:
        raise InputError(
            f"{places[0]}: {len(extra)} predictions have no ground truth in {places[1]}: {_some(extra)}. Take them "
            "away, or leave them out with --partial."
        )
    return tuple(LabelPair(name, predictions[name], *truths[name]) for name in common)


def dataset_truths(form: DiskFormat, root: Path | None, split: str) -> dict[str, tuple[Path, Sample | None]]:
    """Return base name -> ground truth of a data set's split."""
    samples = form.samples(form.home(root), form.checked_split(split))
    return {base_name(Path(sample.name)): (sample.labels, sample) for sample in samples}


def _some(names: Sequence[str] | Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
