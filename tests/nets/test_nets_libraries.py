"""Libraries' networks as implementations: each is the library's own, name by name, and fit for trainings here."""

from __future__ import annotations

import sys

import pytest
import torch
from torch.nn import functional
from torchvision.models import resnet, segmentation
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3

from repro.errors import InputError
from repro.nets import torchvision_networks
from repro.nets.conformance import conformance
from repro.nets.implementation import build_own
from repro.nets.layers import ImageNetInput
from repro.run.computed import published_values
from repro.spec.protocol import Model

NARROW = {"width": 8, "units": (1, 1, 1, 1), "head_channels": 8, "atrous_rates": (1, 2, 3)}
FUNCTIONS = ("torchvision_networks:deeplabv3", "smp_networks:deeplabv3", "smp_networks:deeplabv3plus")
EXTRA_CONVOLUTION = 256 * 256 * 9 + 2 * 256


def _shapes(network: torch.nn.Module, start: str = "") -> dict[str, torch.Size]:
    return {name.removeprefix(start): tensor.shape for name, tensor in network.state_dict().items()}


def _library(name: str):
    """What the library itself builds, on the meta device."""
    smp = pytest.importorskip("segmentation_models_pytorch")
    with torch.device("meta"):
        if name == "torchvision":
            return segmentation.deeplabv3_resnet101(weights=None, weights_backbone=None, num_classes=21)
        kind = smp.DeepLabV3Plus if "plus" in name else smp.DeepLabV3
        return kind("tu-resnet101", encoder_weights=None, classes=21, decoder_aspp_separable="separable" in name)


def test_torchvisions_network_has_its_names_and_shapes():
    with torch.device("meta"):
        own = torchvision_networks.deeplabv3(21, 8)
    assert _shapes(own, "network.") == _shapes(_library("torchvision"))


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_torchvisions_network_computes_what_its_own_modules_do(output_stride):
    torch.manual_seed(0)
    own = torchvision_networks.deeplabv3(5, output_stride, units=(1, 1, 1, 1), atrous_rates=(2, 4, 6)).eval()
    dilated = [False, output_stride == 8, output_stride < 32]
    backbone = resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1], replace_stride_with_dilation=dilated)
    rates = {8: (4, 8, 12), 16: (2, 4, 6), 32: (1, 2, 3)}[output_stride]
    theirs = DeepLabV3(IntermediateLayerGetter(backbone, {"layer4": "out"}), DeepLabHead(2048, 5, rates)).eval()
    theirs.load_state_dict(own.network.state_dict())
    images = torch.rand(1, 3, 65, 49) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(own(images)["out"], theirs(ImageNetInput()(images))["out"])


@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
def test_images_are_padded_for_smp_and_its_logits_cut_back(size):
    pytest.importorskip("segmentation_models_pytorch")
    from repro.nets import smp_networks

    own = smp_networks.deeplabv3plus(5, 16, **NARROW).eval()
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    down, right = (-side % 16 for side in size)
    with torch.inference_mode():
        whole = own.network(functional.pad(ImageNetInput()(images), (0, right, 0, down)))
        assert torch.equal(own(images), whole[:, :, : size[0], : size[1]])
    assert whole.shape[2:] == (size[0] + down, size[1] + right)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_conforms(function):
    if "smp" in function:
        pytest.importorskip("segmentation_models_pytorch")
    model = Model(implementation=f"repro.nets.{function}", **NARROW)
    checks = list(conformance(model, 5, (16, 8)))
    assert [check for check in checks if not check.passed] == []
    assert len(checks) == 7


@pytest.mark.parametrize(
    ("table", "row", "library", "more"),
    [
        ("implementations/deeplabv3", "torchvision", "torchvision", EXTRA_CONVOLUTION),
        ("implementations/deeplabv3", "segmentation_models_pytorch", "smp", EXTRA_CONVOLUTION),
        ("implementations/deeplabv3plus", "segmentation_models_pytorch", "smp plus separable", None),
        ("implementations/deeplabv3plus", "segmentation_models_pytorch, full ASPP", "smp plus", None),
    ],
)
def test_parameters_in_the_tables_are_those_of_the_librarys_own_object(suite, table, row, library, more):
    numbers = {
        cell.row_label: value * 1e6
        for cell in suite.find(table).cells()
        if cell.metric == "parameters" and cell.row_label in (row, "this suite, libraries' ResNet")
        for value in published_values(suite, [cell]).values()
    }
    assert numbers[row] == pytest.approx(sum(p.numel() for p in _library(library).parameters()), abs=1e-3)
    if more is not None:
        assert numbers[row] - numbers["this suite, libraries' ResNet"] == pytest.approx(more, abs=1e-3)


def test_a_library_that_is_not_installed_is_one_error_and_hinders_no_other_table(suite, monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    monkeypatch.delitem(sys.modules, "repro.nets.smp_networks", raising=False)
    with pytest.raises(InputError, match=r"segmentation_models_pytorch is not installed; `pip install repro\[impl"):
        build_own(Model(implementation="repro.nets.smp_networks:deeplabv3", **NARROW), 5, 16)
    assert not [table.id for table in suite.select(["all"]) if table.id.startswith("implementations/")]
    cells = [c for c in suite.find("implementations/deeplabv3").cells() if c.row_label.endswith("separable ASPP")]
    assert published_values(suite, cells) == {}


def test_an_output_stride_that_torchvision_lacks_is_refused():
    with pytest.raises(ValueError, match="8, 16 and 32, not 4"):
        torchvision_networks.deeplabv3(5, 4)
