"""Damaged files of every kind: an answer or one clear error, soon. Damage is drawn from a seed."""

from __future__ import annotations

import io
import json
import random
import signal
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from data_trees import FACTS, label_map, photo, write_camvid, write_mat
from PIL import Image
from scipy.io import savemat
from test_data_coco import CONTENT, write_coco

from repro.data import coco, decode, source
from repro.data.camvid import CAMVID
from repro.data.label_form import LabelForm, read_labels
from repro.data.mat import read_mat
from repro.data.unpack import unpack
from repro.data.voc2012 import VOC2012
from repro.errors import InputError
from repro.spec.load import Suite
from repro.spec.protocol import Data

SECONDS = 60
"""A case that takes longer hangs; on a calm machine it takes a hundredth of a second."""
TOKENS = (
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"nan",
    b"-1",
    b"1e999",
    b"9" * 5000,
    b"[" * 3000,
    b"../" * 9,
    b"\r",
    b"'",
)
TOWN = """
title = "Town"
classes = ["road", "house"]
splits = { train = 3, val = 2 }
[files]
images = "photos/{split}/{name}.jpg"
labels = "labels/{split}/{name}.png"
[labels]
format = "grey"
values = [0, 255]
void = [7, 8]
"""
CASES = [300, pytest.param(10_000, marks=pytest.mark.slow)]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """`data` with one to three changes: bits, cuts, copies, what people and programs leave in files."""
    broken = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, length = rng.randrange(len(broken) + 1), rng.choice((1, 1, 4, 64))
        kind = rng.randrange(5)
        if kind == 0 and at < len(broken):
            broken[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del broken[at : at + length]
        elif kind == 2:
            broken[at:at] = broken[at : at + length]
        elif kind == 3:
            broken[at : at + rng.choice((0, length))] = rng.choice(TOKENS)
        else:
            del broken[at:]
    return bytes(broken)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def images() -> list[bytes]:
    """Whole images of every form."""
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb, grey = Image.fromarray(photo(rng, 9, 13)), Image.fromarray(label_map(rng, 9, 13, [0, 1, 255]))
    deep = Image.fromarray(rng.integers(0, 65536, (5, 4)).astype(np.uint16))
    forms = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "PPM", "WEBP", "JPEG2000", "TGA")
    several = {"save_all": True, "append_images": [rgb, rgb]}
    return [
        *(saved(rgb, form) for form in forms),
        *(saved(grey.convert("P"), form) for form in ("PNG", "TIFF", "BMP")),
        *(saved(rgb, form, exif=exif) for form in ("JPEG", "PNG", "WEBP", "TIFF")),
        *(saved(rgb, form, **several) for form in ("GIF", "PNG", "TIFF", "WEBP")),
        *(saved(deep, form) for form in ("PNG", "TIFF")),
        saved(rgb, "TIFF", compression="tiff_lzw"),
        saved(grey, "TIFF", compression="jpeg"),
    ]


def archives(folder: Path) -> list[bytes]:
    """Whole archives with folders, files and a link."""
    whole = []
    for mode in ("w", "w:gz", "w:xz"):
        with tarfile.open(folder / "a.tar", mode) as tar:
            for name, content in {"set/a.txt": b"one" * 99, "set/b/c.txt": bytes(700)}.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            link = tarfile.TarInfo("set/link")
            link.type, link.linkname = tarfile.SYMTYPE, "a.txt"
            tar.addfile(link)
        whole.append((folder / "a.tar").read_bytes())
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("set/a.txt", b"one" * 99)
        opened.writestr("set/b/", b"")
    return [*whole, (folder / "a.zip").read_bytes()]


@contextmanager
def in_time() -> Iterator[None]:
    def late(*_: object) -> None:
        raise AssertionError(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def try_out(read: Callable[[], object]) -> bool:
    """Whether `read` gives an answer; else its error must be an InputError of one line."""
    with in_time():
        try:
            read()
        except InputError as error:
            message = str(error)
        else:
            return True
    assert message
    assert "\n" not in message
    assert len(message) < 2500
    return False


def of_image(data: bytes, folder: Path) -> list[Callable[[], object]]:
    path = folder / "x.png"
    path.write_bytes(data)
    form = LabelForm(3, colours={(0, 0, 0): 0}, rest_void=False)
    reads = (decode.read_photo, decode.photo_size, decode.orientation, decode.read_label_map)
    return [*(lambda read=read: read(path) for read in reads), lambda: read_labels(path, form)]


def of_list(data: bytes, folder: Path) -> list[Callable[[], object]]:
    lists = folder / "ImageSets/Segmentation"
    lists.mkdir(parents=True, exist_ok=True)
    (folder / "train.txt").write_bytes(data)
    (lists / "train.txt").write_bytes(data)
    camvid, voc = Data(name="camvid", classes=11, train_split="train"), Data(train_split="train")
    return [
        lambda: CAMVID.samples(folder, "train"),
        lambda: VOC2012.samples(folder, "train"),
        lambda: source.load(camvid, "train", folder, folder / "cache"),
        lambda: source.fingerprint(voc, folder, folder / "cache"),
        lambda: source.repetitions(camvid, "train", folder),
    ]


def of_mat(data: bytes, folder: Path) -> list[Callable[[], object]]:
    (folder / "x.mat").write_bytes(data)
    return [lambda: read_mat(folder / "x.mat", 254, "GTcls", "Segmentation")]


def of_array(data: bytes, folder: Path) -> list[Callable[[], object]]:
    (folder / "x.npy").write_bytes(data)
    return [lambda: read_labels(folder / "x.npy", LabelForm(3))]


def of_annotations(data: bytes, folder: Path) -> list[Callable[[], object]]:
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations/instances_train2017.json").write_bytes(data)
    return [lambda: coco.convert(folder, "train", FACTS["voc2012"].names)]


def of_declaration(data: bytes, folder: Path) -> list[Callable[[], object]]:
    (folder / "town.toml").write_bytes(data)

    def read() -> None:
        suite = Suite()
        facts = suite.dataset(suite.dataset_name(str(folder / "town.toml")))
        source.fingerprint(Data(name="town", classes=facts.count or 1, train_split="train"), folder, None, facts)

    return [read]


def of_archive(data: bytes, folder: Path) -> list[Callable[[], object]]:
    (folder / "x.tar").write_bytes(data)
    return [lambda: unpack(folder / "x.tar", folder / "unpacked")]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("cases", CASES)
def test_damage_of_any_kind_is_one_clear_error_or_none(tmp_path: Path, cases: int) -> None:
    write_camvid(tmp_path, {"train": 2})
    write_mat(tmp_path / "whole.mat", {"GTcls": {"Segmentation": np.eye(9, dtype=np.uint8)}})
    savemat(tmp_path / "unpacked.mat", {"GTcls": {"Segmentation": np.eye(9, dtype=np.uint8)}})
    np.save(tmp_path / "whole.npy", np.eye(5, dtype=np.int64))
    annotations = json.dumps(write_coco(tmp_path / "coco", dict(list(CONTENT.items())[1:3]))).encode()
    kinds = [
        (of_image, images()),
        (of_list, [(tmp_path / "train.txt").read_bytes()]),
        (of_mat, [(tmp_path / "whole.mat").read_bytes(), (tmp_path / "unpacked.mat").read_bytes()]),
        (of_array, [(tmp_path / "whole.npy").read_bytes()]),
        (of_annotations, [annotations]),
        (of_declaration, [TOWN.encode()]),
        (of_archive, archives(tmp_path)),
    ]
    rng = random.Random(cases)
    weights = [8, 3, 3, 2, 2, 3, 3]
    answered = refused = 0
    for _ in range(cases):
        make, wholes = rng.choices(kinds, weights)[0]
        for read in make(mutated(rng.choice(wholes), rng), tmp_path):
            if try_out(read):
                answered += 1
            else:
                refused += 1
    assert answered > cases / 20
    assert refused > cases / 4


def test_what_is_not_damaged_is_read(tmp_path: Path) -> None:
    for data in archives(tmp_path):
        for read in of_archive(data, tmp_path):
            assert try_out(read)
    for make, data in ((of_array, b""), (of_declaration, TOWN.encode().replace(b"title", b"tilte"))):
        for read in make(data, tmp_path):
            assert not try_out(read)
