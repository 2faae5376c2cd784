"""Label maps and lists in MATLAB files, level 5 of the format (`save -v6`, `-v7`).

Read here and not by SciPy, whose reader takes the whole process down where a file is damaged. Format: "MAT-File Format"
(MathWorks, R2022a), chapter 1: elements with a tag of type and length, of which arrays consist of more elements.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from repro.data.decode import unreadable
from repro.data.disk import opened
from repro.errors import InputError

MOST_BYTES = 1 << 28
"""More than any data set's label map or list of classes takes once it is unpacked."""
_DEPTH = 8
"""Structures within structures."""

# Types of elements: numbers by their NumPy letter, then text, arrays, packed ones.
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _PACKED = 14, 15
# Classes of arrays.
_STRUCT, _CHAR = 2, 4
_NUMERIC = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x0800


def load_variable(path: Path, name: str) -> Any:
    """The variable `name` of a .mat file: an array, text, or a list of structures (field -> value, column by column).

    None for other kinds (cells, sparse and complex arrays, objects, lines of text). InputError if the file is
    damaged or has no such variable.
    """
    try:
        with opened(path) as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise _too_large(path)
        for own, value in _variables(data, path):
            if own == name:
                return value()
    except (ValueError, struct.error, zlib.error, OSError) as error:
        raise unreadable(path, error) from error
    raise InputError(f"{path}: there is no {name!r} in it. This is not the data set's file.")


def read_mat(path: Path, last: int, variable: str, *fields: str) -> npt.NDArray[np.int64]:
    """The label map (H, W) int64, values 0 to `last`, in `variable.field...` of a .mat file.

    InputError if the file is damaged, has no such array, or has other values in it.
    """
    value = load_variable(path, variable)
    for field in fields:
        if not isinstance(value, list) or len(value) != 1 or field not in value[0]:
            raise InputError(f"{path}: there is no {'.'.join((variable, *fields))} in it. Download this file again.")
        value = value[0][field]
    if not isinstance(value, np.ndarray) or value.ndim != 2 or not np.array_equal(value, np.rint(value)):
        raise InputError(f"{path}: {'.'.join((variable, *fields))} is not a label map. Download this file again.")
    if value.size and (value.min() < 0 or value.max() > last):
        wrong = int(value.min() if value.min() < 0 else value.max())
        raise InputError(f"{path}: label {wrong}; this data set has 0 to {last}. Download this file again.")
    return value.astype(np.int64)


@dataclass(frozen=True)
class _Element:
    kind: int
    data: memoryview


def _variables(data: bytes, path: Path) -> Iterator[tuple[str, Any]]:
    """Name of each variable, and a function that reads it. Raises ValueError for damage."""
    if data[124:128] not in (b"\0\1IM", b"\1\0MI"):
        newer = data[124:128] in (b"\0\2IM", b"\2\0MI")
        raise ValueError("MATLAB 7.3's form; save it with -v7" if newer else "no MATLAB file of level 5")
    order = "<" if data[126:128] == b"IM" else ">"
    left = MOST_BYTES
    for element in _elements(memoryview(data)[128:], order):
        whole = element
        if element.kind == _PACKED:
            content = _unpacked(element.data, left, path)
            left -= len(content)
            whole = next(_elements(memoryview(content), order), element)
        if whole.kind != _MATRIX:
            raise ValueError(f"an element of type {whole.kind} where a variable should be")
        parts = _elements(whole.data, order)
        _, _, name = (next(parts, None) for _ in range(3))
        if name is None:
            raise ValueError("a variable ends early")
        yield bytes(name.data).decode("latin-1"), lambda matrix=whole: _value(matrix.data, order, 0)


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """The elements that follow one another in `data`; ValueError for one that is longer than what is left."""
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("a tag ends early")
        kind, length = struct.unpack_from(f"{order}II", data, at)
        at += 8
        if kind >> 16:  # a short element: type, length and up to four bytes of data within the tag
            kind, length, start, end = kind & 0xFFFF, kind >> 16, at - 4, at
        else:
            start = at
            end = at + length + (0 if kind == _PACKED else -length % 8)
        if start + length > min(max(end, start), len(data)):
            raise ValueError(f"an element of {length} bytes, longer than what is left")
        yield _Element(kind, data[start : start + length])
        at = end


def _unpacked(data: memoryview, most: int, path: Path) -> bytes:
    """What zlib packed, its checksum compared; InputError where it is more than any label map."""
    decoder = zlib.decompressobj()
    content = decoder.decompress(data, most + 1)
    if len(content) > most:
        raise _too_large(path)
    if not decoder.eof:
        raise ValueError("a packed variable ends early")
    return content


def _too_large(path: Path) -> InputError:
    return InputError(f"{path}: more than {MOST_BYTES >> 20} MB unpacked, which no label map takes. Download it again.")


def _value(data: memoryview, order: str, depth: int) -> Any:
    """The array in the data of a matrix element, as `load_variable` gives it."""
    if not data or depth > _DEPTH:
        return None  # empty: a field that was never set
    parts = _elements(data, order)
    flags, sides, _ = (next(parts, None) for _ in range(3))
    if flags is None or sides is None or len(flags.data) < 4 or sides.kind not in (5, 6):
        raise ValueError("an array without dimensions")
    tag = struct.unpack_from(f"{order}I", flags.data)[0]
    shape = tuple(int(side) for side in np.frombuffer(sides.data, f"{order}i4"))
    if any(side < 0 for side in shape):
        raise ValueError(f"an array of {shape}")
    own = tag & 0xFF
    if own == _STRUCT:
        return _structures(parts, math.prod(shape), len(data), order, depth)
    if own == _CHAR:
        text = next(parts, None)
        if text is None or text.kind not in _TEXT:
            raise ValueError("text of an unknown kind")
        if shape[0] > 1:
            return None  # several lines of text, column by column
        coding = _TEXT[text.kind] + ("" if text.kind in (1, 2, 16) else "-le" if order == "<" else "-be")
        return bytes(text.data).decode(coding)
    if own not in _NUMERIC or tag & _COMPLEX:
        return None
    numbers = next(parts, None)
    if numbers is None or numbers.kind not in _NUMBERS:
        raise ValueError("an array without numbers")
    values = np.frombuffer(numbers.data, f"{order}{_NUMBERS[numbers.kind]}")
    whole = values.astype(_NUMERIC[own])
    if not np.array_equal(whole, values, equal_nan=values.dtype.kind == "f"):
        raise ValueError("numbers that its type cannot hold")
    return whole.reshape(shape, order="F")


def _structures(parts: Iterator[_Element], count: int, size: int, order: str, depth: int) -> list[dict[str, Any]]:
    """`count` structures: the length of a name, all names, then each structure's fields in order."""
    length, names = next(parts, None), next(parts, None)
    if length is None or names is None or len(length.data) < 4:
        raise ValueError("a structure without fields")
    width = struct.unpack_from(f"{order}i", length.data)[0]
    if width < 1 or len(names.data) % width:
        raise ValueError("a structure with damaged names of fields")
    texts = [bytes(names.data[k : k + width]).rstrip(b"\0").decode("latin-1") for k in range(0, len(names.data), width)]
    if count * max(len(texts), 1) > size:  # each takes bytes, if only a tag's
        raise ValueError(f"{count} structures, more than there is room for")
    out = []
    for _ in range(count):
        fields = {}
        for text in texts:
            field = next(parts, None)
            if field is None or field.kind != _MATRIX:
                raise ValueError(f"field {text!r} is missing")
            fields[text] = _value(field.data, order, depth + 1)
        out.append(fields)
    return out
