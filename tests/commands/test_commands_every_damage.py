"""Every kind of damage to every kind of file of a store: seen, told, done again, with the bits of an undisturbed run.

A run damages many files at once, each in another way; over the runs each file meets each way. Files of one run do not
hide each other: what is below a damaged record would be computed again whatever its state.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from command_processes import Home, side_by_side
from test_commands_kills import check

from repro.files import remove


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes() or b"\0")  # a lock is empty
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def put(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def harm(path: Path) -> None:
        remove(path)
        make(path)

    return harm


HARMS: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "truncated": lambda path: os.truncate(path, path.stat().st_size * 2 // 3),
    "emptied": lambda path: os.truncate(path, 0),
    "gone": remove,
    "a folder": put(Path.mkdir),
    "a link to nowhere": put(lambda path: path.symlink_to("../../../../nowhere")),
    "a pipe": put(os.mkfifo),
}
LAYERS: dict[str, dict[str, str]] = {
    "what a run goes on from": {
        "weights of the pre-training": "first/weights.safetensors",
        "record of a training": "stored/record.json",
        "pixels": "runs/cache/images/*/pixels.npy#0",
        "labels": "runs/cache/images/*/labels.npy#1",
        "a checkpoint's network": "runs/checkpoints/*/step-*9/network.safetensors",
        "a checkpoint's optimizer": "runs/checkpoints/*/step-*6/optimizer.pt",
        "probabilities": "runs/cache/crf/*/00001.npy",
        "a search's notes": "runs/cache/crf/*/search-*.json",
        "a lock of images": "runs/cache/images/*.lock",
    },
    "the same, second": {
        "weights of a training": "stored/weights.safetensors",
        "record of the pre-training": "first/record.json",
        "index of images": "runs/cache/images/*/index.json#0",
        "sizes": "runs/cache/images/*/sizes.npy#1",
        "a checkpoint's progress": "runs/checkpoints/*/step-*9/progress.json",
        "seconds": "runs/checkpoints/*/seconds.txt",
        "a lock": "runs/locks/*.lock",
    },
    "what is reported": {
        "record of an evaluation": "searched/record.json",
        "pictures": "plain/pictures.npz",
        "notes of reports": "out/.written.json",
        "a page": "out/deep-table1-smoke.html",
    },
    "the same, fourth": {
        "matrices": "plain/confusion.npz",
        "mean field's maps": "searched/steps.npz",
        "a page in Markdown": "out/deep-table1-smoke.md",
        "an index of pages": "out/index.html",
    },
}
PAGES = {"a page", "a page in Markdown", "an index of pages"}
SILENT = {
    "seconds",
    "a lock of images",
    "a lock",
    "notes of reports",
    "a page",
    "an index of pages",
    "a page in Markdown",
}
"""Nothing was computed from these: they are made again without a word."""


@pytest.fixture(scope="session")
def half(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A store in the middle of a run: a training with checkpoints, a stored one whose evaluation with a CRF is lost."""
    home = Home(tmp_path_factory.mktemp("half")).make()
    end = home.run("--jobs", "1")
    assert end.code == 0, end.output
    searched = next(path.parent for path in home.runs.glob("evaluations/*/steps.npz"))
    stored = home.training_of(searched.name)
    for folder in home.runs.glob("evaluations/*"):
        shutil.rmtree(folder)
    (other,) = (key for key in home.segmentations() if key != stored)
    shutil.rmtree(home.runs / "trainings" / other)
    shutil.rmtree(home.out)
    end = home.run("--jobs", "1", kill_in="training", kill_at=11)
    assert end.code == -signal.SIGKILL, end.output
    (checkpoints,) = home.runs.glob("checkpoints/*")
    assert (checkpoints.name, len(list(checkpoints.glob("step-*")))) == (other, 2)
    (checkpoints / "seconds.txt").write_text("3.000")
    for folder in home.runs.glob("evaluations/*"):
        shutil.rmtree(folder)
    return home


def copied(home: Home, folder: Path) -> Home:
    shutil.copytree(home.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("killer", "told-*", "noted"))
    return Home(folder)


def places(home: Home, pattern: str) -> list[Path]:
    """The files that a pattern names, of these the one after #; it may begin with a record's folder."""
    start, _, rest = pattern.partition("/")
    if start in ("first", "stored"):
        segmentations = home.segmentations()
        keys = [path.name for path in home.runs.glob("trainings/*")]
        (folder,) = (home.runs / "trainings" / key for key in keys if (key in segmentations) == (start == "stored"))
        return [folder / rest]
    if start in ("searched", "plain"):
        folders = home.runs.glob("evaluations/*")
        return [path / rest for path in folders if (path / "steps.npz").exists() == (start == "searched")]
    pattern, _, number = pattern.partition("#")
    found = sorted(home.folder.glob(pattern))
    return [found[int(number)]] if number else found


def damage(home: Home, layer: str, turn: int) -> list[tuple[str, str, Path]]:
    done: list[tuple[str, str, Path]] = []
    named = [(what, places(home, pattern)) for what, pattern in LAYERS[layer].items()]
    for number, (what, found) in enumerate(named):
        how = [*HARMS][(number + turn) % len(HARMS)]
        assert found, what
        if what in PAGES and how == "a folder":
            continue  # it may hold somebody's files: the page is refused with exit code 2 (test_commands_damage.py)
        done += [(what, how, path) for path in found]
    for _, how, path in done:
        HARMS[how](path)
    return done


@pytest.mark.parametrize(
    ("layer", "turns"),
    [(next(iter(LAYERS)), [0]), *(pytest.param(one, range(len(HARMS)), marks=pytest.mark.slow) for one in LAYERS)],
)
def test_each_damage_of_each_file(tmp_path: Path, undisturbed: Home, half: Home, layer: str, turns: list[int]) -> None:
    side_by_side([partial(attack, tmp_path / str(turn), undisturbed, half, layer, turn) for turn in turns])


def attack(folder: Path, undisturbed: Home, half: Home, layer: str, turn: int) -> None:
    finished = "matrices" in LAYERS[layer] or "pictures" in LAYERS[layer]
    home = copied(undisturbed if finished else half, folder / "home")
    done = damage(home, layer, turn)
    if finished:
        end = home.do("report")
        assert end.code == 0, end.output
        told = end.output
    else:
        told = ""
    end = home.run("--jobs", "1")
    told += end.output
    assert end.code == 0, end.output
    assert "Traceback" not in told
    for what, how, path in done:
        if what not in SILENT and how != "gone" and not (how == "a link to nowhere" and "cache" in path.parts):
            assert path.name in told or path.parent.name in told, (what, how, told)
    assert not (home.folder / "nowhere").exists()
    assert not (home.folder.parent / "nowhere").exists()
    check(home, undisturbed, damaged=True)
    again = home.run("--jobs", "1")
    assert again.code == 0, again.output
    if not any((what, how) == ("notes of reports", "a folder") for what, how, _ in done):  # that one stays, unused
        assert again.output.count("up to date") == 1


def test_files_that_do_not_belong_there(tmp_path: Path, undisturbed: Home, half: Home) -> None:
    home = copied(half, tmp_path / "home")
    for folder in [path for path in home.runs.rglob("*") if path.is_dir()] + [home.runs]:
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (folder / "Thumbs.db").write_bytes(b"\xd0\xcf")
        (folder / "new folder").mkdir()
        (folder / "link").symlink_to("nowhere")
    for verb in ("plan", "report", "run", "report"):
        end = home.do(verb)
        assert end.code == 0, end.output
        assert "Traceback" not in end.output
    assert home.records() == undisturbed.records()
