"""Writes that the disk refuses: full, read-only, files too large. One message, nothing half-written, and then the same
command ends as if nothing had happened."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from command_processes import End, Home, side_by_side
from test_commands_kills import check

WRITES = 125
"""Files opened for writing, folders made, files moved in a run of the small paper: at least so many."""


def check_told(end: End, *words: str) -> None:
    """What a refused write ends with: wrong input, in one line with the remedy; no fault, no failed cell."""
    assert end.code == 2, end.output
    assert "Traceback" not in end.output
    last = end.output.rstrip().splitlines()[-1]
    assert last.startswith("repro: "), end.output
    assert any(word in last.lower() for word in words), end.output


def refused(home: Home, undisturbed: Home, jobs: str, **how: int) -> bool:
    """Run where writes are refused, then where they are not; whether the first run ended early."""
    end = home.run("--jobs", jobs, **how)
    if end.code != 0:
        check_told(end, os.strerror(how["refuse"]).lower().removeprefix("no space left on device") or "no space left")
    assert home.left() == []
    stored = home.stamps()
    again = home.run("--jobs", jobs)
    assert again.code == 0, again.output
    assert stored.items() <= home.stamps().items()
    check(home, undisturbed)
    return end.code != 0


@pytest.mark.parametrize("at", [pytest.param(60, marks=pytest.mark.slow), 110])
def test_a_disk_that_is_full_from_some_write_on(tmp_path: Path, undisturbed: Home, at: int) -> None:
    assert refused(Home(tmp_path).make(), undisturbed, "1", refuse=errno.ENOSPC, from_write=at)


@pytest.mark.slow
def test_a_disk_that_is_full_from_any_write_on(tmp_path: Path, undisturbed: Home) -> None:
    def attack(at: int) -> bool:
        return refused(Home(tmp_path / f"{at}").make(), undisturbed, "1", refuse=errno.ENOSPC, from_write=at)

    early = side_by_side([partial(attack, at) for at in range(1, WRITES, 6)])
    print(f"full from write 1, 7, ... {WRITES} on: {len(early)} runs, {sum(early)} ended with exit code 2")
    assert sum(early) > len(early) * 0.9


@pytest.mark.slow
def test_a_disk_that_refuses_a_single_write(tmp_path: Path, undisturbed: Home) -> None:
    """MemoryLimit comes and goes while others work on the same disk."""

    def attack(at: int) -> bool:
        home, how = Home(tmp_path / f"{at}").make(), {"from_write": at, "to_write": at}
        return refused(home, undisturbed, "2", refuse=errno.ENOSPC, **how)

    early = side_by_side([partial(attack, at) for at in range(4, WRITES, 12)])
    print(f"one write refused: {len(early)} runs, {sum(early)} ended with exit code 2")


FILES = ("pixels.npy", "confusion.npz", "pictures.npz", "steps.npz", "00000.npy", "deep-table1-smoke.html")


@pytest.mark.parametrize("names", [("weights.safetensors",), pytest.param(FILES, marks=pytest.mark.slow)])
def test_a_write_that_fails_in_the_middle_of_a_file(tmp_path: Path, undisturbed: Home, names: tuple[str, ...]) -> None:
    """By a limit on the size of files: what libraries in C++ and Rust write is refused, too."""

    def attack(name: str) -> None:
        places = [*undisturbed.runs.rglob(name), *undisturbed.out.rglob(name)]
        limit = max(path.stat().st_size for path in places) - 100
        home = Home(tmp_path / name).make()
        check_told(home.run("--jobs", "1", file_bytes=limit), "file too large")
        assert home.left() == []
        end = home.run("--jobs", "1")
        assert end.code == 0, end.output
        check(home, undisturbed)

    side_by_side([partial(attack, name) for name in names])


def mounted(source: str, place: Path, *options: str) -> Iterator[None]:
    place.mkdir()
    if subprocess.run(["mount", *options, source, place], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a part of a run."""
    for _ in mounted("tmpfs", tmp_path / "small", "-t", "tmpfs", "-o", "size=64k"):
        yield tmp_path / "small"


@pytest.mark.slow
def test_a_file_system_that_is_really_full(small: Path, undisturbed: Home) -> None:
    home, sizes = Home(small).make(), []
    for kilobytes in range(100, 4000, 150):
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", small], check=True)
        end = home.run("--jobs", "1")
        assert home.left() == []
        if end.code == 0:
            break
        sizes.append(kilobytes)
        check_told(end, "no space left")
    check(home, undisturbed)
    print(f"full at {sizes} kB, then whole at {kilobytes} kB")
    assert len(sizes) > 3


@pytest.fixture(params=["refused", pytest.param("mounted", marks=pytest.mark.slow)])
def read_only(request: pytest.FixtureRequest, tmp_path: Path, undisturbed: Home) -> Iterator[tuple[Home, dict]]:
    """A finished store that cannot be written to, and the orders that make it so (for root as well)."""
    shutil.copytree(undisturbed.folder, tmp_path / "home", ignore=shutil.ignore_patterns("killer", "told-*"))
    home = Home(tmp_path / "home")
    if request.param == "refused":
        yield home, {"refuse": errno.EROFS, "removals": True}
        return
    for _ in mounted(str(home.runs), tmp_path / "same", "--bind"):
        subprocess.run(["mount", "-o", "remount,ro,bind", tmp_path / "same"], check=True)
        home.runs = tmp_path / "same"
        yield home, {}


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    seen = {str(path.relative_to(folder)): path.stat() for path in sorted(folder.rglob("*"))}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in seen.items()}


def test_a_store_that_can_only_be_read_is_read(read_only: tuple[Home, dict], tmp_path: Path) -> None:
    home, orders = read_only
    before = contents(home.runs)
    report = home.words("report")
    report[report.index("--out") + 1] = str(tmp_path / "elsewhere")
    same = ["compare", str(home.runs), str(home.runs), "--tables", str(home.folder / "deep"), "--scale", "smoke"]
    for words, told in (
        (home.words("plan"), "Everything is stored"),
        (report, "deep-table1-smoke.html"),
        (same, "2 of 2 cells equal to the last bit"),
    ):
        end = home.do("", words=words, **orders)
        assert end.code == 0, end.output
        assert told in end.output
    check_told(home.run("--jobs", "1", **orders), "read-only")
    assert contents(home.runs) == before
