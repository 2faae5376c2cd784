"""What is declared of a data set: its classes and splits, and, of one's own, where its files are and what they hold."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from repro.spec import bounds
from repro.spec.colours import voc_colours
from repro.spec.explain import brief
from repro.spec.protocol import VOID
from repro.spec.ranges import Images, Name, Size
from repro.spec.strict import StrictModel

VOC_VAL = 1449
"""Images of VOC 2012's val, which the papers measure on: taken where a number of images is needed and none is known."""
MOST_CLASSES = 255
"""Labels are bytes, and 255 is void."""
Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]
LabelValue = Annotated[int, Field(ge=0, le=65535)]
"""A number that a label file may hold."""
_Item = TypeVar("_Item")
Many = Annotated[tuple[_Item, ...], Field(max_length=MOST_CLASSES)]
Classes = (
    Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_CLASSES)]
    | Annotated[int, Field(ge=1, le=MOST_CLASSES)]
    | None
)
Pattern = Annotated[str, Field(max_length=bounds.LABEL)]
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class FilePatterns(StrictModel):
    """Where a data set's files are, as seen from --data: patterns with {split} and {name}."""

    images: Pattern = ""
    """As `photos/{split}/{name}.jpg`. With `labels` left out too, each line of the list holds both paths."""
    labels: Pattern = ""
    list: Pattern = ""
    """As `lists/{split}.txt`, a name a line; left out: every image that is there, by name."""

    @model_validator(mode="after")
    def _make_sense(self) -> FilePatterns:
        for key, pattern, needed in (
            ("images", self.images, "name"),
            ("labels", self.labels, "name"),
            ("list", self.list, ""),
        ):
            _check_pattern(key, pattern, needed)
        if bool(self.images) != bool(self.labels):
            key = "labels" if self.images else "images"
            raise ValueError(f"{key}: this key is missing. Name both, or, with a list of pairs, neither.")
        if not self.images and not self.list:
            raise ValueError("images: this key is missing. Name images and labels, or a list of pairs.")
        return self


def _check_pattern(key: str, pattern: str, needed: str) -> None:
    """Raise ValueError for a pattern that leads elsewhere or does not say which file is meant."""
    parts = pattern.split("/")
    if pattern and (".." in parts or "" in parts or "\\" in pattern or ":" in parts[0] or "\0" in pattern):
        raise ValueError(
            f"{key}: {brief(pattern)} must be a path below --data, folders separated by /, without .. in it."
        )
    known = ("split", "name") if needed else ("split",)
    placeholders = _PLACEHOLDER.findall(pattern)
    for placeholder in placeholders:
        if placeholder not in known:
            raise ValueError(
                f"{key}: {{{placeholder}}} in {brief(pattern)} means nothing here; there are {_braced(known)}."
            )
    if pattern and needed and placeholders.count(needed) != 1:
        raise ValueError(f"{key}: {brief(pattern)} must hold {{{needed}}} once: it stands for an image's name.")


def _braced(names: tuple[str, ...]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, int) else value


class LabelFormat(StrictModel):
    """What the numbers or colours in a data set's label files mean."""

    format: Literal["indexed", "grey", "rgb"] = "indexed"
    """The index of a palette image; a grey value (also of a .npy array); or the colour of a class."""
    void: Annotated[Many[LabelValue], BeforeValidator(_listed)] = (VOID,)
    """What is not scored: a number, or several."""
    void_colours: Many[Colour] = ()
    """The same of format rgb."""
    offset: LabelValue = 0
    """The number of the first class; the others follow."""
    values: Many[LabelValue] = ()
    """The number of each class, where they do not follow one another."""

    @property
    def voids(self) -> tuple[Any, ...]:
        """Numbers, or colours, that are void."""
        return self.void_colours if self.format == "rgb" else self.void

    def numbers(self, count: int) -> tuple[int, ...]:
        """The number of each of `count` classes."""
        return self.values or tuple(range(self.offset, self.offset + count))


class Dataset(StrictModel):
    """Facts of a data set; `files` and `labels` where its files are read as declared here."""

    title: Annotated[str, Field(max_length=bounds.TEXT)]
    classes: Classes = None
    """Names in label order (background first where there is one), their number, or nothing: no label maps."""
    colours: Many[Colour] = ()
    """RGB of each class; written "voc", PASCAL VOC's colour map."""
    splits: Annotated[dict[Name, Images], Field(max_length=bounds.NOTES)] = {}
    """Split -> published number of images."""
    train_split: Name = "train"
    val_split: Name = "val"
    canvas: Size = (513, 513)
    """Height and width of the evaluation canvas at scale paper."""
    source: Annotated[str, Field(max_length=bounds.TEXT)] = ""
    files: FilePatterns | None = None
    labels: LabelFormat = LabelFormat()

    @model_validator(mode="before")
    @classmethod
    def _voc_colours(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("colours") != "voc":
            return values
        classes = values.get("classes")
        count = len(classes) if isinstance(classes, tuple | list) else classes if isinstance(classes, int) else 0
        return {**values, "colours": voc_colours(min(count, MOST_CLASSES))}

    @model_validator(mode="after")
    def _classes_apart(self) -> Dataset:
        names = self.classes if isinstance(self.classes, tuple) else ()
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"classes: {brief(twice)} stands twice. Give each class its own name.")
        if self.colours and len(self.colours) != self.count:
            raise ValueError(f"colours: {len(self.colours)} for {self.count or 'no'} classes. Give one each, or none.")
        return self

    @model_validator(mode="after")
    def _readable(self) -> Dataset:
        if self.files is None:
            if "labels" in self.model_fields_set:
                raise ValueError("labels: means nothing without [files]. Say where the files are.")
            return self
        if self.count is None:
            raise ValueError("classes: this key is missing. Name the classes in label order.")
        if self.count == MOST_CLASSES:
            raise ValueError(f"classes: {self.count}; at most {MOST_CLASSES - 1} can be read. Join some.")
        for key in ("train_split", "val_split"):
            if getattr(self, key) not in self.splits:
                known = ", ".join(self.splits) or "none"
                raise ValueError(f"{key}: {brief(getattr(self, key))} is not in splits ({known}). Add it there.")
        patterns = self.files.images + self.files.list
        if len(self.splits) > 1 and "{split}" not in patterns:
            raise ValueError("files: {split} is neither in images nor in list: all splits would be the same images.")
        self._check_labels(self.count)
        return self

    def _check_labels(self, count: int) -> None:
        """Raise ValueError for labels of which not every one means one thing."""
        labels, coloured = self.labels, self.labels.format == "rgb"
        if coloured and not self.colours:
            raise ValueError('colours: this key is missing. Labels of format "rgb" are told apart by them.')
        idle = ("void", "offset", "values") if coloured else ("void_colours",)
        for key in idle:
            if key in labels.model_fields_set:
                raise ValueError(f'labels.{key}: means nothing with format "{labels.format}". Leave it out.')
        if labels.offset and labels.values:
            raise ValueError("labels: offset and values exclude each other. Give one of them.")
        if labels.values and len(labels.values) != count:
            raise ValueError(f"labels.values: {len(labels.values)} for {count} classes. Give one each.")
        meant: dict[Any, str] = {}
        for what, value in (
            *((f"class {k}", value) for k, value in enumerate(self.colours if coloured else labels.numbers(count))),
            *(("void", void) for void in labels.voids),
        ):
            other = meant.setdefault(value, what)
            if other != what:
                raise ValueError(f"labels: {brief(value)} means both {other} and {what}. Change one of them.")

    @property
    def count(self) -> int | None:
        """Number of classes."""
        return self.classes if self.classes is None or isinstance(self.classes, int) else len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes; numbers where they have none."""
        return self.classes if isinstance(self.classes, tuple) else tuple(map(str, range(self.classes or 0)))

    def reading(self) -> str:
        """Everything of the declaration that decides which labels are read from given files; "" without `files`."""
        if self.files is None or self.count is None:
            return ""
        coloured = self.labels.format == "rgb"
        meaning = self.colours if coloured else self.labels.numbers(self.count)
        return repr((self.labels.format, meaning, sorted(self.labels.voids)))
