"""What a data set on disk is to the rest: a list of samples per split, and how to read a sample's labels."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.data.disk import opened
from repro.data.images import ByteArray, check_labels
from repro.data.similar_names import similar_name
from repro.errors import InputError, did_you_mean

_LINE_END = re.compile(r"\r\n|\r|\n")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".mat")
"""What a path in a list may end in; `street.0001` ends in no suffix."""


@dataclass(frozen=True)
class Sample:
    """One image and what its labels are read from."""

    name: str
    image: Path
    labels: Path
    listed: str
    """Where the data set names it, for messages: `DIR/train.txt: line 3`."""


@dataclass(frozen=True)
class DiskFormat:
    """A data set's form on disk; what is known of its classes and images is declared (`repro.spec.dataset`)."""

    name: str
    splits: tuple[str, ...]
    """Those that can be read; test sets have no public labels."""
    largest: tuple[int, int] | None
    """Largest height and width among the published images."""
    homes: tuple[str, ...]
    """Folders below the given directory that may be the data set's own; "" is the directory itself."""
    marks: tuple[str, ...]
    """A folder that holds one of these is a home."""
    get: str
    """One sentence: where it comes from."""
    samples: Callable[[Path, str], tuple[Sample, ...]]
    """(home, split) -> samples in a fixed order; raises InputError for damaged lists."""
    read_labels: Callable[[Sample], ByteArray]
    """sample -> (H, W) uint8, void 255; raises InputError for damaged files."""
    exact: bool = True
    """Whether the declared numbers of images are exact; papers say "about 60K" of COCO."""
    reading: str = ""
    """What decides the labels beside files and code: a declaration of the user's own."""

    @property
    def module(self) -> str:
        """The module that reads its labels."""
        return str(getattr(self.read_labels, "func", self.read_labels).__module__)

    def labels(self, sample: Sample, classes: int) -> ByteArray:
        """A sample's labels (H, W) uint8, each below `classes` or void; InputError for others."""
        labels = self.read_labels(sample)
        check_labels(labels, classes, sample.labels)
        return labels

    def home(self, root: Path | None) -> Path:
        """The folder with the data set's files, at or below `root`; InputError says what is wrong with it."""
        if root is None:
            raise InputError(f"--data: {self.name} is read from a directory and none was given. {self.get}")
        try:
            os.listdir(root)
            for folder in (root / sub for sub in self.homes):
                if any((folder / mark).exists() for mark in self.marks):
                    return folder.absolute()
        except FileNotFoundError:
            raise InputError(f"{root}: no such directory (--data for {self.name}). {self.get}") from None
        except NotADirectoryError:
            raise InputError(f"{root}: not a directory (--data for {self.name}). {self.get}") from None
        except OSError as error:
            raise InputError(
                f"{root}: cannot be read ({_reason(error)}). Make it readable, or give another directory with --data."
            ) from None
        near = similar_name(root / self.marks[0])
        raise InputError(
            f"{root}: not {self.name} (--data): there is no {' or '.join(self.marks)} in it.{near} {self.get}"
        )

    def checked_split(self, split: str) -> str:
        """`split`, or InputError with the splits there are."""
        if split not in self.splits:
            raise InputError(
                f"data: {split!r} is not a split of {self.name}; there are {', '.join(self.splits)}."
                + did_you_mean(split, self.splits)
            )
        return split


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def list_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Each line of a list file that is not blank, with its place (`FILE: line 3`); InputError if there is none."""
    try:
        with opened(path) as file:
            data = file.read()
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError(f"{path}: UTF-16 text. Save it as UTF-8.")
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        near = similar_name(path) or " The data set is incomplete; unpack it again."
        raise InputError(f"{path}: no such list file.{near}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({_reason(error)}). Make it readable for this user.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file ({error.reason}). Copy or download this file again.") from None
    lines = [(f"{path}: line {i}", line.strip()) for i, line in enumerate(_LINE_END.split(text), 1) if line.strip()]
    if not lines:
        raise InputError(f"{path}: names no images. Copy or download this file again.")
    for place, line in lines:
        if "\0" in line:
            raise InputError(f"{place}: holds a NUL character; a list is plain text. Copy or download this file again.")
        yield place, line


def pair_of(line: str, place: str, path_of: Callable[[str], Path]) -> Sample:
    """The sample that a line with two paths means; `path_of` finds a path's file. InputError for other lines."""
    entries = line.split("\t") if line.count("\t") == 1 else line.split()
    if len(entries) != 2:
        raise InputError(
            f"{place}: {len(entries)} paths; expected an image and its labels, separated by a space (where names "
            "have spaces, by a tab)."
        )
    image, labels = (path_of(entry) for entry in entries)
    return Sample(image.stem, image, labels, place)


def ids(path: Path) -> tuple[tuple[str, str], ...]:
    """A list file's image ids, each with its place; lines may be ids or paths (`/JPEGImages/ID.jpg ...`)."""
    return tuple((_id(line.split()[0]), place) for place, line in list_lines(path))


def _id(text: str) -> str:
    name = Path(text)
    return name.stem if name.suffix.lower() in _SUFFIXES else name.name


def repeated(samples: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """Pairs of samples with the same image file: the first one, and each that names it again."""
    first: dict[Path, Sample] = {}
    return [(before, sample) for sample in samples if (before := first.setdefault(sample.image, sample)) is not sample]


def nearby(home: Path, folders: Iterable[str]) -> Path | None:
    """The first of `folders` in `home` or up to two levels above it: archives are unpacked side by side."""
    for folder in folders:
        for base in (home, home.parent, home.parent.parent):
            if (base / folder).is_dir():
                return base / folder
    return None
