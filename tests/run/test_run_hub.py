"""Weights from the hub: fetched once, checked, and told where to put by hand; the hub is a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torchvision.models as theirs
from timm import list_pretrained
from timm.models import get_pretrained_cfg

from repro.errors import InputError
from repro.nets.weights import find
from repro.plan.work import weights_name
from repro.run import hub
from repro.run.hub import PUBLISHED, Published, chosen, fetch
from repro.spec.load import load_suite
from repro.spec.resolve import resolve

CONTENT = b"weights" * 999


class Server(ThreadingHTTPServer):
    """Serves CONTENT at every address but /gone."""

    asked: int = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked += 1
        if self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


def _publish(monkeypatch: pytest.MonkeyPatch, server: Server, page: str, sha256: str) -> None:
    published = Published(f"http://127.0.0.1:{server.server_port}/{page}", sha256, "resnet50-x.pth")
    monkeypatch.setitem(PUBLISHED, "resnet50", published)


def test_a_file_is_fetched_once_and_found(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(monkeypatch, server, "a", hashlib.sha256(CONTENT).hexdigest()[:8])
    said: list[str] = []
    path = fetch("resnet50", tmp_path / "deep", said.append)
    assert path.read_bytes() == CONTENT
    assert fetch("resnet50", tmp_path / "deep", said.append) == path == find(tmp_path / "deep", "resnet50")
    assert server.asked == len(said) == 1
    assert [p.name for p in path.parent.iterdir()] == ["resnet50-x.pth"]


def test_another_content_is_refused_and_not_kept(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(monkeypatch, server, "a", "00000000")
    with pytest.raises(InputError, match=r"not the published file .*put it at \S+resnet50-x\.pth"):
        fetch("resnet50", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_it_says_what_to_put_where(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(monkeypatch, server, "gone", "")
    with pytest.raises(InputError, match=r"cannot be fetched \(.*Not Found.*\)\. Download http://.* elsewhere, put it"):
        fetch("resnet50", tmp_path)
    monkeypatch.setitem(PUBLISHED, "vgg16", Published("http://127.0.0.1:9/vgg16.pth", "", "vgg16.pth"))
    with pytest.raises(InputError, match=r"^--weights hub: vgg16's weights cannot be fetched .*refused.*vgg16\.pth"):
        fetch("vgg16", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_addresses_are_those_of_torchvision_and_timm() -> None:
    for name in ("resnet50", "resnet101", "vgg16"):
        weights = theirs.get_model_weights(name)["IMAGENET1K_V1"]
        assert PUBLISHED[name].url == weights.url
        assert PUBLISHED[name].sha256 in weights.url
    for depth in (50, 101):
        name = f"resnet{depth}s"
        address = get_pretrained_cfg(f"{name}.gluon_in1k").url
        assert PUBLISHED[name].url == address
        assert PUBLISHED[name].sha256 in address
        assert PUBLISHED[name].file == f"{name}-{PUBLISHED[name].sha256}.pth"
    for name in ("xception65", "xception71"):
        assert f"{name}.tf_in1k" in list_pretrained(name)
        assert f"/timm/{name}.tf_in1k/" in PUBLISHED[name].url
    assert all(published.file.startswith(name) for name, published in PUBLISHED.items())


def test_every_measured_cell_at_paper_scale_finds_its_weights_at_the_hub() -> None:
    suite = load_suite()
    names = set()
    for table in suite.tables.values():
        for cell in table.cells():
            if cell.kind == "measured":
                names.add(weights_name(resolve(suite, table, cell.settings, "paper").protocol.model))
    assert names <= set(PUBLISHED)
    assert {"resnet101", "resnet101s", "resnet50s", "vgg16", "xception65", "xception71"} <= names


def test_the_word_hub_is_the_users_cache_unless_there_is_such_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert chosen(None) is None
    assert chosen(Path("other")) == Path("other")
    assert chosen(Path("hub")) == tmp_path / "cache/repro/weights" == hub.folder()
    (tmp_path / "hub").mkdir()
    assert chosen(Path("hub")) == Path("hub")
