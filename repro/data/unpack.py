"""Unpack an archive: nothing outside the folder, nothing half-done under its final name, no more than fits.

Members are written by this module into a folder that it has just made, and links are never made: a link to a file of
the same archive becomes a copy of it, any other is refused. So no path that is written can lead through a link, however
it is spelt and however long it is (CVE-2025-4517 gets past Python's own filter).
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from repro.data.disk import opened, unwritable
from repro.errors import InputError

MOST_TIMES = 200
"""An archive may unpack into so many times its own size (archives of images and label maps: 1 to 5 times) ..."""
MOST_BYTES_ANYWAY = 1 << 30
"""... and any archive into so much: what is more is taken for a decompression bomb."""
_MEMBER_BYTES = 512
"""What a member costs at least, so that their number is bounded too."""
_MOST_NAME, _MOST_PATH, _MOST_LINKS = 255, 1024, 40
_CHUNK = 1 << 20
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_COMPRESSED: tuple[tuple[bytes, Any], ...] = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open))

Parts = tuple[str, ...]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .tar (also gzip, bzip2, xz) or .zip into `folder`; files of the same name there are replaced.

    Everything is unpacked beside its place, the archive read to its end and checked, and moved there at the end.
    InputError for an archive that is damaged, encrypted or in a form that Python cannot read; that has a member which
    would land outside the folder, or that is neither file nor folder; or that unpacks into far more than its size: none
    of it is kept then.
    """
    temporary = folder / f".unpacking-{archive.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        with opened(archive) as file:
            size = os.fstat(file.fileno()).st_size
            writer = _Writer(
                archive, temporary, max(MOST_BYTES_ANYWAY, MOST_TIMES * size), shutil.disk_usage(folder).free
            )
            beginning = file.read(6)
            file.seek(0)
            if beginning.startswith(b"PK"):
                _unzip(file, writer)
            else:
                opener = next((opener for magic, opener in _COMPRESSED if beginning.startswith(magic)), None)
                _untar(opener(file) if opener else file, writer)
        writer.copy_linked()
        _check_merge(temporary, folder)
        _merge(temporary, folder)
    except InputError:
        raise
    except OSError as error:
        if error.errno is None:  # gzip and bz2 raise OSError without a number for bad data
            raise _damaged(archive, error) from error
        raise unwritable(folder, "unpacked files", error, "give another --root") from error
    except Exception as error:  # the readers fail in as many ways as a file can be damaged
        raise _damaged(archive, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@dataclass
class _Writer:
    """Writes members below `folder`, which nobody else writes to and which holds no links."""

    archive: Path
    folder: Path
    most: int
    """Bytes that the archive may unpack into."""
    free: int
    """Bytes of space on the disk."""
    taken: int = 0
    files: set[Parts] = field(default_factory=set)
    links: dict[Parts, Parts] = field(default_factory=dict)

    def make_folder(self, name: str) -> None:
        """A folder; it may be there already."""
        self._make(self._parts(name), name)

    def write(self, name: str, source: IO[bytes], size: int) -> None:
        """A file of `size` bytes; one that is there is replaced, as the later member counts."""
        parts = self._parts(name)
        path = self._file(parts, name)
        self.take(size)
        left = size
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with open(descriptor, "wb") as file:
            while left and (data := source.read(min(left, _CHUNK))):
                file.write(data)
                left -= len(data)
        if left:
            raise EOFError(f"{name!r} ends {left} bytes early")
        if source.read(1):
            raise EOFError(f"{name!r} is longer than the archive says")
        self.files.add(parts)
        self.links.pop(parts, None)

    def link(self, name: str, target: str, base: str) -> None:
        """A link to `target`, as seen from the folder `base` of the archive."""
        parts, end = self._parts(name), [*self._parts(base)]
        if target.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", target):
            raise _unsafe(self.archive, name)
        for part in re.split(r"[\\/]", target):
            if part == ".." and end:
                end.pop()
            elif part == "..":
                raise _unsafe(self.archive, name)
            elif part not in ("", "."):
                end.append(part)
        self.take(0)
        self.links[parts] = tuple(end)

    def copy_linked(self) -> None:
        """Put a copy in the place of each link to a file; a link to anything else is refused."""
        for parts in self.links:
            target, steps = parts, 0
            while target in self.links and steps < _MOST_LINKS:
                target, steps = self.links[target], steps + 1
            name = "/".join(parts)
            if target not in self.files:
                raise _unsafe(self.archive, name)
            path = self._file(parts, name)
            source = self.folder.joinpath(*target)
            self.take(source.stat().st_size)
            shutil.copyfile(source, path)

    def take(self, size: int) -> None:
        """Count `size` bytes more; raises where that is too much."""
        if size < 0:
            raise ValueError(f"a member of {size} bytes")
        self.taken += size + _MEMBER_BYTES
        if self.taken > self.most:
            raise InputError(
                f"{self.archive}: unpacks into more than {self.most / 1e9:.1f} GB, far more than its own size. It was "
                "made to fill disks, or is damaged; nothing was unpacked. Get the archive from its owner."
            )
        if self.taken > self.free:
            raise OSError(errno.ENOSPC, f"{self.taken / 1e9:.1f} GB or more needed, {self.free / 1e9:.1f} GB free")

    def _parts(self, name: str) -> Parts:
        """The names of a member's folders and its own; InputError where it would land outside, or nowhere."""
        parts = tuple(part for part in re.split(r"[\\/]", name) if part not in ("", "."))
        outside = name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in parts
        if outside or len(os.fsencode(name)) > _MOST_PATH or any(len(os.fsencode(p)) > _MOST_NAME for p in parts):
            raise _unsafe(self.archive, name)
        if "\0" in name:
            raise ValueError(f"a member is called {name!r}")
        return parts

    def _make(self, parts: Parts, name: str) -> Path:
        path = self.folder
        for part in parts:
            path /= part
            try:
                path.mkdir()
            except FileExistsError:
                if not path.is_dir():
                    raise ValueError(f"{name!r} is below a file") from None
        return path

    def _file(self, parts: Parts, name: str) -> Path:
        """Where a file goes, its folder made, and nothing there."""
        path = self._make(parts[:-1], name) / parts[-1] if parts else self.folder
        if path.is_dir():
            raise ValueError(f"{name!r} is both a file and a folder")
        path.unlink(missing_ok=True)
        return path


class _Member(tarfile.TarInfo):
    """A member of a tar whose headers are all there: Python's reader takes a damaged one for the archive's end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Any:
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            if isinstance(error, tarfile.EOFHeaderError):  # type: ignore[attr-defined]
                raise
            raise tarfile.ReadError(f"{error} where a member or the end should be") from None


def _untar(source: IO[bytes], writer: _Writer) -> None:
    """Write what a tar holds, read once from beginning to end."""
    with source, tarfile.open(fileobj=source, mode="r|", tarinfo=_Member) as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # it would grow without end
            if member.isdir():
                writer.take(0)
                writer.make_folder(member.name)
            elif member.isreg() and not member.issparse():
                content = tar.extractfile(member)
                if content is not None:
                    writer.write(member.name, content, member.size)
            elif member.issym():
                writer.link(member.name, member.linkname, str(Path(member.name).parent))
            elif member.islnk():
                writer.link(member.name, member.linkname, "")
            else:
                raise _unsafe(writer.archive, member.name)
        _read_on(source)


def _read_on(source: IO[bytes]) -> None:
    """Read what follows the last member: the checksum of all that was read stands at the end."""
    try:
        while source.read(_CHUNK):
            pass
    except gzip.BadGzipFile as error:
        if not str(error).startswith("Not a gzipped file"):  # other bytes behind a whole and checked archive
            raise


def _unzip(source: IO[bytes], writer: _Writer) -> None:
    """Write what a zip holds; checksums are compared on reading."""
    with zipfile.ZipFile(source) as opened_zip:
        members = opened_zip.infolist()
        for member in members:
            if member.flag_bits & 1:
                raise InputError(
                    f"{writer.archive}: encrypted. Unpack it yourself into the folder where it lies, with its password."
                )
            if member.compress_type not in _ZIP_METHODS:
                raise NotImplementedError(f"{member.filename!r} is compressed by method {member.compress_type}")
        writer.take(sum(member.file_size for member in members))
        writer.taken = 0
        for member in members:
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                writer.take(0)
                writer.make_folder(member.filename)
                continue
            if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
                raise _unsafe(writer.archive, member.filename)
            with opened_zip.open(member) as content:
                if kind == stat.S_IFLNK:
                    target = os.fsdecode(content.read(_MOST_PATH))
                    writer.link(member.filename, target, str(Path(member.filename).parent))
                else:
                    writer.write(member.filename, content, member.file_size)


def _check_merge(source: Path, target: Path) -> None:
    """InputError where a file would replace a folder or the reverse, before anything is moved."""
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if not os.path.lexists(place):
            continue
        if entry.is_dir() != place.is_dir():
            here, there = ("folder", "file") if place.is_dir() else ("file", "folder")
            raise InputError(f"{place}: a {here}, where the archive has a {there}. Move it away and run again.")
        if entry.is_dir():
            _check_merge(entry, place)


def _merge(source: Path, target: Path) -> None:
    """Move what is in `source` into `target`; folders that both have are merged."""
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if entry.is_dir() and place.is_dir():
            _merge(entry, place)
        else:
            os.replace(entry, place)


def _unsafe(archive: Path, member: str) -> InputError:
    shown = repr(member) if len(member) <= 100 else f"{member[:100]!r}..."
    return InputError(
        f"{archive}: its member {shown} does not belong into a data set (it would land outside, or is no plain "
        "file). Nothing was unpacked. Get the archive from its owner."
    )


def _damaged(archive: Path, error: Exception) -> InputError:
    if isinstance(error, NotImplementedError | RuntimeError):
        return InputError(f"{archive}: Python cannot unpack it ({error}). Unpack it yourself where it lies.")
    reason = str(error) or type(error).__name__
    return InputError(f"{archive}: damaged or cut short ({reason}). Remove it and download it again.")
