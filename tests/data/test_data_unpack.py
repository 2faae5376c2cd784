"""Unpacking: what is asked for arrives whole, and whatever an archive tries, nothing outside the folder changes."""

import gzip
import io
import os
import random
import stat
import struct
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from repro.data import unpack as unpacking
from repro.data.unpack import unpack
from repro.errors import InputError


def tar_of(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            elif content is None:
                member.type = tarfile.CHRTYPE
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tgz", "w:gz"), ("a.tar.gz", "w:gz"), ("a.zip", "")])
def test_archives_merge_into_what_is_there(tmp_path, name, mode):
    members = {"VOCdevkit/VOC2010/x.txt": b"new", "VOCdevkit/README": b"new"}
    archive = tmp_path / name
    if mode:
        tar_of(archive, members, mode)
    else:
        zip_of(archive, members)
    other = tmp_path / "root/VOCdevkit/VOC2012/y.txt"
    other.parent.mkdir(parents=True)
    other.write_text("old")
    unpack(archive, tmp_path / "root")
    assert (tmp_path / "root/VOCdevkit/VOC2010/x.txt").read_text() == "new"
    assert other.read_text() == "old"
    assert sorted(p.name for p in (tmp_path / "root").iterdir()) == ["VOCdevkit"]


@pytest.mark.parametrize("member", [{"../evil": b"x"}, {"a/../../evil": b"x"}, {"a": "../../evil"}, {"a": None}])
def test_tars_that_reach_out_are_refused(tmp_path, member):
    tar_of(tmp_path / "a.tar", {"good": b"x", **member})
    with pytest.raises(InputError, match=r"a\.tar: its member '.*' does not belong into a data set"):
        unpack(tmp_path / "a.tar", tmp_path / "root/deep")
    assert not (tmp_path / "root/evil").exists()
    assert list((tmp_path / "root/deep").iterdir()) == []


@pytest.mark.parametrize("member", ["../evil", "/tmp/evil", "a/../../evil", "..\\evil"])
def test_zips_that_reach_out_are_refused(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("good", b"x")
        opened.writestr(member, b"x")
    with pytest.raises(InputError, match=r"a\.zip: its member .* does not belong into a data set"):
        unpack(tmp_path / "a.zip", tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.zip"])
@pytest.mark.parametrize("length", [0, 30, 700])
def test_damaged_archives_leave_nothing(tmp_path, name, length):
    content = np.random.default_rng(0).bytes(5000)  # cannot be packed into fewer bytes
    if name == "a.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as opened:
            opened.writestr("good", content)
    else:
        tar_of(tmp_path / name, {"good": content}, "w:gz" if name == "a.tgz" else "w")
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:length])
    with pytest.raises(InputError, match=r"damaged or cut short"):
        unpack(tmp_path / name, tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []


def state(folder):
    """Everything in a folder, links not followed."""
    return {
        str(p.relative_to(folder)): os.readlink(p) if p.is_symlink() else p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


@pytest.fixture
def outside(tmp_path):
    """A folder to unpack into, beside a file that no archive may touch."""
    (tmp_path / "root").mkdir()
    (tmp_path / "precious").write_text("precious")
    yield tmp_path / "root"
    assert (tmp_path / "precious").read_text() == "precious"
    assert {p.name for p in tmp_path.iterdir()} <= {"root", "precious", "a.tar", "a.tar.gz", "a.zip", "a.tar.xz"}


def refused(archive, folder, message):
    before = state(folder)
    with pytest.raises(InputError, match=message) as caught:
        unpack(archive, folder)
    assert str(caught.value).startswith(str(archive))
    assert "\n" not in str(caught.value)
    assert state(folder) == before


def member(name, kind=tarfile.REGTYPE, link="", content=b""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info, io.BytesIO(content) if content else None


def write_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for info, content in members:
            tar.addfile(info, content)


def test_links_nested_beyond_the_longest_path_do_not_lead_out(outside, tmp_path):
    # each step is a short link to a long folder: written short, the path resolves to more than PATH_MAX
    long, steps, path, members = "d" * 247, "abcdefghijklmnop", "", []
    for step in steps:
        members.append(member(f"{path}{long}", tarfile.DIRTYPE))
        members.append(member(f"{path}{step}", tarfile.SYMTYPE, long))
        path += f"{long}/"
    chain = "/".join(steps) + "/" + "l" * 254
    members.append(member(chain, tarfile.SYMTYPE, "../" * len(steps)))
    members.append(member("escape", tarfile.SYMTYPE, f"{chain}/../../precious"))
    members.append(member("flag", tarfile.LNKTYPE, "escape"))
    members.append(member("flag", content=b"overwritten"))
    write_tar(tmp_path / "a.tar", members)
    refused(tmp_path / "a.tar", outside, "does not belong into a data set")


@pytest.mark.parametrize(
    "members",
    [
        [member("in", tarfile.SYMTYPE, "."), member("in/../../precious", content=b"x")],
        [member("up", tarfile.SYMTYPE, ".."), member("up/precious", content=b"x")],
        [member("up", tarfile.SYMTYPE, ".."), member("up2", tarfile.SYMTYPE, "up/.."), member("y", content=b"x")],
        [member("a", tarfile.SYMTYPE, "precious"), member("b", tarfile.LNKTYPE, "../precious")],
        [member("a/b", tarfile.SYMTYPE, "/etc/passwd")],
        [member("a", tarfile.SYMTYPE, "b"), member("b", tarfile.SYMTYPE, "a")],
        [member("folder", tarfile.DIRTYPE), member("a", tarfile.SYMTYPE, "folder")],
        [member("a", tarfile.SYMTYPE, "missing")],
        [member("a", tarfile.FIFOTYPE)],
        [member("a", tarfile.BLKTYPE)],
        [member("/precious", content=b"x")],
        [member("C:/precious", content=b"x")],
        [member("x" * 256, content=b"x")],
        [member("x/" * 600 + "y", content=b"x")],
    ],
)
def test_no_member_leads_out(outside, tmp_path, members):
    write_tar(tmp_path / "a.tar", [member("good", content=b"x"), *members])
    refused(tmp_path / "a.tar", outside, "does not belong into a data set")


def test_links_within_an_archive_become_copies(outside, tmp_path):
    members = [
        member("set/a.txt", content=b"one"),
        member("set/again.txt", tarfile.LNKTYPE, "set/a.txt"),
        member("lists/soft.txt", tarfile.SYMTYPE, "../set/../lists/softer.txt"),
        member("lists/softer.txt", tarfile.SYMTYPE, "../set/a.txt"),
        member("set/late.txt", tarfile.SYMTYPE, "b.txt"),
        member("set/b.txt", content=b"two"),
        member("set/b.txt", content=b"three"),  # the later one counts
        member("set/file.txt", tarfile.SYMTYPE, "b.txt"),
        member("set/file.txt", content=b"four"),
    ]
    write_tar(tmp_path / "a.tar", members)
    unpack(tmp_path / "a.tar", outside)
    assert state(outside) == {
        **dict.fromkeys(("set", "lists")),
        **dict.fromkeys(("set/a.txt", "set/again.txt", "lists/soft.txt", "lists/softer.txt"), b"one"),
        **dict.fromkeys(("set/late.txt", "set/b.txt"), b"three"),
        "set/file.txt": b"four",
    }
    assert not any(p.is_symlink() or p.stat().st_nlink > 1 for p in outside.rglob("*") if p.is_file())


def test_links_in_zips(outside, tmp_path):
    def link(target):
        info = zipfile.ZipInfo("deep/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
            opened.writestr("deep/a.txt", b"one")
            opened.writestr(info, target)

    link("a.txt")
    unpack(tmp_path / "a.zip", outside)
    assert (outside / "deep/link").read_bytes() == b"one"
    assert not (outside / "deep/link").is_symlink()
    link("../../precious")
    refused(tmp_path / "a.zip", outside, "'deep/link' does not belong into a data set")


def test_a_link_that_the_user_made_is_replaced_and_not_followed(outside, tmp_path):
    (outside / "list.txt").symlink_to(tmp_path / "precious")
    tar_of(tmp_path / "a.tar", {"list.txt": b"new"})
    unpack(tmp_path / "a.tar", outside)
    assert (outside / "list.txt").read_bytes() == b"new"
    assert not (outside / "list.txt").is_symlink()


def test_a_wrong_checksum_of_a_tar_gz(outside, tmp_path):
    path = tmp_path / "a.tar.gz"
    tar_of(path, {"good": bytes(range(256)) * 40}, "w:gz")
    data = path.read_bytes()
    for broken, message in (
        (data[:-8] + bytes([data[-8] ^ 1]) + data[-7:], r"damaged or cut short \(CRC check failed"),
        (data[:-1] + bytes([data[-1] ^ 1]), "damaged or cut short .*ncorrect length"),
        (data[:-4], "damaged or cut short .*end-of-stream"),
    ):
        path.write_bytes(broken)
        refused(path, outside, message)
    path.write_bytes(data + b"other bytes behind a whole archive")
    unpack(path, outside)
    assert (outside / "good").read_bytes() == bytes(range(256)) * 40


@pytest.mark.parametrize("at", ["header", "member"])
def test_a_tar_that_breaks_off_between_members(outside, tmp_path, at):
    path = tmp_path / "a.tar"
    tar_of(path, {"one": b"x" * 512, "two": b"y" * 512})
    data = bytearray(path.read_bytes())
    if at == "header":
        data[1024 + 150] ^= 1  # the second member's checksum field
    else:
        del data[1024:]
    path.write_bytes(data)
    refused(path, outside, "damaged or cut short .*where a member or the end should be")


@pytest.mark.parametrize(("mode", "name"), [("w:xz", "a.tar.xz"), ("w:bz2", "a.tar.gz"), ("w", "a.zip")])
def test_the_content_and_not_the_name_says_what_an_archive_is(outside, tmp_path, mode, name):
    tar_of(tmp_path / name, {"set/a.txt": b"one"}, mode)
    unpack(tmp_path / name, outside)
    assert (outside / "set/a.txt").read_bytes() == b"one"


def zip_of(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as opened:
        for name, content in members.items():
            opened.writestr(name, content)


def patched(path, offset, value):
    """Change two bytes of the local header and of the central one; `offset` counts in the local one."""
    data = bytearray(path.read_bytes())
    for at in (data.index(b"PK\x03\x04") + offset, data.index(b"PK\x01\x02") + offset + 2):
        data[at : at + 2] = struct.pack("<H", value)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (6, 0x1, r"a\.zip: encrypted\. Unpack it yourself"),
        (6, 0x20, r"a\.zip: Python cannot unpack it \(.*patched"),
        (6, 0x40, r"a\.zip: Python cannot unpack it \(strong encryption"),
        (4, 99, r"a\.zip: Python cannot unpack it \(zip file version 9\.9\)"),
        (8, 93, r"a\.zip: Python cannot unpack it \('good' is compressed by method 93\)\. Unpack it yourself"),
        (8, 1, r"a\.zip: Python cannot unpack it \('good' is compressed by method 1\)"),
    ],
)
def test_zips_that_python_cannot_read(outside, tmp_path, offset, value, message):
    zip_of(tmp_path / "a.zip", {"good": b"x" * 100})
    patched(tmp_path / "a.zip", offset, value)
    refused(tmp_path / "a.zip", outside, message)


def test_a_wrong_checksum_in_a_zip(outside, tmp_path):
    zip_of(tmp_path / "a.zip", {"good": b"x" * 100})
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[data.index(b"xxxx")] = ord("y")
    (tmp_path / "a.zip").write_bytes(data)
    refused(tmp_path / "a.zip", outside, r"damaged or cut short \(Bad CRC-32 for file 'good'\)")


@pytest.fixture
def little(monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_BYTES_ANYWAY", 1 << 20)
    monkeypatch.setattr(unpacking, "MOST_TIMES", 2)


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("kind", ["zip", "tar.gz", "many", "sparse", "linked"])
def test_decompression_bombs_write_little(outside, tmp_path, kind):
    path = tmp_path / ("a.zip" if kind == "zip" else "a.tar.gz")
    if kind == "zip":
        zip_of(path, {f"{k}": bytes(1 << 20) for k in range(3)}, compression=zipfile.ZIP_DEFLATED)
    elif kind == "many":
        write_tar(path, [member(f"f{k}") for k in range(3000)], "w:gz")
    elif kind == "linked":
        links = [member(f"l{k}", tarfile.LNKTYPE, "0") for k in range(30)]
        write_tar(path, [member("0", content=bytes(100_000)), *links], "w:gz")
    elif kind == "sparse":
        info, _ = member("0")
        info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,0"}
        info.pax_headers |= {"GNU.sparse.size": str(1 << 50), "GNU.sparse.name": "0"}
        with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(info)
    else:
        write_tar(path, [member(f"{k}", content=bytes(1 << 20)) for k in range(3)], "w:gz")
    assert path.stat().st_size < 40_000
    message = "does not belong" if kind == "sparse" else r"unpacks into more than \S+ GB, far more than its own size"
    refused(path, outside, message)


def test_no_space_is_said_before_it_is_used_up(outside, tmp_path, monkeypatch):
    tar_of(tmp_path / "a.tar", {"good": b"x" * 5000})
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: SimpleNamespace(free=4000))
    with pytest.raises(InputError, match=r"no space left for unpacked files \(0\.0 GB or more needed, 0\.0 GB free"):
        unpack(tmp_path / "a.tar", outside)
    assert state(outside) == {}


def test_negative_sizes_do_not_turn_the_reader_back(outside, tmp_path):
    info, _ = member("good")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" + (-1024).to_bytes(11, "big", signed=True)
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header[:512])
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(1024))
    refused(tmp_path / "a.tar", outside, "damaged or cut short")


def test_what_is_no_archive(outside, tmp_path):
    os.mkfifo(outside / "pipe.tar")
    with pytest.raises(InputError, match=r"pipe\.tar: a named pipe, where a file is expected"):
        unpack(outside / "pipe.tar", outside / "deep")
    (outside / "pipe.tar").unlink()
    (tmp_path / "a.tar").write_text("<html>not found</html>")
    with pytest.raises(InputError, match=r"a\.tar: damaged or cut short"):
        unpack(tmp_path / "a.tar", outside / "deep")


@pytest.mark.parametrize("name", ["file/x.txt", "folder"])
def test_files_where_folders_are_and_the_reverse(outside, tmp_path, name):
    (outside / "folder").mkdir()
    (outside / "file").write_text("mine")
    tar_of(tmp_path / "a.tar", {"before": b"x", name: b"x"})
    before = state(outside)
    with pytest.raises(InputError, match=r"root/(file: a file|folder: a folder), where the archive has a f"):
        unpack(tmp_path / "a.tar", outside)
    assert state(outside) == before


def test_one_name_for_a_file_and_a_folder(outside, tmp_path):
    tar_of(tmp_path / "a.tar", {"a/b": b"x", "a": b"y"})
    refused(tmp_path / "a.tar", outside, "'a' is both a file and a folder")
    tar_of(tmp_path / "a.tar", {"a": b"x", "a/b": b"y"})
    refused(tmp_path / "a.tar", outside, "'a/b' is below a file")


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_flipped_bytes_are_noticed_or_do_no_harm(outside, tmp_path, name):
    rng = random.Random(7)
    content = {"set/a.txt": b"one" * 99, "set/b/c.txt": bytes(600)}
    path = tmp_path / name
    if name == "a.zip":
        zip_of(path, content, compression=zipfile.ZIP_DEFLATED)
    else:
        tar_of(path, content, "w:gz" if name == "a.tar.gz" else "w")
    data = path.read_bytes()
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(rng.choice((1, 1, 3))):
            broken[rng.randrange(len(broken) if name != "a.tar" else 3072)] ^= 1 << rng.randrange(8)
        path.write_bytes(broken)
        try:
            unpack(path, outside / "new")
        except InputError as error:
            message = str(error)
            assert "\n" not in message
            continue
        if name == "a.tar.gz":  # a checksum covers all of it but the header of gzip itself
            assert {k: v for k, v in state(outside / "new").items() if v is not None} == content


def test_a_checked_stream_is_read_to_its_end(tmp_path, outside):
    """Two gzip members, as pigz and concatenation write them: the second one's checksum counts too."""
    tar_of(tmp_path / "a.tar", {"good": b"x" * 3000})
    data = (tmp_path / "a.tar").read_bytes()
    first, second = gzip.compress(data[:2000]), bytearray(gzip.compress(data[2000:]))
    (tmp_path / "a.tar.gz").write_bytes(first + second)
    unpack(tmp_path / "a.tar.gz", outside / "whole")
    second[-8] ^= 1
    (tmp_path / "a.tar.gz").write_bytes(first + second)
    refused(tmp_path / "a.tar.gz", outside, "CRC check failed")
