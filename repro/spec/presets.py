"""CRF parameters in circulation, by name: what the authors' releases and their re-implementations ended with.

v2 (section 4.1) fixes w2 = 3 and sigma_gamma = 3 and searches the others on 100 validation images; the released
configurations differ from that. Sources: VGG-16 and ResNet-101 from gitE0Z9/torchlake and kazuto1011/deeplab-pytorch
(configs/voc12.yaml), the template from copies of the authors' run_densecrf.sh, v1 from SetupEnv.m in
TheLegendAli/DeepLab-Context.
"""

from __future__ import annotations


def _fixed(w1: float, sigma_alpha: float, sigma_beta: float, w2: float, sigma_gamma: float) -> dict[str, float]:
    return {
        "w1": w1,
        "sigma_alpha": sigma_alpha,
        "sigma_beta": sigma_beta,
        "w2": w2,
        "sigma_gamma": sigma_gamma,
    }


CRF_PRESETS: dict[str, dict[str, float]] = {
    "search": {},
    "v2-vgg16": _fixed(4.0, 65.0, 3.0, 2.0, 2.0),
    "v2-resnet101": _fixed(4.0, 67.0, 3.0, 3.0, 1.0),
    "release-template": _fixed(4.0, 49.0, 5.0, 3.0, 3.0),
    "v1": _fixed(5.0, 50.0, 10.0, 3.0, 3.0),
    "v1-msc": _fixed(3.0, 95.0, 3.0, 3.0, 3.0),
    "v1-coco": _fixed(5.0, 67.0, 3.0, 3.0, 3.0),
}
"""Name -> parameters; "search" is the paper's cross-validation, the defaults of `CRF`."""
