"""The embedded data set: scenes drawn from a seed, the same bytes on every machine.

Form of PASCAL VOC: RGB images, label maps with background 0, void 255 along boundaries. What the papers claim can show
on it: objects over a range of sizes (log-uniform radius), thin parts (wheel, pole) and sharp, colour-aligned edges;
two pairs of classes that look alike and differ only by the scene they stand in: stripes along the upper and
lower border of the image run across in one kind of scene and down in the other, so the cue is far from most objects.

An image depends on (seed, split, index) alone. Angles and sines are rounded to steps of 1/4096 turn and 1/65536, and
colours go through integer arithmetic, so that a last-bit difference between maths libraries does not reach a byte; a
test compares the bytes with a committed hash.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from repro.data.images import PaddedSplit
from repro.data.scene_settings import COLOURS, SPLITS, SceneSettings, count_of, settings_of
from repro.data.threads import in_threads
from repro.spec.protocol import VOID, Data

FloatArray = npt.NDArray[np.float64]
ByteArray = npt.NDArray[np.uint8]

TURN = 4096
SINE = np.array([round(math.sin(2 * math.pi * k / TURN) * 65536) for k in range(TURN)], dtype=np.int64) / 65536.0


def _sin(angle: FloatArray) -> FloatArray:
    """Sine of an angle in turns, from the table."""
    return SINE[np.floor(angle * TURN + 0.5).astype(np.int64) % TURN]


def _grid(side: int) -> tuple[FloatArray, FloatArray]:
    y, x = np.mgrid[0:side, 0:side].astype(np.float64)
    return y, x


def _background(rng: np.random.Generator, settings: SceneSettings, scene: int) -> FloatArray:
    """(side, side, 3) float64: a flat colour, soft noise on 5 x 5 cells, and the scene's stripes near two borders."""
    side = settings.side
    base = rng.uniform(*settings.base, 3)
    cells = rng.normal(size=(6, 6, 3)) * 18
    at = np.arange(side) * 5.0 / side
    low = np.floor(at).astype(np.int64)
    part = at - low
    rows = cells[low] * (1 - part)[:, None, None] + cells[low + 1] * part[:, None, None]
    soft = rows[:, low] * (1 - part)[None, :, None] + rows[:, low + 1] * part[None, :, None]
    unit = side / 129.0
    period = rng.uniform(*settings.cue_period) * unit
    tilt = rng.normal() * 0.12 / (2 * math.pi) + (0.25 if scene else 0.0)
    y, x = _grid(side)
    along = x * _sin(np.array(tilt + 0.25)) + y * _sin(np.array(tilt))
    stripes = _sin(along / period + rng.uniform()) * settings.cue_amplitude
    band = settings.cue_share * side
    stripes = np.where((y < band) | (y >= side - band), stripes, 0.0)
    return np.asarray(base + soft + stripes[:, :, None], dtype=np.float64)


def _shape(kind: int, rng: np.random.Generator, settings: SceneSettings) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """One object: mask (side, side) bool and shading (side, side) float64 to add to its colour."""
    side, unit = settings.side, settings.side / 129.0
    cy, cx = rng.uniform(0.1, 0.9, 2) * side
    rotation = rng.uniform(0, 0.5)
    ratio = rng.uniform()
    radius = settings.min_radius * unit * 2 ** (ratio * math.log2(settings.max_radius / settings.min_radius))
    y, x = _grid(side)
    y, x = y - cy, x - cx
    cos, sin = _sin(np.array(rotation + 0.25)), _sin(np.array(rotation))
    u, v = x * cos + y * sin, y * cos - x * sin
    r = np.sqrt(u * u + v * v)
    turn = np.floor(np.arctan2(v, u) / (2 * math.pi) * TURN + 0.5) / TURN
    thin = settings.half_width * unit
    shade = np.zeros((side, side))
    extra = rng.uniform(size=2)
    if kind == 1:
        a, b = 0.05 + 0.15 * extra
        mask = r < radius * (1 + a * _sin(3 * turn) + b * _sin(5 * turn))
    elif kind == 2:
        mask = (np.abs(u) < radius) & (np.abs(v) < radius * (0.45 + 0.45 * extra[0]))
        step = 6 * unit
        shade = np.where((np.floor(u / step) + np.floor(v / step)) % 2 == 0, 20.0, -20.0)
    elif kind in (3, 4):
        p, q = np.abs(u) / radius, np.abs(v) / (radius * (0.6 + 0.35 * extra[0]))
        mask = p * np.sqrt(p) + q * np.sqrt(q) < 1
    elif kind in (5, 6):
        mask = r < radius * (1 + 0.25 * _sin(4 * turn))
    elif kind == 7:
        ring = np.abs(r - (radius - thin)) < thin
        spokes = [np.abs(u * _sin(np.array(k / 6)) - v * _sin(np.array(k / 6 + 0.25))) < thin for k in range(3)]
        mask = ring | ((spokes[0] | spokes[1] | spokes[2]) & (r < radius))
    else:
        bar = (np.abs(v) < thin) & (np.abs(u) < radius)
        cross = [(np.abs(u - at * radius) < thin) & (np.abs(v) < 0.45 * radius) for at in (0.75, -0.2)]
        mask = bar | cross[0] | cross[1]
    return mask, shade


def _void_band(labels: ByteArray) -> ByteArray:
    """Void where a pixel's label differs from its left or upper neighbour's."""
    out = labels.copy()
    out[:, 1:][labels[:, 1:] != labels[:, :-1]] = VOID
    out[1:][labels[1:] != labels[:-1]] = VOID
    return out


def draw(settings: SceneSettings, split: str, index: int) -> tuple[ByteArray, ByteArray]:
    """Draw one scene: image (side, side, 3) uint8 and labels (side, side) uint8 with void 255."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([settings.seed, SPLITS[split], index])))
    scene = int(rng.integers(2))
    image = _background(rng, settings, scene)
    labels = np.zeros((settings.side, settings.side), dtype=np.uint8)
    for _ in range(int(rng.integers(settings.min_objects, settings.max_objects + 1))):
        kind = int(rng.choice([1, 2, 3, 5, 7, 8]))
        if kind in (3, 5):
            kind += scene
        mask, shade = _shape(kind, rng, settings)
        colour = np.array(COLOURS[kind]) + rng.normal(size=3) * settings.colour_sd
        labels[mask] = kind
        image[mask] = colour + shade[mask][:, None]
    whole = np.floor(image * 16).astype(np.int64)
    padded = np.pad(whole, ((1, 1), (1, 1), (0, 0)), mode="edge")
    # binomial-like kernel (27, 202, 27) / 256: a Gaussian of 0.5 pixels
    soft = 27 * padded[:-2] + 202 * padded[1:-1] + 27 * padded[2:]
    soft = 27 * soft[:, :-2] + 202 * soft[:, 1:-1] + 27 * soft[:, 2:]
    light = round(rng.uniform(0.8, 1.2) * 256)
    noise = np.floor(rng.normal(size=image.shape) * settings.noise_sd * 16).astype(np.int64)
    out = ((soft >> 16) * light // 256 + noise) // 16
    return np.clip(out, 0, 255).astype(np.uint8), _void_band(labels)


def load(data: Data, split: str) -> PaddedSplit:
    """Draw a whole split: pixels (N, side, side, 3), labels (N, side, side)."""
    settings, count = settings_of(data), count_of(data, split)
    pixels = np.empty((count, settings.side, settings.side, 3), dtype=np.uint8)
    labels = np.empty((count, settings.side, settings.side), dtype=np.uint8)
    for i, drawn in enumerate(in_threads(lambda index: draw(settings, split, index), range(count))):
        pixels[i], labels[i] = drawn
    sizes = np.full((count, 2), settings.side, dtype=np.int32)
    return PaddedSplit(pixels, labels, sizes, tuple(f"{split}-{i:05d}" for i in range(count)))
