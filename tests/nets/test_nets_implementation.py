"""Networks of one's own: built as asked, whatever form their answer has, and refused with one clear sentence."""

import pytest
import torch
from own_networks import write_module

from repro.errors import InputError
from repro.nets.cost import cost
from repro.nets.count import count
from repro.nets.implementation import build_own
from repro.plan.own_cost import SIDES, at_size
from repro.spec.protocol import Model


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Function of the module of networks -> the model that it makes."""
    monkeypatch.syspath_prepend(tmp_path)
    name = write_module(tmp_path)
    return lambda function="build", **settings: Model(implementation=f"{name}:{function}", **settings)


@pytest.mark.parametrize("form", ["build", "mapping", "pair"])
def test_logits_are_those_of_the_network_in_every_form(model, form):
    network = build_own(model(form), 5, 8).eval()
    images = torch.randn(2, 3, 33, 17, generator=torch.Generator().manual_seed(0))
    own = network.network
    with torch.inference_mode():
        assert torch.equal(network(images), own.classifier(own.body(images)))
    assert network(images).shape == (2, 5, 5, 3)


def test_settings_that_are_taken_are_given_and_no_others(model):
    network = build_own(model("settings", multi_grid=(1, 2, 4), width=16, stem_width=8), 7, 16)
    assert network.network.given == (7, 16, (1, 2, 4), 16, 3)


def test_a_seed_decides_the_weights_and_leaves_other_random_numbers_alone(model):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, again, other = (build_own(model(), 5, 8, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.rand(1), expected)
    key = "network.classifier.weight"
    assert torch.equal(first[key], again[key])
    assert not torch.equal(first[key], other[key])


def test_what_it_costs_is_counted_by_hand(model):
    found = count(model(), 5, 8, SIDES)
    pixels = [((side - 1) // 8 + 1) ** 2 for side in SIDES]
    assert found["multiply_adds"] == [n * (3 * 9 * 4 + 4 * 5) for n in pixels]
    assert found["parameters"] == 3 * 9 * 4 + 8 + 4 * 5 + 5
    # the image, what batch normalisation reads with its two statistics of a batch of two, what ReLU hands on
    assert found["kept"] == [3 * side**2 + n * (4 + 4) + 2 * 4 / 2 for side, n in zip(SIDES, pixels, strict=True)]
    assert at_size(found["multiply_adds"], 513, 513) == pytest.approx(65**2 * (3 * 9 * 4 + 4 * 5))
    assert found["weights"] == count(model(), 5, 16, SIDES)["weights"]
    assert found["weights"] != count(model(), 6, 8, SIDES)["weights"]


def test_computed_cells_count_it_as_other_networks(model):
    found = cost(model(), 21, 16, (65, 97), (1.0,), flip=True)
    assert found.plain_multiply_adds == 2 * 5 * 7 * (3 * 9 * 4 + 4 * 21)
    assert found.field_of_view is None


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("refuses", "called with output_stride=8, classes=5 failed: ValueError: no stride 8"),
        ("number", "returned int; a torch.nn.Module is needed"),
        ("overwritten", "is a int, not a function"),
        ("one_class_more", r"gave shape \(1, 6, 9, 9\) .* logits \(N, 5, h, w\) are needed"),
        ("flat", r"gave shape \(1, 12675\)"),
        ("loss_only", "gave no tensor"),
        ("infinite", "gave logits that are not finite"),
        ("broken", "failed on an image of 65 x 65: AttributeError"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(model, function, words):
    with pytest.raises(InputError, match=words) as error:
        count(model(function), 5, 8, SIDES)
    assert "\n" not in str(error.value)


def test_a_module_that_cannot_be_imported_is_told(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    name = write_module(tmp_path, "import no_such_module")
    with pytest.raises(InputError, match="cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"):
        build_own(Model(implementation=f"{name}:build"), 5, 8)
