"""Which precision a wish means, and what stays float32 in it."""

import pytest
import torch

from repro.nets.precision import autocast, precision
from repro.nets.resize import resize

CPU = torch.device("cpu")


def test_a_wish_is_followed():
    assert precision(CPU, "float32") == "float32"
    assert precision(CPU, "bfloat16") == "bfloat16"


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_asks_the_processor(monkeypatch, supported, expected):
    from repro.nets import precision as module

    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported)
    module._fast.cache_clear()
    try:
        assert precision(CPU, "auto") == expected
    finally:
        module._fast.cache_clear()


def test_convolutions_follow_and_resizing_keeps_its_own():
    conv, x = torch.nn.Conv2d(1, 1, 1), torch.rand(1, 1, 5, 5)
    with autocast(CPU, "bfloat16"):
        assert conv(x).dtype == torch.bfloat16
        assert torch.equal(resize(x, (9, 9)), resize(x.clone(), (9, 9)))
        assert resize(x, (9, 9)).dtype == torch.float32
    with autocast(CPU, "float32"):
        assert conv(x).dtype == torch.float32
