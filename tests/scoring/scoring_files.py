"""Predictions and ground truth as files, for tests of scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write(folder: Path, name: str, labels: np.ndarray, mode: str = "L") -> Path:
    """Write a label map as a PNG, grey ("L") or indexed ("P")."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels.astype(np.uint8))
    if mode == "P":
        picture.putpalette([value % 256 for value in range(768)])
    picture.save(folder / f"{name}.png")
    return folder / f"{name}.png"


def write_set(folder: Path, truth: np.ndarray, prediction: np.ndarray) -> tuple[Path, Path]:
    """Write (N, H, W) of each as folders of PNGs; return both folders, predictions first."""
    for k, (right, answer) in enumerate(zip(truth, prediction, strict=True)):
        write(folder / "truth", f"{k:03d}", right)
        write(folder / "predictions", f"{k:03d}", answer, "P")
    return folder / "predictions", folder / "truth"
