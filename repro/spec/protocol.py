"""The resolved protocol: every value that determines a training or an evaluation.

A table spec, its paper's defaults and a scale together resolve to one `Protocol`. Every key below
is read by the code that trains or measures; an unknown key is an error, so that no setting can be
written down and then ignored. Defaults are those of DeepLab v3, section 4.1, unless said otherwise.
Every number declares its range, every list and name its length: far beyond what papers use, and far
below what makes a machine give up.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from repro.spec.model import Model as Model
from repro.spec.model import StrideAt as StrideAt
from repro.spec.model import WrongInput as WrongInput
from repro.spec.presets import CRF_PRESETS
from repro.spec.ranges import (
    AverageDecay,
    Batch,
    Images,
    Iterations,
    LearningRate,
    Multiplier,
    Name,
    Pixels,
    Scales,
    Sigma,
    Sigmas,
    Size,
    Warmup,
    Weight,
    WeightDecay,
    Weights,
)
from repro.spec.strict import StrictModel

OutputStride = Literal[4, 8, 16, 32, 64, 128, 256]
Precision = Literal["auto", "float32", "bfloat16"]
MOST_COMBINATIONS = 4096
"""Of a search for CRF parameters."""
VOID = 255
"""The label of pixels that are not scored; a class never."""


class Data(StrictModel):
    """The images."""

    name: Name = "voc2012"
    train_split: Name = "trainaug"
    val_split: Name = "val"
    classes: Annotated[int, Field(ge=1, le=255)] = 21
    """Including background where the data set has one; void (255) is never a class."""
    train_images: Images | None = None
    """Use only the first so many (None: all)."""
    val_images: Images | None = None
    side: Pixels | None = None
    """Photographs are resized so that their longer side has so many pixels (None: as they are);
    the embedded scenes are drawn at this side."""
    duplicated: Annotated[tuple[Name, ...], Field(max_length=255)] = ()
    """Classes whose training images count twice (v3, section 4.3: bicycle, chair, table, potted plant, sofa)."""


class SecondStage(StrictModel):
    """v3, section 4.1, before submission: on with the same network at a smaller output stride, batch normalisation's
    statistics frozen."""

    output_stride: OutputStride = 8
    iterations: Iterations = 30_000
    lr: LearningRate = 0.001
    train_split: Name = "trainval"


class Train(StrictModel):
    """One training."""

    start: Literal["imagenet", "presence", "coco", "random", "trained"] = "imagenet"
    """Where weights come from: a file, or another training (presence, coco). trained: they are final
    (--weights-trained, or as `model.implementation` returns them), and no setting of a training counts."""
    output_stride: OutputStride = 16
    crop: Pixels = 513
    batch_size: Batch = 16
    micro_batch: Batch | None = None
    """Images of a batch that are computed at once, a divisor of `batch_size` (None: all of them); gradients are summed.
    Batch normalisation in training then has the statistics of so many images: a departure."""
    iterations: Iterations = 30_000
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: LearningRate = 0.007
    head_lr_multiplier: Multiplier = 1.0
    bias_lr_multiplier: Multiplier = 1.0
    momentum: AverageDecay = 0.9
    weight_decay: WeightDecay = 1e-4
    policy: Literal["poly", "step"] = "poly"
    power: Annotated[float, Field(ge=0, le=100)] = 0.9
    step_iterations: Iterations | None = None
    step_gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    warmup_iterations: Warmup = 0
    scales: Scales = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    """Random scales, drawn uniformly (the released code's seven values for the paper's 0.5 to 2.0)."""
    scale_per: Literal["image", "batch"] = "image"
    flip: bool = True
    upsample_logits: bool = True
    """Logits to the label's size; False: labels are subsampled to the logits' size."""
    batch_norm: Literal["train", "frozen_statistics", "frozen"] = "train"
    """frozen_statistics: stored statistics normalise and do not move, scale and shift learn (released v3+ code without
    `fine_tune_batch_norm`; v3, Table 8); frozen: nothing of it learns (v2)."""
    batch_norm_decay: AverageDecay = 0.9997
    """Share of the old moving average kept at each step (1 - PyTorch's momentum)."""
    backbone_batch_norm_decay: AverageDecay | None = None
    """The backbone's own (None: as `batch_norm_decay`); the released code has 0.95 in ResNets, 0.9997 in heads."""
    precision: Precision = "auto"
    """Of convolutions and products; auto: bfloat16 (autocast) where the device multiplies it fast, else float32. The
    papers trained in float32. Records say which it was."""
    void: Literal["ignore", "background"] = "ignore"
    """Label 255 in the loss; "background" is a known mistake."""
    label_padding: Literal["void", "background"] = "void"
    """The label of padding around small images; "background" is a known mistake."""
    weight_decay_on: Literal["convolutions", "all"] = "convolutions"
    """Released v3+ code: weights of convolutions, depthwise ones left out; "all", batch normalisation and biases
    included as a framework's optimiser does it unless told, is a known mistake."""
    batch_norm_parts: Batch = 1
    """The batch is normalised in so many parts, each by its own statistics, as on so many devices without
    synchronisation: a known mistake where parts are small. The moving averages are the first part's."""
    align_corners: bool = True
    """Bilinear resizing of features and logits with aligned corners; false is PyTorch's default, a known mistake."""
    squash: Size | None = None
    """Every image is brought to this size whatever its own shape, before random scaling: a known mistake."""
    second_stage: SecondStage | None = None

    @model_validator(mode="after")
    def _equal_parts(self) -> Train:
        if self.batch_size % self.batch_norm_parts:
            message = f"{self.batch_norm_parts} parts of a batch of {self.batch_size} are not alike"
            raise ValueError(f"batch_norm_parts: {message}; give a divisor of train.batch_size.")
        return self


class Pretrain(StrictModel):
    """The stand-in for ImageNet at small scales: which classes are present in the image?"""

    output_stride: OutputStride = 32
    crop: Pixels = 129
    batch_size: Batch = 16
    micro_batch: Batch | None = None
    """As in `train`; None: as `train.micro_batch`."""
    iterations: Iterations = 700
    lr: LearningRate = 5e-3
    weight_decay: WeightDecay = 1e-4
    warmup_iterations: Warmup = 10
    batch_norm_decay: AverageDecay = 0.95
    scales: Scales = (0.75, 1.0, 1.25)
    images: Images | None = None
    precision: Precision | None = None
    """As in `train`; None: as `train.precision`."""


class Coco(StrictModel):
    """The training on MS-COCO that `train.start = "coco"` starts from; whatever is not said here is as in `train`.

    v3, section 4.3: COCO restricted to VOC's classes. Its backbone is taken over, and its head where the classes agree.
    Length and rate are what the authors said later (tensorflow/models, issue 4234); the papers do not state them.
    """

    name: Name = "coco"
    train_split: Name = "train"
    images: Images | None = None
    """Use only the first so many (None: all)."""
    start: Literal["imagenet", "presence", "random"] = "imagenet"
    iterations: Iterations = 300_000
    lr: LearningRate = 0.007


class CRF(StrictModel):
    """Dense CRF, v2 section 3.3. Lists are searched (section 4.1): each combination, then finer around the best.

    Spelt as a word, it is one of `CRF_PRESETS`: crf = "v2-vgg16".
    """

    w1: Weights = (3.0, 4.0, 5.0, 6.0)
    sigma_alpha: Sigmas = (30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)
    sigma_beta: Sigmas = (3.0, 4.0, 5.0, 6.0)
    w2: Weight = 3.0
    sigma_gamma: Sigma = 3.0
    iterations: Annotated[int, Field(ge=1, le=1000)] = 10
    normalization: Literal["after", "symmetric"] = "after"
    """Of both kernels: after the filter as in the code of 2011 that the authors used, or symmetric, pydensecrf's
    default."""
    backend: Literal["pydensecrf", "torch"] = "torch"
    search_images: Images = 100
    """The first so many images of the evaluated split decide a search (fewer if there are fewer)."""
    refinements: Annotated[int, Field(ge=0, le=8)] = 1
    """Rounds of a search after the first, each at half the step around the best so far."""

    @property
    def searched(self) -> bool:
        """Whether any parameter is a list to choose from."""
        return any(isinstance(value, tuple) for value in (self.w1, self.sigma_alpha, self.sigma_beta))

    @property
    def combinations(self) -> int:
        """How many combinations a search tries at most: the lists', and the neighbours of the best in each round."""
        sides = [len(v) for v in (self.w1, self.sigma_alpha, self.sigma_beta) if isinstance(v, tuple)]
        return math.prod(sides) + self.refinements * int(3 ** sum(side > 1 for side in sides) - 1)

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        settings = {"preset": values} if isinstance(values, str) else values
        if not isinstance(settings, dict) or "preset" not in settings:
            return values
        name, rest = settings["preset"], {key: value for key, value in settings.items() if key != "preset"}
        if not isinstance(name, str) or name not in CRF_PRESETS:
            raise ValueError(f"preset {name!r}: there are {', '.join(CRF_PRESETS)}.")
        return {**CRF_PRESETS[name], **rest}

    @model_validator(mode="after")
    def _searchable(self) -> CRF:
        if self.searched and self.combinations > MOST_COMBINATIONS:
            raise ValueError(
                f"w1, sigma_alpha and sigma_beta make {self.combinations} combinations to search; at most "
                f"{MOST_COMBINATIONS} are. Shorten a list."
            )
        return self


class Evaluate(StrictModel):
    """How a training is measured."""

    output_stride: OutputStride = 16
    canvas: Size = (513, 513)
    """Height and width to which images are padded; multi-scale inputs are rescaled canvases."""
    scales: Scales = (1.0,)
    flip: bool = False
    crf: CRF | None = None
    trimap_px: Pixels | None = None
    """Score only pixels within so many pixels of a void pixel (v2, section 4.1.2; v3+, section 4.4); None: all."""
    void: Literal["ignore", "background"] = "ignore"
    """Label 255 in the score; "background" is a known mistake."""
    input: Literal["as_trained"] | WrongInput = "as_trained"
    """The values that images reach the network in; another than in training is a known mistake."""
    align_corners: bool = True
    """Bilinear resizing of inputs, features and logits with aligned corners; false is a known mistake."""
    squash: Size | None = None
    """Every image is brought to this size whatever its own shape: a known mistake."""
    centre_crop: Size | None = None
    """Images are resized to cover this size, and only the centre is seen and scored: a known mistake."""
    rescale: Literal["canvas", "image"] = "canvas"
    """Scales resize the padded canvas; "image", which is padded up to the canvas afterwards, is a known mistake."""
    window: Size | None = None
    """Height and width of overlapping windows through which each image is seen (v2, section 4.4, on Cityscapes;
    mmsegmentation's "slide"); logits are averaged where they overlap. None: the whole canvas at once."""
    window_stride: Size | None = None
    """From one window to the next, down and across; at most the window."""
    pooling_px: Annotated[int, Field(ge=2, le=16_384)] | None = None
    """Image pooling takes the mean over windows of so many pixels' side (None: the whole map): tied to a crop that is
    smaller than the canvas, a known mistake."""
    average: Literal["set", "image"] = "set"
    """Mean IOU of one confusion matrix over the set, or, a known mistake, the mean over images of their own."""
    batch_size: Batch = 8
    precision: Precision = "auto"
    """As in `train`; softmax, mean over inputs and everything after are float32."""

    @model_validator(mode="after")
    def _one_view(self) -> Evaluate:
        if self.squash is not None and self.centre_crop is not None:
            raise ValueError("squash and centre_crop exclude each other; give one of them.")
        return self

    @model_validator(mode="after")
    def _windows(self) -> Evaluate:
        if (self.window is None) != (self.window_stride is None):
            lacking = "window" if self.window is None else "window_stride"
            raise ValueError(f"window and window_stride belong together; give {lacking} too, as [513, 513].")
        if self.window is None or self.window_stride is None:
            return self
        for stride, side in zip(self.window_stride, self.window, strict=True):
            if stride > side:
                raise ValueError(
                    f"window_stride {list(self.window_stride)} is larger than window {list(self.window)}: pixels in "
                    "between would not be seen. Make it at most as large."
                )
        whole = {"squash": None, "centre_crop": None, "pooling_px": None, "rescale": "canvas"}
        other = [name for name, value in whole.items() if getattr(self, name) != value]
        if other:
            raise ValueError(f"window and {other[0]} exclude each other; leave one of them out.")
        return self


class Seeds(StrictModel):
    """What the seeds of a cell have in common. No single training depends on it, only which of them start from one."""

    first_training: Literal["shared", "own"] = "shared"
    """The trainings that `train.start` names, "presence" and "coco". shared: all seeds start from those of seed 0, as
    every run of the papers starts from the same weights; own: each seed has its own, so that intervals cover them.
    Weights that are read from a file are always the same for all seeds."""


class Protocol(StrictModel):
    """Everything that determines a cell, but for the seed."""

    model: Model = Model()
    data: Data = Data()
    train: Train = Train()
    pretrain: Pretrain = Pretrain()
    coco: Coco = Coco()
    evaluate: Evaluate = Evaluate()
    seeds: Seeds = Seeds()
