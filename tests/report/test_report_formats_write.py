"""Reports on disk."""

import os

import pytest
from report_fixture import plain, usual

from repro.errors import InputError
from repro.report import files
from repro.report.files import ready_folder, try_folder, write_file
from repro.report.formats.write import FORMATS, check_ours_only, parse_formats, write_report


def test_all_formats_with_names_from_the_table(tmp_path):
    pytest.importorskip("pyarrow")
    paths = write_report(usual(), tmp_path / "new" / "folder", FORMATS)
    assert [path.name for path in paths] == [
        "v3-table3.md", "v3-table3.html",
        "v3-table3-cells.csv", "v3-table3-seeds.csv", "v3-table3-claims.csv",
        "v3-table3-cells.parquet", "v3-table3-seeds.parquet", "v3-table3-claims.parquet",
        "v3-table3.tex", "v3-table3.json", "v3-table3-table.md",
    ]  # fmt: skip
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == sorted(path.name for path in paths)


def test_writing_twice_gives_the_same_bytes(tmp_path):
    first = [path.read_bytes() for path in write_report(plain(), tmp_path)]
    assert [path.read_bytes() for path in write_report(plain(), tmp_path)] == first


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--out .*file.*: .*\. Choose a folder"):
        write_report(usual(), tmp_path / "file" / "out")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = write_file(tmp_path / "a.md", b"old")

    def no_space(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(InputError, match=r"a\.md: no space left on device\. Choose another folder"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.md"]


def test_a_folder_without_room_for_a_file_is_told_before_there_is_one(tmp_path, monkeypatch):
    def read_only(**_where):
        raise OSError(30, "Read-only file system")

    ready_folder(tmp_path / "new")
    assert not os.listdir(tmp_path / "new")
    monkeypatch.setattr(files.tempfile, "TemporaryFile", read_only)
    with pytest.raises(InputError, match=r"--junit .*new: read-only file system\. Choose a folder"):
        ready_folder(tmp_path / "new", "--junit")


def test_a_folder_that_is_tried_is_not_left_behind(tmp_path, monkeypatch):
    try_folder(tmp_path / "new/deep")
    assert not os.listdir(tmp_path)
    (tmp_path / "mine").mkdir()
    try_folder(tmp_path / "mine")
    try_folder(tmp_path / "mine/new")
    assert os.listdir(tmp_path) == ["mine"]
    (tmp_path / "mine/file").touch()
    for folder in ("mine/file", "mine/file/new"):
        with pytest.raises(InputError, match=r"--out .*file.*\. Choose a folder"):
            try_folder(tmp_path / folder)

    def full(**_where):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", full)
    with pytest.raises(InputError, match="no space left on device"):
        ready_folder(tmp_path / "new/deep")
    assert os.listdir(tmp_path) == ["mine"]


def test_files_are_readable_as_the_umask_allows(tmp_path):
    before = os.umask(0o022)
    try:
        assert write_file(tmp_path / "a", b"").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_formats_are_parsed_in_a_fixed_order():
    assert parse_formats("json, md") == ("md", "json")


@pytest.mark.parametrize(
    ("text", "message"), [("htm", "'htm' is not one of md, html, .*Did you mean 'html'"), ("", "'' is not one of")]
)
def test_unknown_formats(text, message):
    with pytest.raises(InputError, match=message):
        parse_formats(text)


def test_ours_only_needs_a_format_that_heeds_it():
    check_ours_only(True, ("md", "latex"))
    check_ours_only(False, ("md",))
    with pytest.raises(InputError, match=r"--ours-only: .*Add --format latex,table"):
        check_ours_only(True, ("md", "html"))
