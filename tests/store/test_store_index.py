from __future__ import annotations

import errno
import os
import shutil
import sys
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_records import evaluation, put_training

from repro.store.index import without_curve
from repro.store.store import Store


@pytest.fixture(autouse=True)
def listed_from_the_first_record_on(monkeypatch):
    monkeypatch.setattr("repro.store.index._WORTH_A_LIST", 1)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", warn=lambda _: None)


def listed(store, kind="training"):
    records = {}
    for record in store.records(kind):
        assert record["key"] not in records
        records[record["key"]] = record
    return records


def got(store, keys):
    return {key: without_curve(store.get("training", key)) for key in keys}


def index(store):
    return store.root / "index" / "trainings-1.txt"


opened: list[str] = []
added: list[object] = []
listening = False


def hook(event, arguments):
    if listening and event == "open":
        opened.append(str(arguments[0]))


@pytest.fixture
def opens():
    """The files that are opened from now on; an audit hook can't be removed, so there is one for all tests."""
    global listening
    if not added:
        sys.addaudithook(hook)
        added.append(hook)
    opened.clear()
    listening = True
    yield opened
    listening = False


def test_listing_opens_no_weights_and_later_no_records(store, opens):
    for number in range(5):
        put_training(store, f"k{number}", number)
    opens.clear()
    first = listed(store)
    assert len([path for path in opens if path.endswith("record.json")]) == 5
    assert not [path for path in opens if path.endswith("weights.safetensors")]
    opens.clear()
    assert listed(store) == first
    assert [path for path in opens if "/trainings/" in path] == []


def test_a_listing_is_what_get_returns_without_the_curve(store):
    keys = [f"k{number}" for number in range(4)]
    for number, key in enumerate(keys):
        put_training(store, key, number)
    expected = got(store, keys)
    assert "curve" not in expected["k0"]["result"]
    assert listed(store) == expected
    assert listed(store) == expected
    store.put("evaluation", "e", evaluation("k0"), {})
    assert list(listed(store, "evaluation")) == ["e"]


texts = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(texts, texts, st.none() | texts, st.booleans()), min_size=1, max_size=4))
def test_any_text_survives_the_index(tmp_path_factory, parts):
    store = Store(tmp_path_factory.mktemp("runs"))
    for number, (config, code, environment, list_now) in enumerate(parts):
        put_training(
            store,
            f"k{number}",
            config={"a": config},
            code={"modules": {code: code}},
            environment=environment,
            more=code,
        )
        if list_now:
            listed(store)
    expected = got(store, [f"k{number}" for number in range(len(parts))])
    assert listed(store) == listed(store) == expected


def test_new_records_appear_and_removed_ones_go(store):
    put_training(store, "k1")
    listed(store)
    put_training(store, "k2", 2)
    assert set(listed(store)) == {"k1", "k2"}
    shutil.rmtree(store.folder("training", "k1"))
    assert set(listed(store)) == {"k2"}


def test_a_redone_record_replaces_its_line(store):
    put_training(store, "k", seconds=1.0)
    listed(store)
    shutil.rmtree(store.folder("training", "k"))
    put_training(store, "k", seconds=2.0)
    assert listed(store)["k"]["seconds"] == 2.0
    assert listed(store)["k"]["seconds"] == 2.0


def test_a_damaged_record_is_not_listed_although_the_index_has_it(store):
    put_training(store, "k1")
    put_training(store, "k2", weights=b"weights")
    listed(store)
    store.file("training", "k2", "weights.safetensors").write_bytes(b"w")
    assert set(listed(store)) == {"k1"}
    assert not store.folder("training", "k2").exists()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["cut", "flip", "insert", "repeat"]), st.floats(0, 1), st.integers(1, 255), st.binary(max_size=5)
)
def test_whatever_happens_to_the_index_the_listing_is_right(store, harm, fraction, bits, more):
    for number in range(3):
        put_training(store, f"k{number}", number)
    expected = listed(store)
    lines = index(store).read_bytes()
    place = int(fraction * (len(lines) - 1))
    start, end = lines[:place], lines[place:]
    harmed = {
        "cut": start,
        "flip": start + bytes([end[0] ^ bits]) + end[1:],
        "insert": start + more + end,
        "repeat": start + lines,
    }
    index(store).write_bytes(harmed[harm])
    assert listed(store) == expected
    assert listed(store) == expected


def test_a_torn_line_costs_only_itself(store, opens):
    for number in range(3):
        put_training(store, f"k{number}", number)
    listed(store)
    index(store).write_bytes(index(store).read_bytes()[:-10])
    opens.clear()
    assert len(listed(store)) == 3
    assert len({path for path in opens if "/trainings/" in path}) == 1
    opens.clear()
    assert len(listed(store)) == 3
    assert [path for path in opens if "/trainings/" in path] == []


def test_a_store_that_can_not_be_written_is_listed_all_the_same(store, monkeypatch):
    put_training(store, "k")
    opening = os.open

    def refuse(path, flags, *rest):
        if flags & os.O_APPEND:
            raise OSError(errno.EROFS, "read-only")
        return opening(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    assert set(listed(store)) == {"k"}
    assert not index(store).exists()


def test_an_index_of_mostly_stale_lines_is_begun_anew(store, monkeypatch):
    monkeypatch.setattr("repro.store.index._LINES_PER_APPEND", 4)
    for number in range(3):
        put_training(store, f"k{number}", number)
    for time in range(4):
        listed(store)
        for number in range(3):
            os.utime(store.file("training", f"k{number}", "record.json"), (time, time))
    assert set(listed(store)) == {"k0", "k1", "k2"}
    assert 0 < index(store).read_bytes().count(b"segment") <= 9


def test_looking_at_a_few_records_leaves_no_trace(store, monkeypatch):
    monkeypatch.setattr("repro.store.index._WORTH_A_LIST", 3)
    for number in range(2):
        put_training(store, f"k{number}", number)
    assert set(listed(store)) == {"k0", "k1"}
    assert not index(store).parent.exists()
    put_training(store, "k2", 2)
    listed(store)
    assert index(store).exists()


@pytest.mark.parametrize("place", ["file", "folder"])
@pytest.mark.parametrize("content", [b"theirs\n" * 3000, None])
def test_a_list_that_is_a_link_is_not_written(store, tmp_path, place, content):
    """Somebody else's store may have it lead to any file that its reader can write."""
    put_training(store, "k")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    target = theirs / "trainings-1.txt"
    if content is not None:
        target.write_bytes(content)
    if place == "folder":
        index(store).parent.symlink_to(theirs)
    else:
        index(store).parent.mkdir()
        index(store).symlink_to(target)
    for _ in range(2):
        assert set(listed(store)) == {"k"}
        assert (target.read_bytes() if content is not None else None) == content
        assert list(theirs.iterdir()) == ([] if content is None else [target])


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db"])
def test_what_a_file_manager_leaves_is_no_record(store, name):
    put_training(store, "k")
    (store.root / "trainings" / name).write_bytes(b"Bud1")
    assert set(listed(store)) == {"k"}
    assert (store.root / "trainings" / name).exists()


@pytest.mark.parametrize("harm", ["folder", "pipe", "whole but of another making"])
def test_what_is_no_list_is_not_read(store, harm):
    put_training(store, "k")
    index(store).parent.mkdir()
    if harm == "folder":
        index(store).mkdir()
    elif harm == "pipe":
        os.mkfifo(index(store))
    else:
        listed(store)
        line = index(store).read_bytes().strip().partition(b"\t")[2].split(b"\t")
        rest = b"\t".join([*line[:-1], b"[1]"]) + b"\n"
        index(store).write_bytes(b"%08x\t" % zlib.crc32(rest) + rest)
    assert set(listed(store)) == {"k"}
