"""Unpack an archive: nothing outside the folder, nothing half-done under its final name."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from repro.data.disk import unwritable
from repro.errors import InputError


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .tar, .tar.gz, .tgz or .zip into `folder`; what is there already stays, files of the same name aside.

    Everything is unpacked beside its place and moved there at the end. InputError for an archive that is damaged, or
    that holds a member that would land outside the folder, a link out of it, or a device: none of it is kept then.
    """
    aside = folder / f".unpacking-{archive.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        if archive.suffix == ".zip":
            _unzip(archive, aside)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(aside, filter="data")
        _merge(aside, folder)
    except tarfile.FilterError as error:
        raise _unsafe(archive, error.tarinfo.name) from error
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is None:  # gzip and bz2 raise OSError without a number for bad data
            raise _damaged(archive, error) from error
        raise unwritable(folder, "unpacked files", error, "give another --root") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            # zipfile would quietly put such a member elsewhere
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise _unsafe(archive, name)
        opened.extractall(folder)


def _merge(source: Path, target: Path) -> None:
    """Move what is in `source` into `target`; folders that both have are merged."""
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if entry.is_dir() and place.is_dir():
            _merge(entry, place)
        else:
            os.replace(entry, place)


def _unsafe(archive: Path, member: str) -> InputError:
    return InputError(
        f"{archive}: its member {member!r} does not belong into a data set (it would land outside, or is no plain "
        "file). Nothing was unpacked. Get the archive from its owner."
    )


def _damaged(archive: Path, error: Exception) -> InputError:
    return InputError(f"{archive}: damaged or cut short ({error}). Remove it and download it again.")
