"""What is remembered of files: never anything that is no longer so."""

import json
import os
import time
from decimal import Decimal

import pytest

from repro.memo import Memo, default_folder


@pytest.fixture(autouse=True)
def _later(monkeypatch):
    """Files of a test count as settled; how young they are is one test's matter."""
    monkeypatch.setattr("repro.files.SETTLED_SECONDS", -1.0)


def _file(path, text="a"):
    path.write_text(text)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def _again(path, text, replace=False):
    """Other content of the same length, with the same time of modification."""
    if replace:
        _file(path.with_suffix(".new"), text)
        os.replace(path.with_suffix(".new"), path)
    else:
        _file(path, text)


def _told(memo, path):
    return memo.recall(path, path.stat())


@pytest.fixture
def kept(tmp_path):
    path, memo = _file(tmp_path / "a.txt"), Memo(tmp_path / "memo.json", "one")
    assert _told(memo, path) is None
    memo.learn(path, path.stat(), {"said": [1, 2]})
    memo.keep()
    return path


def test_the_next_process_knows_what_was_learnt(kept, tmp_path, monkeypatch):
    assert _told(Memo(tmp_path / "memo.json", "one"), kept) == {"said": [1, 2]}
    monkeypatch.chdir(tmp_path)
    assert Memo(tmp_path / "memo.json", "one").recall(kept.relative_to(tmp_path), kept.stat()) == {"said": [1, 2]}


@pytest.mark.parametrize(
    "change",
    [
        lambda path: _file(path, "ab"),
        lambda path: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1)),
        lambda path: _again(path, "b"),
        lambda path: _again(path, "b", replace=True),
    ],
)
def test_a_changed_file_is_not_recalled(kept, tmp_path, change):
    change(kept)
    assert _told(Memo(tmp_path / "memo.json", "one"), kept) is None


def test_another_reader_starts_anew(kept, tmp_path):
    assert _told(Memo(tmp_path / "memo.json", "two"), kept) is None


def test_a_young_file_is_not_remembered_however_old_it_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr("repro.files.SETTLED_SECONDS", 2.0)
    path, memo = _file(tmp_path / "a.txt"), Memo(tmp_path / "memo.json")
    memo.learn(path, path.stat(), 1)
    assert _told(memo, path) is None
    later = time.time() + 3
    monkeypatch.setattr("time.time", lambda: later)
    memo.learn(path, path.stat(), 1)
    assert _told(memo, path) == 1


def test_a_file_that_went_is_forgotten(kept, tmp_path):
    kept.unlink()
    memo, other = Memo(tmp_path / "memo.json", "one"), _file(tmp_path / "b.txt")
    memo.learn(other, other.stat(), 1)
    memo.keep()
    assert list(json.loads((tmp_path / "memo.json").read_text())["files"]) == [str(other)]


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"reader": "one", "files": {"a": 1}}', "\0"])
def test_a_damaged_memo_counts_as_empty(kept, tmp_path, damage):
    (tmp_path / "memo.json").write_text(damage)
    assert _told(Memo(tmp_path / "memo.json", "one"), kept) is None


def test_values_json_has_no_form_for(tmp_path):
    path = _file(tmp_path / "a.txt")
    form = {"encode": lambda d: {"$": str(d)}, "decode": lambda node: Decimal(node["$"]) if "$" in node else node}
    memo = Memo(tmp_path / "memo.json", "one", **form)
    memo.learn(path, path.stat(), {"x": Decimal("76.50")})
    memo.keep()
    assert str(_told(Memo(tmp_path / "memo.json", "one", **form), path)["x"]) == "76.50"


def test_what_cannot_be_kept_is_learnt_again(tmp_path):
    path = _file(tmp_path / "a.txt")
    for where, value in ((tmp_path / "a.txt" / "memo.json", 1), (tmp_path / "memo.json", {1, 2})):
        memo = Memo(where)
        memo.learn(path, path.stat(), value)
        memo.keep()
        assert _told(Memo(where), path) is None


def test_a_user_without_a_home_keeps_nothing(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    path, memo = _file(tmp_path / "a.txt"), Memo(default_folder() / "memo.json")
    memo.learn(path, path.stat(), 1)
    memo.keep()
    assert _told(Memo(default_folder() / "memo.json"), path) is None
