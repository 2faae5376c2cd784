"""Weights from the hub: fetched once, checked, and told where to put by hand; the hub is a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision.models as theirs
from timm import list_pretrained
from timm.models import get_pretrained_cfg
from typer.testing import CliRunner

from repro.cli import app
from repro.errors import InputError
from repro.nets.weight_files import find
from repro.plan.work import weights_name
from repro.run import pretrained_weights
from repro.run.pretrained_weights import chosen, fetch
from repro.spec.load import load_suite
from repro.spec.parts import PublishedWeights, backbone_facts, names, published
from repro.spec.resolve import resolve

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()[:8]


class Server(ThreadingHTTPServer):
    """Serves `content` at every address but /gone; breaks off after `cut` bytes as often as `breaks` says."""

    content: bytes = CONTENT
    asked: list[str | None]
    breaks: int = 0
    cut: int = 3000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if self.path == "/gone":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        end = len(server.content)
        if server.breaks:
            server.breaks -= 1
            end = min(end, start + server.cut)
        self.wfile.write(server.content[start:end])

    def log_message(self, *_: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as httpd:
        httpd.asked = []
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


def _publish(
    monkeypatch: pytest.MonkeyPatch, server: Server, page: str, sha256: str, file: str = "resnet50-x.pth"
) -> None:
    weights = PublishedWeights("resnet50", f"http://127.0.0.1:{server.server_port}/{page}", sha256, file)
    monkeypatch.setattr(pretrained_weights, "published", lambda _name: weights)


def _left(folder: Path) -> list[str]:
    """What is there but locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_file_is_fetched_once_and_found(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(monkeypatch, server, "a", SHA256)
    said: list[str] = []
    path = fetch("resnet50", tmp_path / "deep", said.append)
    assert path.read_bytes() == CONTENT
    assert fetch("resnet50", tmp_path / "deep", said.append) == path == find(tmp_path / "deep", "resnet50")
    assert len(server.asked) == len(said) == 1
    assert _left(path.parent) == ["resnet50-x.pth"]


def test_a_connection_that_breaks_goes_on_where_it_broke(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(monkeypatch, server, "a", SHA256)
    server.breaks = 2
    assert fetch("resnet50", tmp_path, pause_seconds=0).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=3000-", "bytes=6000-"]


def test_a_killed_download_goes_on_later_where_a_checksum_is_published(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(monkeypatch, server, "a", SHA256)
    (tmp_path / "resnet50-x.pth.part").write_bytes(CONTENT[:5000])
    assert fetch("resnet50", tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=5000-"]


def test_another_content_is_refused_and_not_kept(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(monkeypatch, server, "a", "00000000")
    with pytest.raises(
        InputError, match=r"^--weights hub: resnet50: .*SHA256 \w{8}, expected 00000000: not the publish"
    ):
        fetch("resnet50", tmp_path)
    assert _left(tmp_path) == []


def test_without_a_checksum_the_length_and_the_files_own_table_decide(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Xceptions have none published: a part is begun anew, a cut file or a page of text is not kept."""
    whole = safetensors.torch.save({"a": torch.arange(999.0), "b": torch.ones(2, 3)}, {"format": "pt"})
    _publish(monkeypatch, server, "a", "", "resnet50.safetensors")
    for content in (whole[:-8], whole + b"more", whole[:100], b"<html>log in</html>", b"", b"\x02\0\0\0\0\0\0\0{}"):
        server.content = content
        with pytest.raises(InputError, match=r"no whole \.safetensors file\. Nothing was kept"):
            fetch("resnet50", tmp_path)
        assert _left(tmp_path) == []
    server.content, server.breaks, server.asked = whole, 1, []
    (tmp_path / "resnet50.safetensors.part").write_bytes(b"of another file")
    path = fetch("resnet50", tmp_path, pause_seconds=0)
    assert path.read_bytes() == whole
    assert server.asked == [None, "bytes=3000-"]


def test_without_a_network_it_says_what_to_put_where(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(monkeypatch, server, "gone", "")
    with pytest.raises(InputError, match=r"answered 404 .* put it at \S+/resnet50-x\.pth.* --weights DIR\.$"):
        fetch("resnet50", tmp_path)
    nowhere = PublishedWeights("vgg16", "http://127.0.0.1:9/vgg16.pth")
    monkeypatch.setattr(pretrained_weights, "published", lambda _name: nowhere)
    with pytest.raises(InputError, match=r"^--weights hub: vgg16: .*cannot be reached .*refused.* \S+/vgg16\.pth\. Or"):
        fetch("vgg16", tmp_path, pause_seconds=0)
    server.breaks, server.cut = 99, 0
    _publish(monkeypatch, server, "a", SHA256)
    with pytest.raises(InputError, match="the connection broke"):
        fetch("resnet50", tmp_path, pause_seconds=0)
    assert not [name for name in _left(tmp_path) if not name.endswith(".part")]


def test_the_command_tells_it_in_one_line(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user without a network meets it: planning a cell that starts from ImageNet."""
    _publish(monkeypatch, server, "gone", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    words = ["plan", "v3/table6", "--scale", "paper", "--weights", "hub", "--store", "none"]
    failure = CliRunner().invoke(app, words).exception
    assert isinstance(failure, InputError)
    assert str(failure).startswith("--weights hub: resnet101s: http://127.0.0.1")
    assert "\n" not in str(failure)


def _declared() -> list[PublishedWeights]:
    return [weights for name in names("backbone") for weights in backbone_facts(name).weights]


def test_what_nobody_publishes_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file is declared for resnet18\. Give --weights DIR"):
        fetch("resnet18", tmp_path)


def test_addresses_are_those_of_torchvision_and_timm() -> None:
    for name in ("resnet50", "resnet101", "vgg16", "mobilenet_v2"):
        weights = theirs.get_model_weights(name)["IMAGENET1K_V1"]
        assert published(name).url == weights.url
        assert published(name).sha256 in weights.url
    for depth in (50, 101):
        name = f"resnet{depth}s"
        address = get_pretrained_cfg(f"{name}.gluon_in1k").url
        assert published(name).url == address
        assert published(name).sha256 in address
        assert published(name).filename == f"{name}-{published(name).sha256}.pth"
    for name in ("xception65", "xception71"):
        assert f"{name}.tf_in1k" in list_pretrained(name)
        assert f"/timm/{name}.tf_in1k/" in published(name).url
    assert all(weights.filename.startswith(weights.name) for weights in _declared())


def test_every_measured_cell_at_paper_scale_finds_its_weights_at_the_hub() -> None:
    suite = load_suite()
    wanted = set()
    for table in suite.tables.values():
        for cell in table.cells():
            if cell.kind == "measured":
                wanted.add(weights_name(resolve(suite, table, cell.settings, "paper").protocol.model))
    assert wanted <= {weights.name for weights in _declared()}
    assert {"resnet101", "resnet101s", "resnet50s", "vgg16", "xception65", "xception71"} <= wanted


def test_the_word_hub_is_the_users_cache_unless_there_is_such_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert chosen(None) is None
    assert chosen(Path("other")) == Path("other")
    assert chosen(Path("hub")) == tmp_path / "cache/repro/weights" == pretrained_weights.folder()
    (tmp_path / "hub").mkdir()
    assert chosen(Path("hub")) == Path("hub")
