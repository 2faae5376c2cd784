"""Weight files: what is found, read and refused, and what the refusal says."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from nets_random import drawn
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.transforms import functional as transforms

from repro.errors import InputError
from repro.nets import resnet
from repro.nets.deeplab import build
from repro.nets.registry import build_backbone
from repro.nets.resnet import from_resnet
from repro.nets.state_dicts import read
from repro.nets.weight_files import find
from repro.nets.weights import fitting, load_backbone
from repro.spec.protocol import Model

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def resnet50() -> State:
    return dict(drawn(torchvision.models.resnet50).state_dict())


def torchvision_model(**settings: object) -> Model:
    return Model(backbone="resnet50", stem="conv7", stride_at="first_unit", **settings)


def refusal(model: Model, state: State) -> str:
    with torch.device("meta"):
        network = build_backbone(model, 16)
    with pytest.raises(InputError) as caught:
        load_backbone(network, state, "weights.pth")
    message = str(caught.value)
    assert message.startswith("weights.pth: ")
    assert "\n" not in message
    return message


def test_a_7x7_stem_does_not_fit_the_papers(resnet50: State) -> None:
    message = refusal(Model(backbone="resnet50"), resnet50)
    assert "7x7" in message
    assert "set model.stem=conv7 and model.stride_at=first_unit" in message


def test_another_depth(resnet50: State) -> None:
    message = refusal(Model(stem="conv7"), resnet50)
    assert "(3, 4, 6, 3)" in message
    assert "(3, 4, 23, 3)" in message


def test_another_width(resnet50: State) -> None:
    message = refusal(torchvision_model(width=8, stem_width=8), resnet50)
    assert "(64, 3, 7, 7) in the file, (8, 3, 7, 7) in the network" in message
    assert "train.start=presence" in message


def test_another_network(resnet50: State) -> None:
    assert "weights of a ResNet; this backbone takes the ImageNet weights of timm's" in refusal(
        Model(backbone="xception65"), resnet50
    )
    assert "no network known here" in refusal(torchvision_model(), {"x": torch.zeros(1)})
    own = build(Model(backbone="resnet50", width=4, stem_width=4), 3, 16).state_dict()
    assert "this suite's own" in refusal(Model(backbone="resnet50"), own)


def test_missing_and_unexpected(resnet50: State) -> None:
    lacking = {k: v for k, v in resnet50.items() if not k.startswith("layer4.2.bn3")}
    message = refusal(torchvision_model(), lacking)
    assert "missing blocks.block4.2.conv3.1.weight, blocks.block4.2.conv3.1.bias and 2 more" in message
    message = refusal(torchvision_model(), {**resnet50, "layer4.2.extra.weight": torch.zeros(1)})
    assert "unexpected layer4.2.extra.weight" in message


def test_vgg_with_and_without_batch_norm_are_told_apart() -> None:
    def state(batch_norm: bool) -> State:
        with torch.device("meta"):
            return dict((torchvision.models.vgg16_bn if batch_norm else torchvision.models.vgg16)().state_dict())

    assert "unexpected" in refusal(Model(backbone="vgg16"), state(batch_norm=True))
    message = refusal(Model(backbone="vgg16", vgg_batch_norm=True), state(batch_norm=False))
    assert "missing" in message
    assert "vgg16_bn with model.vgg_batch_norm=true" in message


def test_xception_of_another_depth() -> None:
    with torch.device("meta"):
        state = dict(timm.create_model("xception71").state_dict())
    assert "blocks." in refusal(Model(backbone="xception65"), state)


def test_old_files_without_counters(resnet50: State) -> None:
    network = build(torchvision_model(last_block=5), 3, 16)
    load_backbone(network, {k: v for k, v in resnet50.items() if "num_batches" not in k}, "old.pth")
    assert torch.equal(network.backbone.blocks["block3"][5].conv2[0].weight, resnet50["layer3.5.conv2.weight"])


def test_a_stem_of_three_convolutions_fits_the_papers(resnet50: State) -> None:
    """Names as in PyTorch-Encoding: conv1.0, conv1.1, conv1.3, conv1.4, conv1.6, bn1."""
    state = {k: v for k, v in resnet50.items() if not k.startswith(("conv1.", "bn1."))}
    norm = {"weight": 64, "bias": 64, "running_mean": 64, "running_var": 64}
    state["conv1.0.weight"], state["conv1.3.weight"] = torch.rand(64, 3, 3, 3), torch.rand(64, 64, 3, 3)
    state["conv1.6.weight"] = torch.rand(128, 64, 3, 3)
    state.update({f"conv1.{at}.{k}": torch.rand(n) for at in (1, 4) for k, n in norm.items()})
    state.update({f"bn1.{k}": torch.rand(2 * n) for k, n in norm.items()})
    state["layer1.0.conv1.weight"] = torch.rand(64, 128, 1, 1)
    state["layer1.0.downsample.0.weight"] = torch.rand(256, 128, 1, 1)
    network = build(Model(backbone="resnet50"), 3, 16)
    load_backbone(network, state, "encoding.pth")
    assert torch.equal(network.backbone.stem[2][1].running_var, state["bn1.running_var"])
    assert torch.equal(network.backbone.stem[1][0].weight, state["conv1.3.weight"])
    assert "Set model.stem=beta" in refusal(torchvision_model(), state)


def test_a_stem_of_three_convolutions_takes_over_the_normalisation_of_its_weights() -> None:
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8).eval()
    nn.init.normal_(norm.running_mean)
    state = {"conv1.0.weight": conv.weight.detach().clone(), "conv1.1.running_mean": norm.running_mean.clone()}
    state |= {"conv1.3.weight": torch.zeros(8, 8, 3, 3), "conv1.6.weight": torch.zeros(16, 8, 3, 3)}
    own = from_resnet(state)
    rgb = torch.rand(2, 3, 33, 33)
    with torch.inference_mode():
        theirs = norm(conv(transforms.normalize(rgb, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))))
    conv.load_state_dict({"weight": own["stem.0.0.weight"]})
    norm.running_mean.copy_(own["stem.0.1.running_mean"])
    with torch.inference_mode():
        ours = norm(conv(rgb * 2 - 1))
    torch.testing.assert_close(ours[:, :, 1:-1, 1:-1], theirs[:, :, 1:-1, 1:-1], rtol=1e-4, atol=1e-4)


SMALL = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.safetensors", lambda p: save_file(SMALL, p)),
        ("a.pth", lambda p: torch.save(SMALL, p)),
        ("a.pt", lambda p: torch.save({"epoch": 3, "state_dict": SMALL}, p)),
        ("a.bin", lambda p: torch.save({"model": {f"module.{k}": v for k, v in SMALL.items()}}, p)),
        ("old.pth", lambda p: torch.save(SMALL, p, _use_new_zipfile_serialization=False)),
    ],
)
def test_read(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    state = read(tmp_path / name)
    assert set(state) == set(SMALL)
    assert all(torch.equal(state[k], v) for k, v in SMALL.items())


def cut(path: Path, write: Callable[[Path], None]) -> None:
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("name", "write", "told"),
    [
        ("a.safetensors", lambda p: cut(p, lambda q: save_file(SMALL, q)), "not readable as weights"),
        ("a.pth", lambda p: cut(p, lambda q: torch.save(SMALL, q)), "not readable as weights"),
        ("a.pth", lambda p: p.write_text("not found\n"), "damaged, or holds more than tensors"),
        ("a.pth", lambda p: p.write_bytes(b""), "not readable as weights"),
        ("a.pth", lambda p: torch.save(nn.Linear(2, 2), p), "damaged, or holds more than tensors"),
        ("a.pth", lambda p: torch.save({"epoch": 3}, p), "no state dict"),
        ("a.pth", lambda _p: None, "no such file"),
    ],
)
def test_unreadable(tmp_path: Path, name: str, write: Callable[[Path], None], told: str) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_with_code_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return exec, (f"open({str(tmp_path / 'sprung')!r}, 'w')",)

    torch.save({"weight": Trap()}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="more than tensors"):
        read(tmp_path / "a.pth")
    assert not (tmp_path / "sprung").exists()


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1 << 20)}, tmp_path / "a.pth")
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as whole,
        zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for member in whole.infolist():
            packed.writestr(member.filename, whole.read(member))
    assert read(tmp_path / "a.pth")["weight"].shape == (1 << 20,)
    assert (tmp_path / "b.pth").stat().st_size < (1 << 22) / 100
    with pytest.raises(InputError, match=r"b\.pth: packed in a way that torch\.save does not\. Save the tensors again"):
        read(tmp_path / "b.pth")


def test_find(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weights for resnet101 here; put one file named resnet101\*"):
        find(tmp_path, "resnet101")
    file = tmp_path / "resnet101-63fe2227.pth"
    file.touch()
    (tmp_path / "resnet50-1.pth").touch()
    (tmp_path / "resnet101.txt").touch()
    assert find(tmp_path, "resnet101") == file
    assert find(file, "resnet101") == file
    (tmp_path / "resnet101.safetensors").touch()
    with pytest.raises(InputError, match=r"several files .*\(resnet101-63fe2227.pth, resnet101.safetensors\)"):
        find(tmp_path, "resnet101")
    with pytest.raises(InputError, match="no such file or folder"):
        find(tmp_path / "absent", "resnet101")


def test_one_folder_may_hold_the_weights_of_both_stems(tmp_path: Path) -> None:
    seven, three = tmp_path / "resnet101-63fe2227.pth", tmp_path / "resnet101s-60fe0cc1.pth"
    seven.touch()
    assert find(tmp_path, "resnet101s") == seven  # what it holds decides
    three.touch()
    assert find(tmp_path, "resnet101s") == three
    assert find(tmp_path, "resnet101") == seven
    seven.unlink()
    assert find(tmp_path, "resnet101") == three
    (tmp_path / "resnet101s.safetensors").touch()
    with pytest.raises(InputError, match=r"several files for resnet101s .*leave one of them there"):
        find(tmp_path, "resnet101s")


def test_timms_resnet_with_the_papers_stem_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only the names: the same maps of block 4, where the stride is in the units in which timm has it."""
    # padding at the border stands for grey here and for the mean colour there
    monkeypatch.setattr(resnet, "_for_plain_input", lambda state: state)
    torch.manual_seed(0)
    theirs = timm.create_model("resnet50s", pretrained=False).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.weight, 0.5, 1.0)
    network = build(Model(backbone="resnet50", stride_at="first_unit", last_block=4), 3, 32).eval()
    load_backbone(network, theirs.state_dict(), "resnet50s.pth")
    x = torch.randn(1, 3, 65, 65)
    with torch.inference_mode():
        torch.testing.assert_close(network.backbone(x).high, theirs.forward_features(x), rtol=1e-3, atol=1e-4)


def damaged(value: Tensor) -> dict[str, Tensor | None]:
    """What a tensor of a broken file may be instead."""
    return {
        "gone": None,
        "scalar": torch.zeros(()),
        "short": torch.zeros(5),
        "flat": torch.zeros(5, 3),
        "integers": torch.zeros(value.shape, dtype=torch.int32, device=value.device),
    }


@pytest.mark.parametrize("network", ["beta", "conv7", "vgg16", "xception65"])
def test_a_damaged_tensor_is_named_never_a_raw_error(network: str) -> None:
    makes = {"beta": "resnet50s", "conv7": "resnet50", "vgg16": "vgg16", "xception65": "xception65"}
    told = {
        "beta": Model(backbone="resnet50"),
        "conv7": torchvision_model(),
        "vgg16": Model(backbone="vgg16", head="fc", fc_kernel=3, fc_channels=1024, atrous_rates=(12,)),
        "xception65": Model(backbone="xception65"),
    }
    with torch.device("meta"):
        state = dict(timm.create_model(makes[network]).state_dict())
        backbone = build_backbone(told[network], 8 if network == "vgg16" else 16)
    first = {k: torch.zeros(v.shape) for k, v in state.items() if k.startswith(("conv1.", "bn1.", "stem."))}
    state |= first
    fitting(backbone, state, "a.pth")
    known = ("layer1.0.", "features.0.", "pre_logits.", "blocks.0.")
    names = [*first, *(name for name in state if name.startswith(known))]
    for name in random.Random(network).sample(names, min(8, len(names))):
        for value in damaged(state[name]).values():
            harmed = {k: v for k, v in {**state, name: value}.items() if v is not None}
            if name.endswith("num_batches_tracked") and (value is None or value.shape == state[name].shape):
                fitting(backbone, harmed, "a.pth")  # a counter that nothing reads
                continue
            with pytest.raises(InputError, match=r"^a\.pth: "):
                fitting(backbone, harmed, "a.pth")
