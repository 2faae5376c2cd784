"""The CRF: what reaches pydensecrf, and what is said where a backend is missing."""

import sys
import types

import numpy as np
import pytest
import torch

from repro.errors import InputError
from repro.evaluate.crf import refine
from repro.spec.protocol import CRF

SETTINGS = CRF(w1=4, sigma_alpha=65, sigma_beta=3, w2=2, sigma_gamma=1.5, iterations=7, backend="pydensecrf")


class Recorder:
    """Stands in for pydensecrf's DenseCRF2D: keeps what it is given, returns a softmax of the unary terms."""

    calls: dict

    def __init__(self, width, height, classes):
        type(self).calls = {"size": (width, height, classes)}

    def setUnaryEnergy(self, unary):
        self.calls["unary"] = unary

    def addPairwiseGaussian(self, **told):
        self.calls["gaussian"] = told

    def addPairwiseBilateral(self, **told):
        self.calls["bilateral"] = told

    def inference(self, steps):
        self.calls["steps"] = steps
        probabilities = np.exp(-self.calls["unary"])
        return (probabilities / probabilities.sum(axis=0)).tolist()


@pytest.fixture
def _pydensecrf(monkeypatch):
    densecrf = types.SimpleNamespace(
        DenseCRF2D=Recorder, DIAG_KERNEL="diagonal", NORMALIZE_AFTER="after", NORMALIZE_SYMMETRIC="symmetric"
    )
    package = types.ModuleType("pydensecrf")
    package.densecrf = densecrf
    monkeypatch.setitem(sys.modules, "pydensecrf", package)
    monkeypatch.setitem(sys.modules, "pydensecrf.densecrf", densecrf)


def _sample():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 7, generator=generator)
    return logits.softmax(dim=0), torch.randint(0, 256, (5, 7, 3), generator=generator, dtype=torch.uint8)


@pytest.mark.usefixtures("_pydensecrf")
@pytest.mark.parametrize("normalization", ["after", "symmetric"])
def test_parameters_and_layout(normalization):
    probabilities, pixels = _sample()
    (found,) = refine([probabilities], [pixels], SETTINGS.model_copy(update={"normalization": normalization}))
    calls = Recorder.calls
    assert calls["size"] == (7, 5, 3)
    np.testing.assert_allclose(calls["unary"], -np.log(probabilities.reshape(3, -1).numpy()), rtol=1e-5)
    assert calls["unary"].dtype == np.float32
    assert calls["unary"].flags.c_contiguous
    kind = {"kernel": "diagonal", "normalization": normalization}
    assert calls["gaussian"] == {"sxy": 1.5, "compat": 2.0, **kind}
    photo = calls["bilateral"].pop("rgbim")
    assert np.array_equal(photo, pixels.numpy())
    assert calls["bilateral"] == {"sxy": 65.0, "srgb": 3.0, "compat": 4.0, **kind}
    assert calls["steps"] == 7
    torch.testing.assert_close(found, probabilities, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("_pydensecrf")
def test_an_impossible_label_has_finite_energy():
    probabilities = torch.zeros(2, 2, 2)
    probabilities[0] = 1.0
    refine([probabilities], [torch.zeros(2, 2, 3, dtype=torch.uint8)], SETTINGS)
    assert np.isfinite(Recorder.calls["unary"]).all()


def test_without_pydensecrf_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    with pytest.raises(InputError, match=r"pydensecrf is not installed.*\.\[crf\].*backend=torch"):
        refine(*([one] for one in _sample()), SETTINGS)


@pytest.mark.parametrize("normalization", ["after", "symmetric"])
def test_both_backends_agree(normalization):
    pytest.importorskip("pydensecrf.densecrf")
    generator = torch.Generator().manual_seed(1)
    waves = torch.linspace(0, 9, 60)
    texture = (100 + 60 * waves.sin()[:, None] + 60 * (2 * waves[:47]).cos()[None])[..., None]
    texture = (texture + 12 * torch.randn(60, 47, 3, generator=generator)).clamp(0, 255).to(torch.uint8)
    probabilities = (2 * torch.randn(4, 60, 47, generator=generator)).softmax(dim=0)
    crf = SETTINGS.model_copy(update={"normalization": normalization})
    (expected,) = refine([probabilities], [texture], crf)
    (found,) = refine([probabilities], [texture], crf.model_copy(update={"backend": "torch"}))
    other = "symmetric" if normalization == "after" else "after"
    (wrong,) = refine([probabilities], [texture], crf.model_copy(update={"backend": "torch", "normalization": other}))
    assert (found - expected).abs().mean() < 1e-6
    assert (wrong - expected).abs().mean() > 1e-3
