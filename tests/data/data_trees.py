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

REPOSITORY = Path(__file__).parents[2]


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


def settle(root: Path) -> None:
    """Make every file a day old, so that its hash is remembered."""
    for path in root.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))


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
