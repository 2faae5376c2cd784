"""Whatever stands in the place of a record or of its files: seen, set aside and told, and nothing is hurt by it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import contextmanager

import pytest
from store_records import put_training

from repro.errors import InputError
from repro.files import seal
from repro.store.record import decode, encode
from repro.store.store import Store


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def store(tmp_path, warnings):
    return Store(tmp_path / "runs", warnings.append)


def clear(path):
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def swap(path, how):
    """Put something else in the place of a file or a folder."""
    clear(path)
    {
        "nothing": lambda: None,
        "empty": lambda: path.write_bytes(b""),
        "folder": lambda: path.mkdir(),
        "full folder": lambda: (path / "x").mkdir(parents=True),
        "pipe": lambda: os.mkfifo(path),
        "link to nowhere": lambda: path.symlink_to("none"),
        "link to itself": lambda: path.symlink_to(path),
        "link to a folder": lambda: path.symlink_to("/"),
        "device": lambda: path.symlink_to("/dev/zero"),
    }[how]()


HARMS = ("nothing", "empty", "folder", "full folder", "pipe", "link to nowhere", "link to itself", "link to a folder")


PLACES = ("record.json", "weights.safetensors", "the record's folder")


@pytest.mark.parametrize("look", ["get", "peek", "records", "put"])
@pytest.mark.parametrize(
    ("what", "how"), [(w, h) for w in PLACES for h in (*HARMS, "device") if (w, h) != (PLACES[2], "nothing")]
)
def test_what_stands_for_a_record_or_its_file_is_set_aside_and_redone(store, warnings, what, how, look):
    first = put_training(store, "k")
    folder = store.folder("training", "k")
    swap(folder if what == "the record's folder" else folder / what, how)
    if look == "records":
        assert list(store.records("training")) == []
    elif look != "put":
        assert getattr(store, look)("training", "k") is None
    redone = put_training(store, "k")
    assert redone == first == store.get("training", "k")
    assert len(warnings) == 1
    assert str(folder) in warnings[0]
    assert "the next run computes it again" in warnings[0]
    assert store.damaged("training") == {"k"}


@contextmanager
def nobody():
    """As a user to whom a forbidden file is one; root reads everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("what", ["record.json", "weights.safetensors", "."])
def test_a_forbidden_file_is_damage_and_a_forbidden_store_is_not(store, warnings, tmp_path, what):
    put_training(store, "k")
    above = [path for path in tmp_path.parents if path.name.startswith(("pytest-", "popen-"))]
    for path in (*above, tmp_path, *store.root.rglob("*"), store.root):
        path.chmod(path.stat().st_mode | (0o777 if path.is_dir() else 0o666))
        if os.geteuid() == 0 and path.is_relative_to(store.root):
            os.chown(path, 65534, -1)
    (store.folder("training", "k") / what).chmod(0)
    with nobody():
        assert store.get("training", "k") is None
    assert "cannot be read (Permission denied)" in warnings[0]
    assert store.damaged("training") == {"k"}
    put_training(store, "k")
    store.root.chmod(0)
    try:
        with nobody(), pytest.raises(InputError, match="permission denied"):
            store.get("training", "k")
    finally:
        store.root.chmod(0o777)
    assert store.get("training", "k") is not None


@pytest.mark.parametrize(
    "named", [{"../../secret": 1}, {"/etc/passwd": 1}, {"..": 1}, {"a/b": 1}, {"": 1}, ["weights.safetensors"], None, 3]
)
def test_a_record_whose_files_lie_elsewhere_is_damage(store, warnings, named):
    put_training(store, "k")
    path = store.file("training", "k", "record.json")
    kept = decode(path.read_bytes())["files"]["weights.safetensors"]
    names = dict.fromkeys(named, kept) if isinstance(named, dict) else named
    path.write_bytes(encode({**decode(path.read_bytes()), "files": names}))
    assert store.get("training", "k") is None
    assert "does not name its files" in warnings[0]


@pytest.mark.parametrize("body", ["[" * 100_000, '"a": 1', '"schema": 1}', '"schema": 1, "kind": null}'])
def test_a_forged_record_is_damage(store, warnings, body):
    """With a checksum that is right: whoever made the store made it so."""
    put_training(store, "k")
    first, _, _ = seal({"a": 1}).partition(b"\n")
    forged = body.encode()
    line = first.replace(first[12:76], hashlib.sha256(forged).hexdigest().encode())
    store.file("training", "k", "record.json").write_bytes(line + b"\n" + forged)
    assert store.get("training", "k") is None
    assert len(warnings) == 1


@pytest.mark.parametrize("how", [h for h in HARMS if h != "nothing"])
def test_what_stands_for_a_failure_a_lock_or_checkpoints_is_no_hindrance(store, warnings, how):
    store.prepare()
    swap(store.root / "failures/k-1.json", how)
    store.put_failure("k", "training", "reason")
    assert [failure["reason"] for failure in store.failures("k")] == ["reason"]
    assert "k-1.json" in warnings[0]
    if how != "empty":
        swap(store.root / "locks/k.lock", how)
    with store.try_lock("k") as ours:
        assert ours
        with Store(store.root).try_lock("k") as second:
            assert not second
    swap(store.root / "checkpoints/k", how)
    folder = store.checkpoint_dir("k")
    assert folder.is_dir()
    assert not folder.is_symlink()


@pytest.fixture
def theirs(tmp_path):
    """A folder outside of the store, with old files in it that look like a store's."""
    folder = tmp_path / "theirs"
    for name in ("k", "other"):
        (folder / name).mkdir(parents=True)
        (folder / name / "record.json").write_text(json.dumps({"mine": name}))
        (folder / name / "record.json").chmod(0o644)
        os.utime(folder / name, (0, 0))
    (folder / "k.lock").write_text("not to be emptied")
    return folder


def listing(folder):
    return sorted((str(p.relative_to(folder)), p.read_bytes() if p.is_file() else None) for p in folder.rglob("*"))


FOLDERS = ("trainings", "failures", "checkpoints", "locks", "incoming", "damaged", "index", "cache")


@pytest.mark.parametrize("name", FOLDERS)
def test_nothing_is_written_or_removed_through_a_folder_that_is_a_link(store, theirs, name):
    """Somebody else's store may have any of its folders lead to the home of whoever looks at it, or runs it."""
    store.root.mkdir()
    if name != "trainings":
        put_training(store, "k")
        swap(store.file("training", "k", "weights.safetensors"), "empty")
    clear(store.root / name)
    (store.root / name).symlink_to(theirs)
    before = listing(theirs)
    for look in (store.peek, store.get):
        look("training", "k")
    list(store.records("training"))
    store.failures("k")
    assert listing(theirs) == before
    if name not in ("damaged", "index"):
        with pytest.raises(InputError, match=rf"runs/{name}: a link.*--store"):
            store.prepare()
    for change in (
        lambda: put_training(store, "new"),
        lambda: put_training(store, "other"),
        lambda: store.put_failure("k", "training", "reason"),
        lambda: store.checkpoint_dir("k"),
        lambda: store.lock("k").__enter__(),
    ):
        try:
            change()
        except InputError as error:
            assert "a link" in str(error)  # noqa: PT017
    assert listing(theirs) == before
    assert store.root.joinpath(name).is_symlink()


@pytest.mark.parametrize("place", ["checkpoints/k", "locks/k.lock", "trainings/k", "failures/k-1.json"])
def test_nothing_is_written_or_removed_through_a_link_below_them(store, theirs, place):
    store.prepare()
    target = theirs / ("k.lock" if place.endswith(".lock") else "k/record.json" if "." in place else "k")
    (store.root / place).symlink_to(target)
    before = listing(theirs)
    with store.lock("k"):
        (store.checkpoint_dir("k") / "step").write_text("1")
    put_training(store, "k")
    store.put_failure("k", "training", "reason")
    store.prepare()
    assert store.get("training", "k") is not None
    assert listing(theirs) == before


def test_the_store_itself_may_be_a_link(store, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    store.root.symlink_to(tmp_path / "elsewhere")
    store.prepare()
    put_training(store, "k")
    assert store.get("training", "k") is not None
    assert (tmp_path / "elsewhere/trainings/k/record.json").exists()
