"""Fully connected CRF after the network (v2, arXiv 1606.00915, section 3.3), by either of two backends.

Energy: unary -log P(label); Potts pairwise terms w1 exp(-|dp|^2 / 2 sigma_alpha^2 - |dI|^2 / 2 sigma_beta^2) +
w2 exp(-|dp|^2 / 2 sigma_gamma^2) with positions in pixels and colours in RGB bytes. Mean field, 10 iterations. Messages
are normalised after filtering, as in the code of 2011 that the authors used, unless `crf.normalization` is "symmetric".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from repro.errors import InputError
from repro.evaluate.meanfield import SMALLEST, bilateral, check, mean_fields
from repro.spec.protocol import CRF


def refine(probabilities: Sequence[Tensor], pixels: Sequence[Tensor], crf: CRF) -> list[Tensor]:
    """Marginals (C, H, W) float32 of each image after mean field, on the device of its probabilities.

    `probabilities` (C, H, W) float32, `pixels` (H, W, 3) uint8 RGB of each image, without padding; sizes may differ.
    Raises InputError where the backend is not there, sizes differ, or a probability or parameter is out of range.
    """
    if crf.backend == "pydensecrf":
        check(probabilities, pixels, crf)
        return [_pydensecrf(p, image, crf) for p, image in zip(probabilities, pixels, strict=True)]
    return mean_fields(probabilities, pixels, crf)


def _pydensecrf(probabilities: Tensor, pixels: Tensor, crf: CRF) -> Tensor:
    w1, sigma_alpha, sigma_beta = bilateral(crf)
    try:
        from pydensecrf import densecrf
    except ImportError:
        raise InputError(
            'evaluate.crf.backend: pydensecrf is not installed. Install the extra `crf` (pip install ".[crf]"), or '
            "set evaluate.crf.backend=torch."
        ) from None
    classes, height, width = probabilities.shape
    field = densecrf.DenseCRF2D(width, height, classes)
    unary = -probabilities.float().clamp(min=SMALLEST).log()
    field.setUnaryEnergy(np.ascontiguousarray(unary.reshape(classes, -1).cpu().numpy()))
    symmetric = crf.normalization == "symmetric"
    kind = densecrf.NORMALIZE_SYMMETRIC if symmetric else densecrf.NORMALIZE_AFTER
    options = {"kernel": densecrf.DIAG_KERNEL, "normalization": kind}
    field.addPairwiseGaussian(sxy=crf.sigma_gamma, compat=crf.w2, **options)
    photo = np.ascontiguousarray(pixels.cpu().numpy())
    field.addPairwiseBilateral(sxy=sigma_alpha, srgb=sigma_beta, rgbim=photo, compat=w1, **options)
    marginals = np.array(field.inference(crf.iterations), dtype=np.float32).reshape(classes, height, width)
    return torch.from_numpy(marginals).to(probabilities.device)
