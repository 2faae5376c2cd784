"""Is this the data set that the papers used? Every file is read; what is found stands beside what is expected."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from repro.data import imagenet, scene_settings
from repro.data.decode import orientation, photo_size
from repro.data.download import ProgressCallback
from repro.data.fingerprint import Digests, of_samples
from repro.data.format import DiskFormat, Sample, repeated
from repro.data.images import VOID
from repro.data.source import (
    ONLY_MASKS,
    SCENES,
    classes_present,
    decode_pair,
    fingerprint,
    format_of,
    only_masks,
)
from repro.data.threads import in_threads
from repro.errors import InputError
from repro.memo import default_folder
from repro.spec.dataset import Dataset
from repro.spec.protocol import Data

IMAGENET = "imagenet"


@dataclass(frozen=True)
class VerifiedFact:
    """One thing that was checked."""

    what: str
    expected: str
    actual: str
    ok: bool | None
    """None: there is nothing to compare with, or a part that nobody needs is not there."""


@dataclass(frozen=True)
class _Pair:
    """What was seen of one image: its height and width, and which of 256 labels occur; or what is wrong with it."""

    size: tuple[int, int] = (0, 0)
    present: npt.NDArray[np.bool_] | None = None
    problem: str = ""
    turned: bool = False
    """Whether its EXIF orientation turns or mirrors it."""
    content: str = ""
    """Digest of the image file."""


def verify(
    name: str, facts: Dataset, root: Path | None, cache: Path | None = None, progress: ProgressCallback | None = None
) -> list[VerifiedFact]:
    """Check the data set `name`, of which `facts` are declared, in `root`; then fingerprints.

    Counts, damage, sizes, label values, splits apart. A split's fingerprint is the one that records carry which read
    the whole split. InputError if there is no such data set or `root` does not hold it; a damaged file is a row, so
    that one call tells about all of them.
    """
    if name == SCENES:
        data = Data(name=SCENES, classes=len(scene_settings.COLOURS))
        return [VerifiedFact("fingerprint", "", scene_settings.fingerprint(data), None)]
    if name == IMAGENET:
        if root is None:
            raise InputError(f"--data: imagenet is read from a directory and none was given. {imagenet.GET}")
        return _verify_imagenet(facts, root, cache, progress)
    form = format_of(name, facts)
    home = form.home(root)
    readable = [split for split in ("train", "val") if split in form.splits]
    needed = tuple(dict.fromkeys((facts.train_split, *readable, facts.val_split)))
    listed: dict[str, tuple[Sample, ...]] = {}
    rows = []
    for split in (*needed, *(s for s in form.splits if s not in needed)):
        try:
            listed[split] = form.samples(home, split)
        except InputError as error:
            ok = False if split in needed else None
            rows.append(
                VerifiedFact(
                    f"{split}: images", _count(facts, form, split), str(error) if ok is False else "not here", ok
                )
            )
    seen = _look_at(form, facts.count or 0, listed, Digests(cache or default_folder(), home), progress)
    pairs = {split: [seen[sample.image, sample.labels] for sample in samples] for split, samples in listed.items()}
    for split, samples in listed.items():
        rows += _split_rows(form, facts, split, samples, pairs[split])
    for split in listed:
        val = facts.val_split
        if split not in (val, "trainval", "test") and val in listed:
            common = {pair.content for pair in pairs[split]} & {pair.content for pair in pairs[val]} - {""}
            rows.append(VerifiedFact(f"images both in {split} and in {val}", "0", f"{len(common):,}", not common))
    if all(row.ok is not False for row in rows):
        for split in needed:
            data = Data(name=name, classes=facts.count or 0, train_split=split, val_split=split)
            rows.append(VerifiedFact(f"{split}: fingerprint", "", fingerprint(data, root, cache, facts), None))
    return rows


def _look_at(
    form: DiskFormat,
    classes: int,
    listed: dict[str, tuple[Sample, ...]],
    digests: Digests,
    progress: ProgressCallback | None,
) -> dict[tuple[Path, Path], _Pair]:
    """Read every pair of files once, whatever splits it is in."""
    unique = {(sample.image, sample.labels): sample for samples in listed.values() for sample in samples}

    def read(sample: Sample) -> _Pair:
        content = ""
        with suppress(OSError, InputError):  # decoding says it better
            content = digests.of(sample.image)
        try:
            _, labels = decode_pair(form, sample, classes)
            turned = orientation(sample.image) != 1
        except InputError as error:
            return _Pair(problem=str(error), content=content)
        return _Pair((labels.shape[0], labels.shape[1]), classes_present(labels), turned=turned, content=content)

    seen = {}
    for done, (files, pair) in enumerate(zip(unique, in_threads(read, tuple(unique.values())), strict=True), 1):
        seen[files] = pair
        if progress is not None:
            progress(done, len(unique))
    digests.keep()
    return seen


def _split_rows(
    form: DiskFormat, facts: Dataset, split: str, samples: Sequence[Sample], pairs: Sequence[_Pair]
) -> list[VerifiedFact]:
    count = facts.splits.get(split) if form.exact else None
    classes = facts.count or 0
    whole = [pair for pair in pairs if pair.present is not None]
    right = None if count is None else len(pairs) == count
    rows = [VerifiedFact(f"{split}: images", _count(facts, form, split), f"{len(pairs):,}", right)]
    again = repeated(samples)
    first = f", the first: {again[0][1].listed}, after {again[0][0].listed}" if again else ""
    rows.append(VerifiedFact(f"{split}: images listed again", "0", f"{len(again):,}{first}", not again))
    problems = [pair.problem for pair in pairs if pair.problem]
    damaged = f"{len(problems):,}" + (f", the first: {problems[0]}" if problems else "")
    rows.append(VerifiedFact(f"{split}: damaged or unfitting files", "0", damaged, not problems))
    if whole:
        heights, widths = zip(*(pair.size for pair in whole), strict=True)
        largest = (max(heights), max(widths))
        span = f"{min(widths)} x {min(heights)} to {largest[1]} x {largest[0]}"
        expected, fits = "", None
        if form.largest is not None:
            expected = f"at most {form.largest[1]} x {form.largest[0]}"
            fits = largest[0] <= form.largest[0] and largest[1] <= form.largest[1]
        rows.append(VerifiedFact(f"{split}: width x height", expected, span, fits))
        present = np.any([pair.present for pair in pairs if pair.present is not None], axis=0)
        missing = [str(k) for k in range(classes) if not present[k]]
        summary = "all" + (f" but {', '.join(missing)}" if missing else "") + (" and void" if present[VOID] else "")
        summary += f": {ONLY_MASKS}" if only_masks(present) else ""
        turned = [sample.image for sample, pair in zip(samples, pairs, strict=True) if pair.turned]
        if turned:
            shown = f"{len(turned):,}, the first: {turned[0]}"
            rows.append(VerifiedFact(f"{split}: images turned as their EXIF orientation says", "", shown, None))
        rows.append(VerifiedFact(f"{split}: labels", f"all of 0 to {classes - 1}", summary, not missing))
    return rows


def _count(facts: Dataset, form: DiskFormat, split: str) -> str:
    count = facts.splits.get(split) if form.exact else None
    return "" if count is None else f"{count:,}"


def _verify_imagenet(
    facts: Dataset, root: Path, cache: Path | None, progress: ProgressCallback | None
) -> list[VerifiedFact]:
    """Count images and classes of the validation set; read every header."""
    images = imagenet.validation(root)
    problems = []
    for done, labelled in enumerate(images, 1):
        try:
            photo_size(labelled.image)
        except InputError as error:
            problems.append(str(error))
        if progress is not None:
            progress(done, len(images))
    per_class = np.bincount([labelled.index for labelled in images], minlength=1)
    summary = f"{len(problems):,}" + (f", the first: {problems[0]}" if problems else "")
    rows = [
        VerifiedFact("val: images", f"{facts.splits['val']:,}", f"{len(images):,}", len(images) == facts.splits["val"]),
        VerifiedFact(
            "val: classes", f"{imagenet.CLASSES:,}", f"{len(per_class):,}", len(per_class) == imagenet.CLASSES
        ),
        VerifiedFact(
            "val: images per class", "50 to 50", f"{per_class.min()} to {per_class.max()}", set(per_class) == {50}
        ),
        VerifiedFact("val: damaged files", "0", summary, not problems),
    ]
    if not problems:
        samples = [Sample(f"{v.index}/{v.image.name}", v.image, v.image, str(v.image)) for v in images]
        rows.append(
            VerifiedFact("fingerprint", "", of_samples(samples, Digests(cache or default_folder(), root))[:20], None)
        )
    return rows
