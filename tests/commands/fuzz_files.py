"""Files of a user's data damaged at random: lists, photographs, label maps, predictions; and numbers to judge."""

from __future__ import annotations

import io
import random
from functools import cache

import numpy as np
from fuzz_cases import VALUES, WORDS, Case, damage, spelt
from PIL import Image


def saved(pixels: np.ndarray, form: str = "PNG") -> bytes:
    """An image file, or NumPy's own form."""
    buffer = io.BytesIO()
    if form == "NPY":
        np.save(buffer, pixels)
    else:
        Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@cache
def camvid() -> dict[str, bytes]:
    """A whole data set in SegNet's form: two images to train on, one to evaluate."""
    rng = np.random.default_rng(0)
    files = {}
    for split, names in (("train", "ab"), ("val", "c")):
        files[f"CamVid/{split}.txt"] = "".join(
            f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png\n" for name in names
        ).encode()
        for name in names:
            files[f"CamVid/{split}/{name}.png"] = saved(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))
            files[f"CamVid/{split}annot/{name}.png"] = saved(rng.integers(0, 12, (6, 8)).astype(np.uint8))
    return files


def _reading(rng: random.Random) -> tuple[str, ...]:
    """A command that reads the data set."""
    command = rng.choice((("plan", "v3/table3"), ("run", "v3/table3"), ("data", "verify", "camvid")))
    more = () if command[0] == "data" else ("--scale", "smoke", "--dataset", "camvid")
    return (*command, *more, "--data", "CamVid", "--store", "runs")


def list_case(rng: random.Random) -> Case:
    """A data set whose list of images is damaged, before a command that reads it."""
    files = dict(camvid())
    name = f"CamVid/{rng.choice(('train', 'val'))}.txt"
    if rng.random() < 0.6:
        files[name] = damage(files[name] * rng.choice((1, 1, 3)), rng)
    else:
        words = [rng.choice((*WORDS, "train/a.png", "../../etc/passwd")) for _ in range(rng.randrange(5))]
        files[name] = rng.choice((" ", "\n", "\t", "\r\n", "\x00")).join(words).encode("utf-8", "surrogatepass")
    return Case(_reading(rng), files, ("CamVid", "train", "val", "camvid"))


@cache
def odd_images() -> tuple[bytes, ...]:
    """Images of forms, sizes and numbers that a data set's are not."""
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 12, (6, 8)).astype(np.uint8)
    return (
        saved(grey[:3]),
        saved(np.stack([grey] * 3, 2)),
        saved(np.stack([grey] * 4, 2)),
        saved(rng.integers(0, 65536, (6, 8)).astype(np.uint16)),
        saved(rng.random((6, 8)).astype(np.float32), "TIFF"),
        saved(grey, "JPEG"),
        saved(grey, "GIF"),
        saved(grey, "BMP"),
        saved(grey + 200),
        saved(np.zeros((1, 1), np.uint8)),
        saved(grey > 5),
        saved(grey, "NPY"),
        b"",
        b"GIF89a",
    )


def image_case(rng: random.Random) -> Case:
    """A data set one of whose photographs or label maps is damaged or of another form."""
    files = dict(camvid())
    name = rng.choice([name for name in files if name.endswith(".png")])
    kind = rng.randrange(5)
    if kind == 0:
        del files[name]
    else:
        files[name] = rng.choice(odd_images()) if kind == 1 else damage(files[name], rng)
    return Case(_reading(rng), files, ("CamVid", "camvid"))


def score_case(rng: random.Random) -> Case:
    """Two folders of label maps with something wrong in one, and options of every kind, before `score`."""
    drawn = np.random.default_rng(2)
    form = rng.choice(("PNG", "PNG", "NPY"))
    files = {}
    for name in "abc":
        truth = drawn.integers(0, 3, (5, 7)).astype(np.uint8)
        for side, labels in (("mine", np.where(drawn.random(truth.shape) < 0.8, truth, 0)), ("truth", truth)):
            files[f"{side}/{name}.{form.lower()}"] = saved(labels.astype(np.uint8), form)
    for _ in range(rng.choice((0, 1, 1, 2))):
        name = rng.choice(sorted(files))
        kind = rng.randrange(5)
        if kind == 0:
            del files[name]
        elif kind == 1:
            files[name.replace(".", rng.choice(("_pred.", "é.", " .", "=.", "\n.", "%s.")))] = files[name]
        elif kind == 2:
            files[name] = saved(np.array(rng.choice(ODD_ARRAYS)), "NPY") if form == "NPY" else rng.choice(odd_images())
        else:
            files[name] = damage(files[name], rng)
    words = ["score", rng.choice(("mine", "mine", "mine", "list.txt")), "truth", "--jobs", "1", "--out", "out"]
    files["list.txt"] = damage("".join(f"{n}\n" for n in files if n.startswith("mine")).encode(), rng)
    for _ in range(rng.choice((0, 0, 1, 2))):
        option = rng.choice(SCORE_OPTIONS)
        value = rng.choice(("3", "0", "-1", "300", "a,b,c", "a,a", "cityscapes", "list.txt", spelt(rng.choice(VALUES))))
        words += [option] if option in ("--partial", "--unanswered") else [option, value.replace("\x00", "")]
    return Case(tuple(words), files, ("mine", "truth", "list.txt", "--"))


SCORE_OPTIONS = (
    "--classes", "--void", "--offset", "--map", "--truth-ending", "--prediction-void", "--prediction-offset",
    "--prediction-map", "--prediction-ending", "--format", "--against", "--split", "--partial", "--unanswered",
)  # fmt: skip
ODD_ARRAYS = (
    [[0, 1]], [[[0, 1]]], 3, [], [[0.5, 1.0]], [[float("nan")]], [[True, False]], [[-1, 0]], [[2**62, 0]], [["a", "b"]],
    [[1j]], np.zeros((0, 7)), np.zeros((5, 7, 3, 2), np.uint8), np.zeros((5, 7), np.float16),
    np.zeros((1, 5, 7), "M8[s]"),
)  # fmt: skip
CELLS = (
    "v3/table6/os-16",
    "v3plus/table5/eval-os-16/miou",
    "v3/table3",
    "v3/table6/",
    "v3plus/table6/none",
    "mine/t/a",
)


def judge_case(rng: random.Random) -> Case:
    """Numbers of every kind, before `judge`."""
    numbers = ("77.2", "74.9,75.2,74.6", "0", "100", "0.77", "1e2", ",", "70;71", spelt(rng.choice(VALUES)))
    words = ["judge"]
    if rng.random() < 0.6:
        words.append(rng.choice(numbers))
    if rng.random() < 0.5:
        words += ["--runs", rng.choice(numbers)]
    if rng.random() < 0.9:
        words += ["--cell", rng.choice((*CELLS[:2], *CELLS, spelt(rng.choice(VALUES))))]
    if rng.random() < 0.4:
        words += [
            "--seeds-sd",
            rng.choice(("0.3", "0", "-1", "1e308", "nan", "inf", "1e-320", spelt(rng.choice(VALUES)))),
        ]
    if rng.random() < 0.2:
        words.append("--json")
    return Case(tuple(word.replace("\x00", "") for word in words), {}, ("--", "VALUE", "'"))
