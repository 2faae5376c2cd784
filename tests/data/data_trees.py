"""Small data sets in their real form, written by the tests that read them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from repro.spec.load import load_suite

REPOSITORY = Path(__file__).parents[2]
FACTS = load_suite().datasets


def photo(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def label_map(rng: np.random.Generator, height: int, width: int, values: list[int]) -> np.ndarray:
    return rng.choice(np.array(values, dtype=np.uint8), (height, width))


def write_photo(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))


def write_labels(path: Path, values: np.ndarray, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values.astype(np.uint8))
    if palette:
        image = image.convert("L")
        image.putpalette([k for i in range(256) for k in (i, 255 - i, (7 * i) % 256)])
    image.save(path)


def write_camvid(root: Path, counts: dict[str, int], size: tuple[int, int] = (6, 8), tutorial: bool = True) -> dict:
    """SegNet's layout; returns name -> (pixels, labels as in the files). `tutorial`: PNG and the lists' own prefix."""
    rng, told = np.random.default_rng(5), {}
    suffix, prefix = (".png", "/SegNet/CamVid/") if tutorial else (".jpg", "")
    for split, count in counts.items():
        lines = []
        for i in range(count):
            name = f"{split}{i:02d}"
            pixels, labels = photo(rng, *size), label_map(rng, *size, list(range(12)))
            write_photo(root / split / (name + suffix), pixels)
            write_labels(root / f"{split}annot" / f"{name}.png", labels)
            lines.append(f"{prefix}{split}/{name}{suffix} {prefix}{split}annot/{name}.png\n")
            told[name] = pixels, labels
        (root / f"{split}.txt").write_text("".join(lines))
    return told


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)


@contextmanager
def forbidden_folder(mode: int) -> Iterator[Path]:
    """A folder with a file `a.png`, both of `mode`, entered without the superuser's rights, which no mode stops."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.new("L", (3, 3)).save(folder / "a.png")
        (folder / "a.png").chmod(mode)
        folder.chmod(mode)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o700)


def write_ids(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


def write_mat(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content, do_compression=True)


def write_voc(root: Path, train: list[str], val: list[str], size: tuple[int, int] = (7, 9)) -> dict[str, np.ndarray]:
    """VOCdevkit/VOC2012 with palette PNGs; returns name -> labels. Other images than train's and val's: none."""
    home, rng, told = root / "VOCdevkit/VOC2012", np.random.default_rng(12), {}
    for split, names in {"train": train, "val": val, "trainval": sorted(train + val)}.items():
        write_ids(home / f"ImageSets/Segmentation/{split}.txt", names)
    for name in train + val:
        write_photo(home / f"JPEGImages/{name}.jpg", photo(rng, *size))
        told[name] = label_map(rng, *size, [0, 1, 7, 20, 255])
        write_labels(home / f"SegmentationClass/{name}.png", told[name], palette=True)
    return told


def write_sbd(root: Path, train: list[str], val: list[str], size: tuple[int, int] = (7, 9)) -> dict[str, np.ndarray]:
    """benchmark_RELEASE/dataset, and VOC's JPEGs of its images; returns name -> labels."""
    home, rng, told = root / "benchmark_RELEASE/dataset", np.random.default_rng(11), {}
    write_ids(home / "train.txt", train)
    write_ids(home / "val.txt", val)
    for name in train + val:
        image = root / f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg"
        if not image.exists():
            write_photo(image, photo(rng, *size))
        told[name] = label_map(rng, *size, [0, 2, 15, 20])
        present = np.unique(told[name])[1:, None]
        write_mat(home / f"cls/{name}.mat", {"GTcls": {"Segmentation": told[name], "CategoriesPresent": present}})
    return told


def write_cityscapes(root: Path, split: str, kind: str, names: list[str], size: tuple[int, int] = (4, 9)) -> dict:
    """leftImg8bit and gtFine or gtCoarse for names such as `ulm_000000_000019`; returns name -> label ids."""
    rng, told = np.random.default_rng(19), {}
    for name in names:
        city = name.split("_")[0]
        write_photo(root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", photo(rng, *size))
        told[name] = (rng.permutation(size[0] * size[1]) % 34).astype(np.uint8).reshape(size)  # every id occurs
        write_labels(root / f"{kind}/{split}/{city}/{name}_{kind}_labelIds.png", told[name])
        (root / f"{kind}/{split}/{city}/{name}_{kind}_polygons.json").write_text("{}")
    return told
