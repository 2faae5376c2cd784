"""Weights as other libraries save them: what fits is loaded, everything else is called what it is."""

from __future__ import annotations

import os
import random
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

from repro.errors import InputError
from repro.nets import foreign
from repro.nets.deeplab import build
from repro.nets.registry import build_backbone
from repro.nets.state_dicts import read
from repro.nets.weight_files import find, stride_at
from repro.nets.weights import check_file, fitting, load_backbone
from repro.spec.protocol import Model

State = dict[str, Tensor]


def on_meta(make: Callable[[], nn.Module]) -> State:
    with torch.device("meta"):
        return dict(make().state_dict())


def named(*names: str) -> State:
    return {name: torch.zeros(1) for name in names}


def timms(name: str) -> State:
    return on_meta(lambda: timm.create_model(name))


def torchvision_segmentation(name: str) -> State:
    make = getattr(models.segmentation, name)
    return on_meta(lambda: make(weights=None, weights_backbone=None, num_classes=21))


SEGMENTATION = {
    "torchvision's deeplabv3_resnet50": lambda: torchvision_segmentation("deeplabv3_resnet50"),
    "torchvision's deeplabv3_resnet101": lambda: torchvision_segmentation("deeplabv3_resnet101"),
    "torchvision's deeplabv3_mobilenet_v3_large": lambda: torchvision_segmentation("deeplabv3_mobilenet_v3_large"),
    "torchvision's fcn_resnet50": lambda: torchvision_segmentation("fcn_resnet50"),
    "torchvision's lraspp_mobilenet_v3_large": lambda: torchvision_segmentation("lraspp_mobilenet_v3_large"),
    "a network of segmentation_models_pytorch": lambda: on_meta(
        lambda: smp.DeepLabV3Plus("resnet50", encoder_weights=None, classes=21)
    ),
    # of mmsegmentation, the released TensorFlow code and ports only the names are here
    "a segmentation network of mmsegmentation": lambda: named(
        "backbone.stem.0.weight", "backbone.layer1.0.conv1.weight", "decode_head.conv_seg.weight",
        "decode_head.aspp_modules.0.conv.weight", "auxiliary_head.conv_seg.weight",
    ),
    "a segmentation network of detectron2": lambda: named("backbone.res2.0.conv1.weight", "sem_seg_head.x.weight"),
    "the DeepLabV3+ of pytorch-deeplab-xception (jfzhang95)": lambda: named(
        "backbone.layer1.0.conv1.weight", "aspp.aspp1.atrous_conv.weight", "decoder.conv1.weight"
    ),
    "a DeepLabV3 or V3+ of DeepLabV3Plus-Pytorch (VainF)": lambda: named(
        "backbone.layer1.0.conv1.weight", "classifier.aspp.convs.0.0.weight", "classifier.classifier.3.weight"
    ),
    "a released TensorFlow checkpoint of the papers' authors, trained for segmentation": lambda: named(
        "xception_65/entry_flow/conv1_1/weights", "aspp0/weights", "decoder/feature_projection0/weights",
        "logits/semantic/weights",
    ),
    "a network of this suite's own, trained for segmentation": lambda: dict(
        build(Model(backbone="resnet50", width=4, stem_width=4), 3, 16).state_dict()
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SEGMENTATION)
def test_segmentation_networks_are_called_what_they_are(what: str) -> None:
    state = SEGMENTATION[what]()
    assert foreign.what(state) == what
    assert foreign.segmentation(state)
    with torch.device("meta"):
        backbone = build_backbone(Model(backbone="resnet50"), 16)
    with pytest.raises(
        InputError, match=re.escape(f"a.pth: these are {what}; this backbone takes the ImageNet weights")
    ):
        fitting(backbone, state, "a.pth")


@pytest.mark.parametrize(
    ("what", "state"),
    [
        ("weights of a MobileNetV2", lambda: on_meta(models.mobilenet_v2)),
        ("weights of a MobileNetV3 or EfficientNet of torchvision", lambda: on_meta(models.efficientnet_b0)),
        ("weights of a MobileNet or EfficientNet of timm", lambda: timms("mobilenetv2_100")),
        ("weights of a DenseNet", lambda: on_meta(models.densenet121)),
        ("weights of a ConvNeXt", lambda: on_meta(models.convnext_tiny)),
        ("weights of a vision transformer", lambda: on_meta(models.vit_b_16)),
        ("weights of a VGG", lambda: on_meta(models.vgg16)),
        ("weights of an Xception", lambda: timms("xception65")),
        ("weights of a ResNet in detectron2's names", lambda: named("res2.0.conv1.weight", "stem.conv1.weight")),
        ("a released TensorFlow checkpoint of ImageNet weights", lambda: named("resnet_v1_101/block1/unit_1/x")),
        ("a first training of this suite's own", lambda: named("backbone.stem.0.0.weight", "classifier.weight")),
        ("weights of no network known here", lambda: named("x")),
    ],
)  # fmt: skip
def test_classifiers_are_called_what_they_are(what: str, state: Callable[[], State]) -> None:
    found = state()
    assert foreign.what(found) == what
    assert not foreign.segmentation(found)


@pytest.mark.parametrize(
    ("told", "make"),
    [
        ("two convolutions (ResNet-18 or 34)", models.resnet34),
        ("ResNeXt", models.resnext50_32x4d),
        ("a Wide ResNet", models.wide_resnet50_2),
        ("ResNet-D: average pooling", lambda: timm.create_model("resnet50d")),
        ("attention between its convolutions", lambda: timm.create_model("seresnet50")),
        ("stem has 32, 32, 64 filters", lambda: timm.create_model("resnet50c")),
        ("(3, 8, 36, 3) units", models.resnet152),
    ],
)
def test_other_kinds_of_resnets_are_told_by_their_shapes(told: str, make: Callable[[], nn.Module]) -> None:
    state = on_meta(make)
    own = {} if "stem has" in told or "ResNet-D" in told else {"stem": "conv7", "stride_at": "first_unit"}
    with torch.device("meta"):
        backbone = build_backbone(Model(backbone="resnet50", **own), 16)
    with pytest.raises(InputError, match=re.escape(told)):
        fitting(backbone, state, "a.pth")


DEEP = {  # names of the three convolutions and of their normalisations
    "timm, PyTorch-Encoding": ("conv1.0", "conv1.1", "conv1.3", "conv1.4", "conv1.6", "bn1"),
    "mmsegmentation's ResNetV1c": ("stem.0", "stem.1", "stem.3", "stem.4", "stem.6", "stem.7"),
    "semantic-segmentation-pytorch": ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"),
}


@pytest.mark.parametrize("library", DEEP)
def test_a_stem_of_three_convolutions_under_any_name_is_the_papers(library: str) -> None:
    """The same network as timm's resnet50s, whatever its stem is called; never "one 7x7 convolution"."""
    torch.manual_seed(0)
    state = dict(timm.create_model("resnet50s", pretrained=False).state_dict())
    timms = DEEP["timm, PyTorch-Encoding"]

    def renamed(key: str) -> str:
        for old, new in zip(timms, DEEP[library], strict=True):
            if key.startswith(f"{old}."):
                return f"{new}.{key.removeprefix(f'{old}.')}"
        return key

    backbone = build_backbone(Model(backbone="resnet50"), 16)
    expected = fitting(backbone, state, "a.pth")
    found = fitting(backbone, {renamed(key): value for key, value in state.items()}, "a.pth")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_stem_of_two_convolutions_or_of_5x5_is_neither() -> None:
    state = on_meta(models.resnet50)
    state["conv1.weight"] = torch.zeros(64, 3, 5, 5)
    with torch.device("meta"):
        backbone = build_backbone(Model(backbone="resnet50"), 16)
    with pytest.raises(InputError, match="stem is 5x5, neither one 7x7 convolution nor three 3x3"):
        fitting(backbone, state, "a.pth")
    del state["conv1.weight"]
    with pytest.raises(InputError, match="stem is not to be recognised"):
        fitting(backbone, state, "a.pth")


SMALL = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}


@pytest.mark.parametrize(
    "wrapped",
    [
        {"state_dict": SMALL}, {"model_state_dict": SMALL}, {"model_state": SMALL}, {"model": SMALL}, {"net": SMALL},
        {"epoch": 3, "optimizer": {"state": {}}, "model": {"state_dict": SMALL}},
        *({f"{prefix}{name}": value for name, value in SMALL.items()}
          for prefix in ("module.", "model.", "encoder.", "net.", "backbone.", "module.model.encoder.", "_orig_mod.")),
    ],
)  # fmt: skip
def test_what_networks_are_wrapped_in_is_taken_off(tmp_path: Path, wrapped: object) -> None:
    torch.save(wrapped, tmp_path / "a.pth")
    state = read(tmp_path / "a.pth")
    assert set(state) == set(SMALL)
    assert all(torch.equal(state[name], value) for name, value in SMALL.items())


def test_a_classifier_of_mmpretrain_is_a_resnet(tmp_path: Path) -> None:
    """Its backbone is wrapped, its last layer is not."""
    torch.manual_seed(0)
    own = dict(models.resnet50().state_dict())
    theirs = {f"head.{k}" if k.startswith("fc.") else f"backbone.{k}": v for k, v in own.items()}
    torch.save({"meta": {"epoch": 100}, "state_dict": theirs}, tmp_path / "a.pth")
    network = build(Model(backbone="resnet50", stem="conv7", stride_at="first_unit"), 3, 16)
    load_backbone(network, read(tmp_path / "a.pth"), "a.pth")
    assert torch.equal(network.backbone.blocks["block4"][2].conv3[0].weight, own["layer4.2.conv3.weight"])


# ---- VGG-16's fc6 and fc7 ----


@pytest.fixture(scope="module")
def vgg() -> State:
    """torchvision's VGG-16 in its names, a quarter as wide so that it takes no half gigabyte."""
    torch.manual_seed(0)
    shapes = on_meta(models.vgg16)
    narrow: State = {}
    for name, value in shapes.items():
        if name.startswith("features"):
            sides = [max(1, side // 16) if k < 2 and side > 3 else side for k, side in enumerate(value.shape)]
            narrow[name] = torch.rand(sides)
    narrow |= {"classifier.0.weight": torch.rand(48, 32 * 49), "classifier.0.bias": torch.rand(48)}
    return narrow | {"classifier.3.weight": torch.rand(48, 48), "classifier.3.bias": torch.rand(48)}


def largefov(kernel: int = 3, channels: int = 12) -> nn.Module:
    told = {"backbone": "vgg16", "head": "fc", "width": 4, "fc_kernel": kernel, "fc_channels": channels}
    return build_backbone(Model.model_validate({**told, "atrous_rates": [12]}), 8)


def as_convolutions(state: State, first: str = "classifier.0", second: str = "classifier.3") -> State:
    out = {k: v for k, v in state.items() if not k.startswith("classifier")}
    out[f"{first}.weight"] = state["classifier.0.weight"].reshape(48, 32, 7, 7)
    out[f"{second}.weight"] = state["classifier.3.weight"][:, :, None, None]
    return out | {f"{first}.bias": state["classifier.0.bias"], f"{second}.bias": state["classifier.3.bias"]}


@pytest.mark.parametrize(
    "names", [("classifier.0", "classifier.3"), ("pre_logits.fc1", "pre_logits.fc2"), ("fc6", "fc7")]
)
@pytest.mark.parametrize("kernel", [3, 4, 7])
def test_fc6_as_a_convolution_of_7x7_is_the_matrix(vgg: State, names: tuple[str, str], kernel: int) -> None:
    backbone = largefov(kernel)
    expected = fitting(backbone, vgg, "a.pth")
    found = fitting(backbone, as_convolutions(vgg, *names), "a.pth")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_fc6_as_a_convolution_of_3x3_is_kept_as_it_is(vgg: State) -> None:
    """As the released DeepLab-LargeFOV has it: 1024 x 512 x 3 x 3."""
    state = as_convolutions(vgg)
    state["classifier.0.weight"] = small = torch.rand(12, 32, 3, 3)
    state["classifier.0.bias"] = torch.rand(12)
    state["classifier.3.weight"] = torch.rand(12, 12, 1, 1)
    state["classifier.3.bias"] = torch.rand(12)
    found = fitting(largefov(3, 12), state, "a.pth")
    assert torch.equal(found["branches.0.fc6.0.weight"], small)
    assert torch.equal(found["branches.0.fc7.0.weight"], state["classifier.3.weight"])
    for kernel, channels, told in (
        (4, 12, "fc6 (classifier.0) is a convolution of 3 x 3; model.fc_kernel=4 takes one of 4 x 4, or of 7 x 7"),
        (7, 12, "fc6 (classifier.0) is a convolution of 3 x 3; model.fc_kernel=7 takes"),
        (3, 16, "fc6 (classifier.0) has 12 filters, fewer than model.fc_channels=16"),
    ):
        with pytest.raises(InputError, match=re.escape(told)):
            fitting(largefov(kernel, channels), state, "a.pth")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"classifier.0.weight": torch.zeros(48, 100)}, "fc6 (classifier.0) is 48 x 100, neither a square convolution"),
        ({"classifier.0.weight": torch.zeros(48, 32, 7, 5)}, "fc6 (classifier.0) is 48 x 32 x 7 x 5, neither"),
        ({"classifier.0.weight": torch.zeros(48, 16 * 49)}, "have another shape ((12, 16, 3, 3) in the file"),
        ({"classifier.3.weight": torch.zeros(48, 40)}, "fc7 (classifier.3) is 48 x 40; 48 inputs"),
        ({"classifier.3.weight": torch.zeros(48, 48, 3, 3)}, "fc7 (classifier.3) is 48 x 48 x 3 x 3; 48 inputs"),
        ({"classifier.0.bias": None}, "classifier.0.bias is not in it"),
        ({"classifier.0.weight": None}, "fc6 and fc7 are not in it, and the network has them"),
        ({"features.28.weight": None}, "a VGG with 12 convolutions; the network has 13, as VGG-16"),
        ({"features.31.weight": torch.zeros(32, 32, 3, 3)}, "a VGG with 14 convolutions; the network has 13"),
    ],
)
def test_what_of_a_vgg_cannot_be_used_is_named(vgg: State, change: dict[str, Tensor | None], told: str) -> None:
    state = {k: v for k, v in {**vgg, **change}.items() if v is not None}
    with pytest.raises(InputError, match=re.escape(told)) as caught:
        fitting(largefov(), state, "a.pth")
    assert "\n" not in str(caught.value)


def test_a_vgg_without_fc6_serves_a_network_without_it(vgg: State) -> None:
    features = {k: v for k, v in vgg.items() if k.startswith("features")}
    backbone = build_backbone(Model(backbone="vgg16", width=4), 8)
    found = fitting(backbone, features, "a.pth")
    assert torch.equal(found["blocks.block5.2.0.weight"], features["features.28.weight"])


# ---- files ----


def test_a_pipe_or_a_device_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "resnet101.pth"
    os.mkfifo(pipe)
    for place in (pipe, tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError, match=r"no ordinary file\. Give the file of the weights for resnet101"):
            find(place, "resnet101")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/resnet101.pth").mkdir()
    with pytest.raises(InputError, match="no ordinary file"):
        find(tmp_path / "folder", "resnet101")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="no such file"):
        find(tmp_path / "loop", "resnet101")


def test_files_of_other_programs_are_called_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "resnet101.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"put one file named .* into it\. resnet101\.npz is a NumPy archive"):
        find(tmp_path, "resnet101")
    for name, told in (
        ("resnet101.npz", "a NumPy archive"),
        ("model.ckpt.data-00000-of-00001", "a part of a TensorFlow checkpoint"),
        ("model.h5", "a file of Keras"),
    ):
        (tmp_path / name).write_bytes(b"PK")
        with pytest.raises(InputError, match=rf"it is {told}"):
            read(tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False])
def test_no_damage_of_a_file_ends_in_anything_but_one_line(tmp_path: Path, zipped: bool) -> None:
    """torch.load itself raises IndexError, KeyError, struct.error, UnicodeDecodeError and others."""
    path, draw = tmp_path / "a.pth", random.Random(0)
    torch.save(SMALL, path, _use_new_zipfile_serialization=zipped)
    whole, told = path.read_bytes(), []
    for _ in range(150):
        harmed = bytearray(whole)
        for _ in range(draw.choice((1, 1, 3))):
            harmed[draw.randrange(len(harmed))] = draw.randrange(256)
        path.write_bytes(bytes(harmed[: draw.randrange(len(harmed))] if draw.random() < 0.2 else harmed))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                read(path)
            except InputError as error:
                told.append(str(error))
    assert len(told) > 40
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in told)


@pytest.mark.parametrize(
    ("value", "told"),
    [(float("nan"), "holds NaN or infinite numbers"), (float("inf"), "holds NaN or infinite numbers")],
)
def test_numbers_that_are_none_are_refused(tmp_path: Path, value: float, told: str) -> None:
    save_file({"a": torch.ones(3), "b": torch.tensor([1.0, value])}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=f"b {told}"):
        read(tmp_path / "a.safetensors")


def test_a_file_is_tried_on_every_network_that_starts_from_it(tmp_path: Path) -> None:
    path = tmp_path / "resnet50.safetensors"
    torch.manual_seed(0)
    save_file(dict(models.resnet50().state_dict()), path)
    fits = Model(backbone="resnet50", stem="conv7", last_block=6)
    check_file(path, [(fits, 16), (fits.model_copy(update={"multi_grid": (1, 2, 4)}), 8)])
    with pytest.raises(InputError, match=re.escape(f"{path}: this ResNet's stem is one 7x7")):
        check_file(path, [(fits, 16), (Model(backbone="resnet50"), 16)])
    with pytest.raises(InputError, match=r"train\.output_stride: output_stride 256 needs more blocks"):
        check_file(path, [(fits.model_copy(update={"last_block": 4}), 256)])


def told_by(path: Path, metadata: dict[str, str] | None) -> Path:
    save_file(SMALL, path, metadata=metadata)
    return path


def test_a_file_may_say_where_its_network_had_its_strides(tmp_path: Path) -> None:
    path = tmp_path / "resnet101s.safetensors"
    assert stride_at(told_by(path, None)) == "first_unit"
    assert stride_at(told_by(path, {"stride_at": "last_unit"})) == "last_unit"
    with pytest.raises(InputError, match=r"metadata: stride_at: 'last' is none of .* Did you mean 'last_unit'"):
        stride_at(told_by(path, {"stride_at": "last"}))
    torch.save(SMALL, tmp_path / "a.pth")
    assert stride_at(tmp_path / "a.pth") == "first_unit"
    path.write_bytes(b"\xff" * 40)
    assert stride_at(path) == "first_unit"  # reading its tensors will refuse it
