"""bfloat16 is trusted where it is right: the networks' own shapes, and a planted fault that is found."""

import functools

import pytest
import torch
from faulty_kernel import faulty, taps_without_pixels
from torch import nn
from torch.nn import functional

from repro.data.scenes import load
from repro.errors import InputError
from repro.nets import precision as numbers
from repro.nets import trust
from repro.nets.deeplab import build
from repro.nets.layers import SameConv2d, SeparableConvBN
from repro.nets.presence import PresenceNet
from repro.plan.chain import backbone_only
from repro.spec.load import load_suite
from repro.spec.protocol import Data, Train
from repro.spec.resolve import resolve
from repro.train.context import Hooks, TrainingContext
from repro.train.loop import fit

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def afresh(monkeypatch):
    monkeypatch.setattr(trust, "_known", {})


def one_of(module, *size):
    (found,) = trust.convolutions(nn.Sequential(module), size)
    return found


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (2, 2), (3, 1), (5, 5)])
@pytest.mark.parametrize(("channels", "groups"), [(8, 1), (8, 8), (64, 1), (128, 128)])
def test_strided_convolutions_on_narrow_maps_are_right_each_time(size, channels, groups):
    """16 maps, a stride of 2, bfloat16: oneDNN's own 3x3 on a map one pixel wide leaves six taps unwritten."""
    conv = SameConv2d(channels, channels, 3, stride=2, groups=groups, bias=False)
    x = torch.randn(16, channels, *size).contiguous(memory_format=torch.channels_last)
    (one,) = trust.convolutions(nn.Sequential(nn.Conv2d(3, channels, 1), conv), (16, *size))[1:]
    assert one.size == (16, *size)
    assert trust.fault(one) == ""
    first = None
    for time in range(12):
        trust._litter({x.numel(), conv.weight.numel()}, trust.LITTER[time % 2])
        conv.weight.grad, given = None, x.clone(memory_format=torch.preserve_format).requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = conv(given)
        out.float().sum().backward()
        found = [out, given.grad, conv.weight.grad]
        first = first or found
        assert all(map(torch.equal, found, first))
        rows, columns = taps_without_pixels(size, (3, 3), (2, 2), (1, 1), (1, 1))
        assert not conv.weight.grad[:, :, rows].any()
        assert not conv.weight.grad[:, :, :, columns].any()


@pytest.mark.parametrize("garbage", [float("nan"), 3e38, 0.01])
@pytest.mark.parametrize("groups", [1, 8])
def test_a_kernel_that_leaves_memory_as_it_was_is_found_and_ours_never_asks_it_to(monkeypatch, garbage, groups):
    plain = nn.Conv2d(8, 8, 3, 2, 1, groups=groups, bias=False)
    ours = SameConv2d(8, 8, 3, stride=2, groups=groups, bias=False)
    first = nn.Conv2d(3, 8, 1)
    shapes = [trust.convolutions(nn.Sequential(first, conv), (16, 2, 1))[1] for conv in (plain, ours)]
    assert [trust.fault(one) for one in shapes] == ["", ""]
    monkeypatch.setattr(trust, "_known", {})
    monkeypatch.setattr(functional, "conv2d", faulty(garbage))
    assert trust.fault(shapes[0]).startswith("gradient of the weight is")
    assert trust.fault(shapes[1]) == ""
    assert trust.fault(shapes[0], learning=False) == ""  # its map is right


def test_memory_that_differs_from_call_to_call_is_found(monkeypatch):
    calls = iter(range(99))
    one = one_of(nn.Conv2d(3, 4, 3, padding=1), 2, 5, 5)
    sound = functional.conv2d
    monkeypatch.setattr(functional, "conv2d", lambda *told: sound(*told) * (1 + 0.01 * (next(calls) > 2)))
    assert "differs from call to call" in trust.fault(one, learning=False)


class Plain(nn.Module):
    def __init__(self, outputs=8):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.conv = nn.Conv2d(8, outputs, 3, 2, 1)

    def forward(self, x):
        return self.conv(self.first(x))


def test_a_processor_that_fails_computes_in_float32_and_says_so(monkeypatch):
    monkeypatch.setattr(numbers, "_fast", lambda _kind: True)
    told, sizes = [], [(16, 1, 1)]
    trusted = functools.partial(trust.trusted, Plain(), CPU, sizes=sizes, warn=told.append)
    assert trusted("auto", learning=True) == "bfloat16"
    monkeypatch.setattr(trust, "_known", {})
    monkeypatch.setattr(functional, "conv2d", faulty(float("nan")))
    assert trusted("auto", learning=True) == "float32"
    assert len(told) == 1
    assert told[0].startswith("bfloat16 is wrong on this processor (Conv2d(8, 8, kernel_size=(3, 3), stride=(2, 2)")
    assert "gradient of the weight is not finite" in told[0]
    assert told[0].endswith("computing in float32 instead")
    assert trusted("auto", learning=False) == "bfloat16"
    assert trusted("float32", learning=True) == "float32"
    with pytest.raises(InputError, match=r"precision bfloat16: bfloat16 is wrong .*choose float32"):
        trusted("bfloat16", learning=True)


def test_a_training_on_a_processor_that_fails_is_the_one_in_float32(monkeypatch):
    """The whole way: a network with torch's own strided convolution, on maps of one pixel, in unwritten memory."""
    monkeypatch.setattr(numbers, "_fast", lambda _kind: True)
    train = Train(crop=2, batch_size=4, iterations=3, lr=0.01, scales=(1.0,))
    images = load(Data(name="scenes", classes=9, side=9, train_images=4), "train")
    monkeypatch.setattr(functional, "conv2d", faulty(3e38))

    def trained(settings, told):
        torch.manual_seed(0)
        network = Plain(outputs=9)
        curve, layouts = fit(network, images, TrainingContext(settings, 0, CPU, Hooks(warn=told.append)))
        return curve.loss, [one.precision for one in layouts], [p.detach().clone() for p in network.parameters()]

    told = []
    loss, precisions, weights = trained(train, told)
    exact, _, expected = trained(train.model_copy(update={"precision": "float32"}), told)
    assert precisions == ["float32"]
    assert [text.partition(" (")[0] for text in told] == ["bfloat16 is wrong on this processor"]
    assert loss == exact
    assert all(map(torch.equal, weights, expected))
    with pytest.raises(InputError, match="choose float32"):
        trained(train.model_copy(update={"precision": "bfloat16"}), told)


def test_looking_at_a_network_leaves_it_as_it_was():
    network = nn.Sequential(SeparableConvBN(3, 4), nn.BatchNorm2d(4).eval())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = trust.convolutions(network, (2, 9, 7))
    assert [one.size for one in found] == [(2, 9, 7), (2, 9, 7)]
    assert [module.training for module in network] == [True, False]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def _trained(tables, scales):
    """(network, classes, images, crop) of every different training, first ones included."""
    suite, seen = load_suite(None), set()
    for table in suite.tables.values():
        if tables and table.id not in tables:
            continue
        for cell in table.cells():
            for scale in scales if cell.kind == "measured" else ():
                protocol = resolve(suite, table, cell.settings, scale).protocol
                model, settings = protocol.model, protocol.train
                told = model, protocol.data.classes, settings.output_stride, settings.batch_size, settings.crop
                first = protocol.pretrain
                own = (backbone_only(model), told[1], first.output_stride, first.batch_size, first.crop)
                for task, what in (("segment", told), ("presence", own if settings.start == "presence" else None)):
                    if what is not None and (task, repr(what)) not in seen:
                        seen.add((task, repr(what)))
                        yield task, *what


def _network(task, model, classes, output_stride, device):
    with torch.device(device):
        return (
            PresenceNet(model, classes, output_stride) if task == "presence" else build(model, classes, output_stride)
        )


def _no_tap_without_pixels(monkeypatch, tables, scales):
    """Run every network on shapes alone and look at what reaches torch's convolution."""
    seen = set()

    def look(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        pairs = tuple(v if isinstance(v, tuple) else (v, v) for v in (stride, padding, dilation))
        told = tuple(x.shape[2:]), tuple(weight.shape[2:]), *pairs
        if told not in seen:
            seen.add(told)
            assert taps_without_pixels(*told) == [[], []], told
        return sound(x, weight, bias, stride, padding, dilation, groups)

    sound = functional.conv2d
    monkeypatch.setattr(functional, "conv2d", look)
    for task, model, classes, output_stride, _, crop in _trained(tables, scales):
        network = _network(task, model, classes, output_stride, "meta").eval()
        network(torch.empty(1, 3, crop, crop, device="meta"))
    return seen


def test_no_convolution_of_the_baselines_tables_has_taps_that_read_padding_only(monkeypatch):
    seen = _no_tap_without_pixels(monkeypatch, ("v3/table1", "v3/table3", "v2/table4", "v3/fig4"), ("smoke",))
    assert any(sides == (1, 1) and stride == (2, 2) for sides, _, stride, *_ in seen)


@pytest.mark.slow  # every table's networks, on shapes alone
def test_nor_has_any_other_at_any_scale(monkeypatch):
    assert len(_no_tap_without_pixels(monkeypatch, (), ("smoke", "tiny", "small", "paper"))) > 200


@pytest.mark.slow  # every convolution of every table, several times in bfloat16: minutes where that is emulated
@pytest.mark.parametrize("scale", ["smoke", "tiny", "small"])
def test_every_convolution_of_every_table_is_right_in_bfloat16(scale):
    found = {}
    for task, model, classes, output_stride, images, crop in _trained((), (scale,)):
        network = _network(task, model, classes, output_stride, "cpu")
        for one in trust.convolutions(network, (images, crop, crop)):
            # other work in between: the next network's own forward pass, other convolutions, litter
            found[one.description] = trust.fault(one)
    wrong = {words: why for words, why in found.items() if why}
    assert not wrong
    assert len(found) > 100
