"""Downloads from a server on this machine, and what is left to a human."""

import hashlib
import shutil
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from data_trees import forbidden_folder
from test_data_coco import CONTENT, write_coco
from test_data_unpack import tar_of

from repro.data import prepare, source
from repro.data.download import Checksum, download
from repro.data.prepare import PIECES, Piece
from repro.errors import InputError

CONTENTS = bytes(range(256)) * 40
MD5 = hashlib.md5(CONTENTS).hexdigest()
WHOLE = Checksum("md5", MD5)


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`; breaks off after `server.cut` bytes as often as `server.breaks` says;
    resumes `server.early` bytes too early."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        data = server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = 0
        if server.ranges and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_error(416)
                return
            start -= min(start, server.early)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = len(data)
        if server.breaks:
            server.breaks -= 1
            end = min(end, start + server.cut)
        self.wfile.write(data[start:end])

    def log_message(self, *_):
        """Keep the test's output quiet."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.files, httpd.asked, httpd.ranges = {"/a.tar": CONTENTS}, [], True
        httpd.breaks, httpd.cut, httpd.early = 0, 3000, 0
        httpd.url = f"http://127.0.0.1:{httpd.server_port}/a.tar"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


def fetch(server, path, md5=MD5, **more):
    download(server.url, path, Checksum("md5", md5), pause_seconds=0, **more)


def test_a_file_arrives_whole_and_only_once(server, tmp_path):
    seen = []
    fetch(server, tmp_path / "deep/a.tar", progress=lambda *at: seen.append(at))
    assert (tmp_path / "deep/a.tar").read_bytes() == CONTENTS
    assert seen[-1] == (len(CONTENTS), len(CONTENTS))
    fetch(server, tmp_path / "deep/a.tar")
    assert server.asked == [None]


def test_a_broken_connection_goes_on_where_it_broke(server, tmp_path):
    server.breaks = 2
    fetch(server, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == CONTENTS
    assert server.asked == [None, "bytes=3000-", "bytes=6000-"]


def test_a_stopped_download_goes_on(server, tmp_path):
    (tmp_path / "a.tar.part").write_bytes(CONTENTS[:5000])
    fetch(server, tmp_path / "a.tar")
    assert server.asked == ["bytes=5000-"]
    assert (tmp_path / "a.tar").read_bytes() == CONTENTS
    assert not (tmp_path / "a.tar.part").exists()


def test_a_part_that_is_already_whole(server, tmp_path):
    (tmp_path / "a.tar.part").write_bytes(CONTENTS)
    fetch(server, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == CONTENTS


def test_a_server_that_cannot_resume_sends_all_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "a.tar.part").write_bytes(b"x" * 700)
    fetch(server, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == CONTENTS


def test_a_server_that_resumes_elsewhere_is_not_believed(server, tmp_path):
    server.early = 1000
    (tmp_path / "a.tar.part").write_bytes(CONTENTS[:1000])
    fetch(server, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == CONTENTS
    assert server.asked == ["bytes=1000-"]


@pytest.mark.parametrize("length", [700, len(CONTENTS), len(CONTENTS) + 9])
def test_a_part_of_another_file_is_dropped(server, tmp_path, length):
    (tmp_path / "a.tar.part").write_bytes(b"x" * length)
    fetch(server, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == CONTENTS


def test_a_wrong_checksum_keeps_nothing(server, tmp_path):
    with pytest.raises(InputError, match=rf"a\.tar: MD5 {MD5[:4]}, expected 0000: not the published file"):
        fetch(server, tmp_path / "a.tar", md5="0000")
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")] == []


def test_a_wrong_file_in_place_is_not_touched(server, tmp_path):
    (tmp_path / "a.tar").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"a\.tar: MD5 \w+, expected \w+: cut short or another file"):
        fetch(server, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == b"mine"
    assert server.asked == []


def test_servers_that_refuse_break_or_are_not_there(server, tmp_path):
    with pytest.raises(InputError, match=r"gone: the server answered 404 Not Found\..* put it at \S+/b\.tar, and"):
        download(server.url.replace("a.tar", "gone"), tmp_path / "b.tar", WHOLE, pause_seconds=0)
    server.breaks, server.cut = 99, 0
    with pytest.raises(InputError, match=r"cannot be reached \(the connection broke\)\. Run again to go on from 0 MB"):
        fetch(server, tmp_path / "a.tar")
    with pytest.raises(InputError, match=r"cannot be reached \(.*refused\)"):
        download("http://127.0.0.1:9/a.tar", tmp_path / "c.tar", WHOLE, pause_seconds=0)


def test_no_space_is_said_before_the_first_byte(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(InputError, match="no space left for downloads"):
        fetch(server, tmp_path / "a.tar")


def test_a_root_that_cannot_be_written(server):
    with forbidden_folder(0o555) as folder, pytest.raises(InputError, match="downloads cannot be kept here"):
        fetch(server, folder / "a.tar")


def test_prepare_downloads_unpacks_and_is_done(server, tmp_path, monkeypatch):
    buffer = tmp_path / "made.tar"
    tar_of(buffer, {"set/list.txt": b"a\n"})
    server.files["/a.tar"] = buffer.read_bytes()
    md5 = hashlib.md5(buffer.read_bytes()).hexdigest()
    monkeypatch.setitem(PIECES, "voc2012", (Piece("a.tar", "set/list.txt", url=server.url, md5=md5),))
    said = []
    assert prepare.prepare("voc2012", tmp_path / "root", said.append) == ()
    assert (tmp_path / "root/set/list.txt").read_text() == "a\n"
    assert [line.split()[0] for line in said] == ["downloading", "unpacking"]
    assert prepare.prepare("voc2012", tmp_path / "root", said.append) == ()
    assert len(said) == 2
    assert server.asked == [None]


def test_prepare_says_what_to_fetch_and_takes_it_once_it_is_there(tmp_path):
    left = prepare.prepare("cityscapes", tmp_path, pytest.fail)
    assert len(left) == 2
    assert all(str(tmp_path) in line and "https://www.cityscapes-dataset.com" in line for line in left)
    for archive, member in {
        "leftImg8bit_trainvaltest.zip": "leftImg8bit/train/ulm/x.png",
        "gtFine_trainvaltest.zip": "gtFine/train/ulm/x.png",
        "gtCoarse.zip": "gtCoarse/train/ulm/x.png",
    }.items():
        with zipfile.ZipFile(tmp_path / archive, "w") as opened:
            opened.writestr(member, b"x")
    said = []
    assert prepare.prepare("cityscapes", tmp_path, said.append) == ()
    assert len(said) == 3
    assert (tmp_path / "gtCoarse/train/ulm/x.png").exists()


def test_another_archive_of_the_same_name(tmp_path):
    tar_of(tmp_path / "trainval.tar.gz", {"Annotations_Part/x.mat": b"x"}, "w:gz")
    tar_of(tmp_path / "ILSVRC2012_img_val.tar", {"x.JPEG": b"x"})
    (tmp_path / "VOCdevkit/VOC2010/ImageSets/Main").mkdir(parents=True)
    with pytest.raises(InputError, match=r"trainval\.tar\.gz: there is no pascal-context/trainval in it"):
        prepare.prepare("pascal_context", tmp_path, lambda _: None)
    with pytest.raises(InputError, match=r"ILSVRC2012_img_val\.tar: MD5 \w+, expected 29b22e29\w+: not complete"):
        prepare.prepare("imagenet", tmp_path, lambda _: None)


def test_coco_is_converted_once_its_files_are_there(tmp_path):
    write_coco(tmp_path, CONTENT)
    told = (tmp_path / "annotations/instances_train2017.json").read_text()
    (tmp_path / "annotations/instances_val2017.json").write_text(told)
    (tmp_path / "val2017").mkdir()
    said = []
    assert prepare.prepare("coco", tmp_path, said.append) == ()
    assert [s.name for s in source.FORMATS["coco"].samples(tmp_path, "train")] == ["000000000025", "000000000034"]
    assert any("train: 2 images have more than 1000 pixels" in line for line in said)
    said.clear()
    assert prepare.prepare("coco", tmp_path, said.append) == ()
    assert said == []


def test_every_data_set_can_be_prepared_and_every_download_is_checked():
    assert set(PIECES) == {source.SCENES, "imagenet", *source.FORMATS}
    for piece in (piece for pieces in PIECES.values() for piece in pieces):
        assert bool(piece.url) != bool(piece.by_hand)
        assert len(piece.md5) == 32 or not piece.url
    with pytest.raises(InputError, match=r"'coca' is not a data set.*Did you mean 'coco'"):
        prepare.prepare("coca", None, pytest.fail)


def test_checksums_and_addresses_equal_torchvisions():
    from torchvision.datasets import SBDataset, imagenet
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    by_archive = {piece.archive: piece for pieces in PIECES.values() for piece in pieces}
    for year in ("2010", "2012"):
        told = DATASET_YEAR_DICT[year]
        assert (by_archive[told["filename"]].url, by_archive[told["filename"]].md5) == (told["url"], told["md5"])
    assert by_archive["benchmark.tgz"].md5 == SBDataset.md5
    assert by_archive["benchmark.tgz"].url == SBDataset.url
    for key in ("val", "devkit"):
        name, md5 = imagenet.ARCHIVE_META[key]
        assert by_archive[name].md5 == md5
