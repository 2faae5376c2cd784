"""What decides the embedded scenes, without drawing any: their colours, their numbers, how many there are."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from repro.errors import InputError
from repro.spec.protocol import Data

SPLITS = {"train": 0, "trainaug": 0, "val": 1, "extra": 2}
"""trainaug is the whole training split: the scenes have no second source of labels. extra stands in for MS-COCO."""
COUNTS = {"train": 400, "trainaug": 400, "val": 120, "extra": 1200}
COLOURS = (
    (0.0, 0.0, 0.0),
    (180.0, 80.0, 95.0),
    (165.0, 125.0, 70.0),
    (75.0, 170.0, 90.0),
    (75.0, 170.0, 90.0),
    (95.0, 90.0, 185.0),
    (95.0, 90.0, 185.0),
    (60.0, 60.0, 50.0),
    (205.0, 205.0, 190.0),
)
"""RGB of each class, before the variation from object to object."""


@dataclass(frozen=True)
class SceneSettings:
    """Numbers that make a scene; pixels refer to a side of 129."""

    seed: int = 1706
    version: int = 1
    side: int = 129
    min_radius: float = 14.0
    max_radius: float = 50.0
    min_objects: int = 1
    max_objects: int = 4
    half_width: float = 3.0
    cue_amplitude: float = 48.0
    cue_share: float = 0.15
    """Height of the striped band at the top and at the bottom, as a share of the side."""
    cue_period: tuple[float, float] = (7.0, 11.0)
    colour_sd: float = 6.0
    noise_sd: float = 5.0
    base: tuple[float, float] = (90.0, 130.0)
    """Range of the background colour, per channel."""


def settings_of(data: Data) -> SceneSettings:
    """The look that `data` asks for."""
    if data.classes != len(COLOURS):
        raise InputError(f"data.classes: {data.classes}; the embedded scenes have {len(COLOURS)}. Leave it out.")
    return SceneSettings(side=data.side or SceneSettings.side)


def count_of(data: Data, split: str) -> int:
    """How many scenes a split has; any number can be drawn."""
    if split not in SPLITS:
        raise InputError(f"data: no split {split!r} in the embedded scenes; there are {', '.join(SPLITS)}.")
    wanted = data.val_images if split == "val" else data.train_images
    return wanted or COUNTS[split]


def fingerprint(data: Data) -> str:
    """20 hex digits of what decides every byte of both splits."""
    counts = {s: count_of(data, s) for s in (data.train_split, data.val_split)}
    colours = [list(colour) for colour in COLOURS]
    text = repr((sorted(asdict(settings_of(data)).items()), sorted(counts.items()), colours))
    return hashlib.sha256(text.encode()).hexdigest()[:20]
