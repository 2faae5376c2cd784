"""`repro predict --split`: label maps of a whole split, named and numbered as test servers want them."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from repro.commands.output import print_json, print_line
from repro.errors import InputError, did_you_mean
from repro.files import read, write
from repro.report.files import ready_folder

if TYPE_CHECKING:
    from PIL.Image import Image

    from repro.data.photos import Photo
    from repro.report.content import ClassTable

NOTE = "predictions.json"
LabelMaps = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """Names and contents of the files of a split."""

    folder: str = ""
    """Below --out; {split} is the split."""
    whole_names: bool = False
    """Keep folders in the data set's names of images."""
    label_ids: bool = False
    """Cityscapes' label ids instead of classes, grey instead of coloured."""
    archive: str = ""
    """Name of the .tar.gz that the server takes."""

    def file(self, split: str, name: str) -> str:
        """Path below --out of an image that the data set calls `name`."""
        # the benchmark's script looks for frankfurt_000000_000294*.png
        short = name if self.whole_names else Path(name).name.removesuffix("_leftImg8bit")
        return f"{self.folder.format(split=split)}{short}.png"


# VOC's evaluation server; comp6 is for networks that have seen other data, ImageNet included
LAYOUTS = {
    "indexed": Layout(whole_names=True),
    "voc": Layout("results/VOC2012/Segmentation/comp6_{split}_cls/", archive="results.tar.gz"),
    "cityscapes": Layout(label_ids=True),
}


def layout_of(name: str) -> Layout:
    """A way of writing by its name. Raises InputError with suggestions."""
    if name not in LAYOUTS:
        raise InputError(f"--layout {name}: there are {', '.join(LAYOUTS)}.{did_you_mean(name, LAYOUTS)}")
    return LAYOUTS[name]


@dataclass(frozen=True)
class Origin:
    """What label maps are from: a folder holds those of one network only."""

    cell: str
    training: str
    dataset: str
    split: str
    layout: str


def write_split(
    photos: list[Photo], origin: Origin, classes: ClassTable, label: Callable[[Photo], LabelMaps], out: Path
) -> list[Path]:
    """Label every photograph and write its map; maps that an earlier run of the same network left are kept.

    Raises InputError where `out` holds other files, two images would have one file, or a file can't be written.
    """
    layout, split = layout_of(origin.layout), origin.split
    targets = [out / layout.file(split, photo.name) for photo in photos]
    if len(set(targets)) < len(targets):
        twice = next(target for target in targets if targets.count(target) > 1)
        raise InputError(f"{twice}: two images of the split would have this file. Choose --layout indexed.")
    ready_folder(out)
    _claim(out, origin)
    todo = [(photo, target) for photo, target in zip(photos, targets, strict=True) if not target.is_file()]
    if len(todo) < len(photos):
        print_line(f"{len(photos) - len(todo)} label maps of this network are there already and stay.")
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from repro.report.label_overlay import label_map

    columns = (TextColumn("labelling {task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(split, total=len(todo))
        for photo, target in todo:
            labels = label(photo)
            image = _label_ids(labels) if layout.label_ids else label_map(labels, classes)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                write(target, _png(image), durable=False)
            except OSError as error:
                raise InputError(f"{target}: {error.strerror or error}. Make room, or name another --out.") from error
            progress.advance(task)
    if layout.archive:
        targets.append(_packed(out, out / layout.archive, targets))
    return targets


def report(targets: list[Path], out: Path, split: str, cell: str, hint: str, as_json: bool) -> None:
    """Print what was written, and the command that scores it."""
    if as_json:
        print_json([{"id": str(path)} for path in targets], cell=cell, split=split)
        return
    print(f"{len(targets)} files in {out}")
    if hint:
        print(f"Score them: {hint}")


def _claim(out: Path, origin: Origin) -> None:
    """Note in the folder what its label maps are from. Raises InputError where it holds something else."""
    note = out / NOTE
    wanted = (json.dumps(asdict(origin), indent=1) + "\n").encode()
    try:
        held = read(note)
    except FileNotFoundError:
        if any(out.iterdir()):
            raise InputError(
                f"--out {out}: holds files that are not of this prediction. Name an empty folder."
            ) from None
        write(note, wanted, durable=False)
    except OSError as error:
        raise InputError(f"{note}: cannot be read ({error.strerror}). Name another --out.") from None
    else:
        if held != wanted:
            raise InputError(
                f"--out {out}: holds label maps of another network, split or layout ({NOTE}). Name another."
            )


def _png(image: Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def _label_ids(labels: LabelMaps) -> Image:
    """(H, W) train ids 0 to 18 -> the benchmark's label ids 7 to 33, grey."""
    from PIL import Image

    from repro.data.cityscapes import TRAIN_IDS

    table = np.zeros(256, dtype=np.uint8)
    table[: len(TRAIN_IDS)] = TRAIN_IDS
    return Image.fromarray(table[labels])


def _packed(out: Path, archive: Path, targets: list[Path]) -> Path:
    """A .tar.gz of the files, with nothing of this machine or moment in it."""
    part = archive.with_name(f".{archive.name}.part")
    try:
        with tarfile.open(part, "w:gz") as tar:
            for target in targets:
                member = tarfile.TarInfo(target.relative_to(out).as_posix())
                member.size, member.mode = target.stat().st_size, 0o644
                with target.open("rb") as file:
                    tar.addfile(member, file)
        part.replace(archive)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{archive}: {error.strerror or error}. Make room, or name another --out.") from error
    return archive
