"""What a state dict is, judged by its names and shapes: what can be used here, and what messages say of the rest.

Names are those of public libraries and ports, as their own code makes them. The first line that fits is it: networks
trained for segmentation come before the classifiers that they contain.
"""

from __future__ import annotations

import re

from repro.nets.backbone import StateDict

TENSORFLOW = r"(resnet_v1_\d+|xception_\d+|MobilenetV\d)\w*/"

SEGMENTATION: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("torchvision's deeplabv3_{depth}", (r"backbone\.", r"classifier\.0\.convs\.0\.0\.weight")),
    ("torchvision's lraspp_mobilenet_v3_large", (r"backbone\.", r"classifier\.cbr\.0\.weight")),
    ("torchvision's fcn_{depth}", (r"backbone\.layer1\.", r"classifier\.0\.weight", r"classifier\.4\.weight")),
    ("a segmentation network of mmsegmentation", (r"backbone\.", r"decode_head\.")),
    ("a network of segmentation_models_pytorch", (r"encoder\.", r"segmentation_head\.0\.weight")),
    ("a segmentation network of detectron2", (r"backbone\.", r"sem_seg_head\.")),
    ("the DeepLabV3+ of pytorch-deeplab-xception (jfzhang95)", (r"backbone\.", r"aspp\.aspp1\.")),
    ("a DeepLabV3 or V3+ of DeepLabV3Plus-Pytorch (VainF)", (r"backbone\.", r"classifier\.(aspp|classifier)\.")),
    ("a DeepLab of PyTorch-Encoding or GluonCV", (r"pretrained\.conv1\.", r"head\.")),
    ("the DeepLab v2 of deeplab-pytorch (kazuto1011)", (r"(scale\.|base\.)?layer1\.conv1\.", r"(\w+\.)?aspp\.c0\.")),
    ("a DeepLab v2 of ResNet-101 in AdaptSegNet's names", (r"layer1\.0\.", r"layer5\.conv2d_list\.")),
    ("a segmentation network of Hugging Face's transformers", (r"\w+\.", r"(segmentation_head|decode_head)\.\w+")),
    (
        "a released TensorFlow checkpoint of the papers' authors, trained for segmentation",
        (TENSORFLOW, r"(aspp\d|concat_projection|decoder|logits/semantic|image_pooling)/"),
    ),
    ("a network of this suite's own, trained for segmentation", (r"backbone\.(blocks|stem|features)\.", r"head\.")),
)  # fmt: skip
"""(what it is, patterns that must each be found at the beginning of some name)."""

CLASSIFIERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a first training of this suite's own", (r"backbone\.(blocks|stem|features)\.", r"classifier\.weight")),
    ("a backbone of this suite's own, without its classifier", (r"blocks\.block1\.0\.",)),
    ("a released TensorFlow checkpoint of ImageNet weights", (TENSORFLOW,)),
    ("weights of a ResNet in the names of timm's ResNetV2", (r"stages\.0\.blocks\.0\.conv1\.", r"stem\.conv\.")),
    ("weights of a ResNet in detectron2's names", (r"(backbone\.)?(bottom_up\.)?res2\.0\.conv1\.",)),
    ("weights of a ResNet in the names of Hugging Face's transformers", (r"(resnet\.)?embedder\.embedder\.",)),
    ("weights of a ResNet", (r"layer1\.0\.conv1\.weight",)),
    ("weights of an Xception in the names of timm's legacy_xception", (r"block1\.rep\.", r"conv3\.conv1\.")),
    ("weights of an Xception", (r"blocks\.0\.stack\.conv1\.conv_dw\.weight",)),
    ("weights of a MobileNetV2", (r"features\.1\.conv\.0\.0\.weight", r"features\.18\.0\.weight")),
    ("weights of a ConvNeXt", (r"(stages|features)\.[01]\.(blocks\.)?0\.(gamma|layer_scale)",)),
    ("weights of a MobileNetV3 or EfficientNet of torchvision", (r"features\.1\.(0\.)?block\.0\.",)),
    ("weights of a MobileNet or EfficientNet of timm", (r"conv_stem\.weight", r"blocks\.0\.0\.")),
    ("weights of a DenseNet", (r"features\.denseblock1\.",)),
    ("weights of an Inception network", (r"(Mixed_5b|mixed5b|inception3a)\.",)),
    ("weights of a vision transformer", (r"(patch_embed|cls_token|conv_proj|vit\.|class_token)",)),
    ("weights of a VGG", (r"(features\.0\.(weight|conv)|conv1_1\.weight)",)),
)
"""The same of networks that classify, or that were not recognised as more than that."""


def what(state: StateDict) -> str:
    """What a state dict is, in words; "weights of no network known here" where nothing fits."""
    for name, patterns in (*SEGMENTATION, *CLASSIFIERS):
        if _fits(state, patterns):
            return name.format(depth=_depth(state))
    return "weights of no network known here"


def segmentation(state: StateDict) -> bool:
    """Whether it was trained for segmentation: its backbone left ImageNet, and its head has classes of its own."""
    return any(_fits(state, patterns) for _, patterns in SEGMENTATION)


def resnet_kind(state: StateDict) -> str:
    """What tells a ResNet in torchvision's names from the papers'; empty for theirs."""
    if "layer1.0.conv3.weight" not in state:
        return "a ResNet whose units have two convolutions (ResNet-18 or 34)"
    first, second, third = (_shape(state, f"layer1.0.conv{k}.weight") for k in (1, 2, 3))
    if len(second) == 4 and second[0] != second[1]:
        return "a ResNeXt: its 3x3 convolutions are grouped"
    if first and third and 4 * first[0] != third[0]:
        return "a Wide ResNet"
    if any(re.match(r"layer\d\.\d+\.(se|attn|sk)\w*\.", name) for name in state):
        return "a ResNet with attention between its convolutions (SE-ResNet or alike)"
    if len(_shape(state, "layer1.0.downsample.1.weight")) == 4:
        return "a ResNet-D: average pooling precedes its projections"
    return ""


def _fits(state: StateDict, patterns: tuple[str, ...]) -> bool:
    return all(any(re.match(pattern, name) for name in state) for pattern in patterns)


def _shape(state: StateDict, name: str) -> tuple[int, ...]:
    return tuple(state[name].shape) if name in state else ()


def _depth(state: StateDict) -> str:
    """Of torchvision's segmentation networks, by the units of layer3."""
    if "backbone.layer3.22.conv1.weight" in state:
        return "resnet101"
    return "resnet50" if "backbone.layer3.5.conv1.weight" in state else "mobilenet_v3_large"
