from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from repro.errors import InputError
from repro.store.errors import as_input_error, errno_of, no_space, refusal, unwritable

PLACE = Path("runs/trainings/k")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left. Free some"),
        (errno.EDQUOT, "no space left. Free some"),
        (errno.EACCES, "permission denied. Change its permissions"),
        (errno.EROFS, "the file system is read-only"),
        (errno.ENOTDIR, "not a directory. Choose another place with --store"),
        (errno.EIO, f"{os.strerror(errno.EIO)}. Check the disk"),
    ],
)
def test_each_refusal_names_place_and_remedy(number, words):
    text = str(refusal(PLACE, OSError(number, os.strerror(number))))
    assert text.startswith(f"{PLACE}: ")
    assert words in text


def test_a_full_disk_is_known_behind_an_exception_of_a_rust_writer(tmp_path):
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    with pytest.raises((SafetensorError, OSError)) as caught:
        save_file({"w": np.zeros(4)}, tmp_path / "missing" / "w.safetensors")
    assert errno_of(caught.value) == errno.ENOENT


def as_torch_does(*, hidden: bool) -> RuntimeError:
    """Return an exception that was raised while a full disk was handled."""
    try:
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError as error:
            if hidden:
                raise RuntimeError("of no concern") from None
            raise RuntimeError("unexpected pos 704 vs 598") from error
    except RuntimeError as error:
        return error


def test_a_full_disk_is_known_behind_what_torch_makes_of_it():
    error = as_torch_does(hidden=False)
    assert no_space(error)
    with pytest.raises(InputError, match="no space left"), as_input_error(PLACE):
        raise error
    error.__cause__ = None
    error.__suppress_context__ = False
    assert no_space(error)
    assert not no_space(as_torch_does(hidden=True))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_a_disk_that_takes_no_more_is_known_wherever_it_was(number):
    own = OSError(number, os.strerror(number))
    assert unwritable(own, PLACE)
    behind = RuntimeError("unexpected pos 704 vs 598")
    behind.__context__ = own
    assert unwritable(behind, PLACE)
    assert os.strerror(number).split()[0].lower() in str(refusal(PLACE, behind)).lower() or number == errno.EDQUOT


def test_a_forbidden_file_is_the_stores_only_in_the_store():
    assert unwritable(PermissionError(errno.EACCES, "denied", "runs/trainings/k/x"), Path("runs"))
    assert not unwritable(PermissionError(errno.EACCES, "denied", "images/x.png"), Path("runs"))
    assert not unwritable(OSError(errno.EIO, "error"), Path("runs"))
    assert not unwritable(ValueError("shapes"), Path("runs"))


def test_a_message_that_names_a_place_keeps_it():
    inner = refusal(PLACE / "inner", OSError(errno.ENOSPC, "full"))
    with pytest.raises(InputError, match="k/inner: no space left"), as_input_error(PLACE):
        raise inner from OSError(errno.ENOSPC, "full")


def test_bugs_pass_unchanged():
    with pytest.raises(KeyError), as_input_error(PLACE):
        raise KeyError("config")
    with pytest.raises(InputError, match="no space left"), as_input_error(PLACE):
        raise OSError(errno.ENOSPC, "full")
