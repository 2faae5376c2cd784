"""What `repro check-network` finds: nothing in a sound network, and each fault by the check that is for it."""

import pytest
from own_networks import write_module

from repro.nets.conformance import conformance
from repro.spec.protocol import Model


@pytest.fixture
def failed(tmp_path, monkeypatch):
    """Function of the module of networks -> first word of each check that it fails -> what was seen."""
    monkeypatch.syspath_prepend(tmp_path)
    name = write_module(tmp_path)

    def of(function):
        checks = conformance(Model(implementation=f"{name}:{function}"), 5, (16, 8))
        return {check.name.split()[0]: check.what for check in checks if not check.passed}

    return of


@pytest.mark.parametrize("function", ["build", "mapping", "pair"])
def test_a_sound_network_passes(failed, function):
    assert failed(function) == {}


@pytest.mark.parametrize(
    ("function", "check", "words"),
    [
        ("square_only", "images", "AssertionError: square images only"),
        ("over_the_batch", "an", "computes over the batch"),
        ("numpys_numbers", "equal", "torch's own generator"),
        ("unused", "every", "none for 2 parameters, as aux.weight"),
        ("other_names", "weights", "between 16 and 8, as body.at"),
        ("refuses", "answers", "ValueError: no stride 16"),
        ("infinite", "answers", "not all of them finite"),
    ],
)
def test_each_fault_is_seen_by_its_check(failed, function, check, words):
    found = failed(function)
    assert words in found.pop(check)
    assert not found or function == "infinite"


def test_what_is_infinite_in_training_has_no_gradients_either(failed):
    found = failed("infinite_in_training")
    assert list(found) == ["training", "every"]
    assert found["training"] == "logits are not finite in training"
