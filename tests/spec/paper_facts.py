"""What the papers say of each table's protocol, transcribed from them and their released code, not from the specs.

`PAPER` holds for all measured cells of a paper but where `TABLE` says otherwise; `CELLS` tells a table's cells apart in
the printed order. Facts that neither paper nor code states (lengths of MS-COCO trainings, say) are left out.
"""

from __future__ import annotations

from typing import Any

Facts = dict[str, Any]

MS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
AUGMENTED = (0.5, 0.75, 1.0, 1.25, 1.5)
ASPP_L = (6, 12, 18, 24)

V3: Facts = {
    "data.name": "voc2012",
    "data.train_split": "trainaug",
    "data.val_split": "val",
    "data.classes": 21,
    "data.side": None,
    "train.start": "imagenet",
    "train.output_stride": 16,
    "train.crop": 513,
    "train.batch_size": 16,
    "train.iterations": 30_000,
    "train.optimizer": "sgd",
    "train.momentum": 0.9,
    "train.lr": 0.007,
    "train.policy": "poly",
    "train.power": 0.9,
    "train.warmup_iterations": 0,
    "train.weight_decay": 1e-4,
    "train.weight_decay_on": "convolutions",
    "train.head_lr_multiplier": 1.0,
    "train.bias_lr_multiplier": 2.0,
    "train.scales": (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
    "train.flip": True,
    "train.upsample_logits": True,
    "train.batch_norm": "train",
    "train.batch_norm_decay": 0.9997,
    "train.batch_norm_parts": 1,
    "train.void": "ignore",
    "train.label_padding": "void",
    "train.align_corners": True,
    "model.backbone": "resnet101",
    "model.units": (3, 4, 23, 3),
    "model.width": 64,
    "model.stem": "beta",
    "model.stem_width": 64,
    "model.stride_at": "last_unit",
    "model.batch_norm_eps": 1e-5,
    "model.decoder": (),
    "model.separable": False,
    "evaluate.output_stride": 16,
    "evaluate.canvas": (513, 513),
    "evaluate.scales": (1.0,),
    "evaluate.flip": False,
    "evaluate.rescale": "canvas",
    "evaluate.crf": None,
    "evaluate.void": "ignore",
    "evaluate.average": "set",
    "evaluate.align_corners": True,
}
BEST_ASPP: Facts = {
    "model.head": "aspp",
    "model.last_block": 4,
    "model.multi_grid": (1, 2, 4),
    "model.atrous_rates": (6, 12, 18),
    "model.image_pooling": True,
    "model.head_channels": 256,
    "model.dropout": 0.1,
}
CITYSCAPES: Facts = {
    "data.name": "cityscapes",
    "data.train_split": "train",
    "data.classes": 19,
    "train.crop": 769,
    "train.iterations": 90_000,
    "evaluate.canvas": (1025, 2049),
}
PAPER: dict[str, Facts] = {
    "v2": {
        **V3,
        "train.output_stride": 8,
        "train.crop": 321,
        "train.batch_size": 10,
        "train.iterations": 20_000,
        "train.lr": 2.5e-4,
        "train.weight_decay": 5e-4,
        "train.head_lr_multiplier": 10.0,
        "train.scales": (1.0,),
        "train.upsample_logits": False,
        "train.batch_norm": "frozen",
        "model.stem": "conv7",
        "model.stride_at": "first_conv",
        "model.head": "cascade",
        "model.last_block": 4,
        "model.multi_grid": (1, 1, 1),
        "evaluate.output_stride": 8,
    },
    "v3": V3,
    "v3plus": {**V3, **BEST_ASPP, "model.decoder_low_level_channels": 48, "model.decoder_channels": 256},
}
PAPER["model_zoo"] = {  # DeepLab v3+'s protocol; networks as in its Table 5 with "SC"
    **PAPER["v3plus"],
    "model.backbone": "xception65",
    "model.units": (1, 1, 1, 16),
    "model.batch_norm_eps": 1e-3,
    "model.multi_grid": (1, 1, 1),
    "model.decoder": ("conv2",),
    "model.separable": True,
    "train.weight_decay": 4e-5,
}
VGG: Facts = {
    "model.backbone": "vgg16",
    "model.units": (2, 2, 3, 3),
    "model.vgg_batch_norm": False,
    "model.head": "fc",
    "model.dropout": 0.5,
    "train.lr": 1e-3,
    "train.batch_norm": "train",  # it has none
}
XCEPTION: Facts = {
    "model.backbone": "xception65",
    "model.units": (1, 1, 1, 16),
    "model.batch_norm_eps": 1e-3,
    "model.multi_grid": (1, 1, 1),
    "train.weight_decay": 4e-5,
}
CASCADE: Facts = {"model.head": "cascade", "model.multi_grid": (1, 1, 1), "model.image_pooling": False}
TABLE: dict[str, Facts] = {
    "v2/table1": {**VGG, "train.policy": "step", "train.step_iterations": 2000, "train.step_gamma": 0.1}
    | {"train.iterations": 6000},
    "v2/table2": {**VGG, "model.atrous_rates": (12,), "model.fc_kernel": 3, "model.fc_channels": 1024},
    "v2/table3": {**VGG, "model.fc_kernel": 3, "model.fc_channels": 1024},
    "v2/table4": {},
    "v2/table6": {"data.name": "pascal_context", "data.train_split": "train", "data.classes": 60},
    "v2/table7": {"data.name": "person_part", "data.train_split": "train", "data.classes": 7},
    "v2/table9": {"data.name": "cityscapes", "data.train_split": "train", "data.classes": 19},
    "v2/fig5": {**VGG, "model.fc_kernel": 3, "model.fc_channels": 1024, "model.atrous_rates": ASPP_L},
    "v2/fig10": {},
    "v3/table1": {**CASCADE, "model.backbone": "resnet50", "model.units": (3, 4, 6, 3), "model.last_block": 7},
    "v3/table2": CASCADE,
    "v3/table3": {k: v for k, v in CASCADE.items() if k != "model.multi_grid"},
    "v3/table4": {"model.head": "cascade", "model.last_block": 7, "model.multi_grid": (1, 2, 1)},
    "v3/table5": {"model.head": "aspp", "model.last_block": 4, "model.head_channels": 256},
    "v3/table6": BEST_ASPP,
    "v3/table8": BEST_ASPP,
    "v3/table9": BEST_ASPP,
    "v3/table10": BEST_ASPP,
    "v3/table11": BEST_ASPP,
    "v3/table12": {**BEST_ASPP, **CITYSCAPES},
    "v3plus/table1": {"model.decoder": ("conv2",), "model.decoder_convs": 1, "model.decoder_kernel": 3},
    "v3plus/table2": {"model.decoder_low_level_channels": 48},
    "v3plus/table3": {"model.decoder_convs": 2, "model.decoder_kernel": 3},
    "v3plus/table5": {**XCEPTION, "model.decoder_convs": 2, "model.decoder_kernel": 3},
    # separable: not in the paper, but so is the published model of the second row
    "v3plus/table7a": {**XCEPTION, **CITYSCAPES, "train.lr": 0.01, "model.separable": True},
    "v3plus/fig5": {},
    "model_zoo/voc2012": {"model.decoder_convs": 2, "train.start": "coco", "train.lr": 1e-4},
    "model_zoo/cityscapes": {**CITYSCAPES, "model.decoder_convs": 2, "train.lr": 0.01},
}


MOBILENET: Facts = {  # the list: no ASPP but for image pooling and one 1x1 convolution, no decoder
    "model.backbone": "mobilenet_v2",
    "model.units": (3, 4, 23, 3),  # not read
    "model.batch_norm_eps": 1e-5,  # of torchvision's weights
    "model.image_pooling": True,
    "model.atrous_rates": (),
    "model.decoder": (),
    "model.separable": False,
}
_ZOO_FLIP: Facts = {"evaluate.scales": (0.75, 1.0, 1.25), "evaluate.flip": True}


def _multi_grids() -> list[Facts]:
    grids = ((1, 1, 1), (1, 2, 1), (1, 2, 3), (1, 2, 4), (2, 2, 2))
    return [{"model.multi_grid": g, "model.last_block": b} for g in grids for b in (4, 5, 6, 7)]


def _strategies(*strides: int) -> list[Facts]:
    """v3+ Tables 3 and 5: single scale, multi-scale, multi-scale and flip, at each output stride."""
    ways: tuple[Facts, ...] = ({}, {"evaluate.scales": MS}, {"evaluate.scales": MS, "evaluate.flip": True})
    return [{"evaluate.output_stride": stride, **way} for stride in strides for way in ways]


def _with(more: Facts, cells: list[Facts]) -> list[Facts]:
    return [{**cell, **more} for cell in cells]


CRF = "a CRF"
"""Stands for any CRF: which parameters is another question."""
_DECODER: Facts = {"model.decoder": ("conv2",)}
_SEPARABLE: Facts = {**_DECODER, "model.separable": True}
_COCO: Facts = {"train.start": "coco"}
_MSC: Facts = {"model.multi_scale": True}
_AUG: Facts = {"train.scales": AUGMENTED}
_FOV: Facts = {"model.head": "sum_aspp", "model.atrous_rates": (12,)}
_ASPP: Facts = {"model.head": "sum_aspp", "model.atrous_rates": ASPP_L}
_CRF: Facts = {"evaluate.crf": CRF}
_LARGE_FOV: Facts = {**VGG, "model.atrous_rates": (12,), "model.fc_kernel": 3, "model.fc_channels": 1024}
_WHOLE: Facts = {"data.side": None, "evaluate.canvas": (1025, 2049)}
_HALF: Facts = {**_WHOLE, "train.scales": (0.5,), "evaluate.scales": (0.5,)}
_FULL: Facts = {**_WHOLE, "evaluate.scales": (1.0,)}
_FLIP: Facts = {"evaluate.scales": MS, "evaluate.flip": True}
_V3_STRATEGIES: list[Facts] = [
    {},
    {"evaluate.output_stride": 8},
    {"evaluate.output_stride": 8, "evaluate.scales": MS},
    {"evaluate.output_stride": 8, **_FLIP},
]


def _before_and_after(variants: list[Facts]) -> list[Facts]:
    return [cell for variant in variants for cell in (variant, {**variant, **_CRF})]


CELLS: dict[str, list[Facts]] = {
    "v2/table1": _before_and_after(
        [
            {"model.fc_kernel": k, "model.atrous_rates": (r,), "model.fc_channels": f, "train.batch_size": b}
            for k, r, f, b in ((7, 4, 4096, 20), (4, 4, 4096, 20), (4, 8, 4096, 20), (3, 12, 1024, 30))
        ]
    ),
    "v2/table2": [
        {"train.policy": policy, "train.batch_size": batch, "train.iterations": iterations}
        for policy, batch, iterations in (
            ("step", 30, 6000),
            ("poly", 30, 6000),
            ("poly", 30, 10_000),
            ("poly", 10, 10_000),
            ("poly", 10, 20_000),
        )
    ],
    "v2/table3": _before_and_after([{"model.atrous_rates": r} for r in ((12,), (2, 4, 8, 12), ASPP_L)]),
    "v2/table4": [
        {},
        _MSC,
        {**_MSC, **_COCO},
        {**_MSC, **_COCO, **_AUG},
        {**_MSC, **_COCO, **_AUG, **_FOV},
        {**_MSC, **_COCO, **_AUG, **_ASPP},
        {**_MSC, **_COCO, **_AUG, **_ASPP, **_CRF},
    ],
    "v2/table6": [
        _LARGE_FOV,
        {**_LARGE_FOV, **_CRF},
        {},
        {**_MSC, **_AUG},
        {**_MSC, **_COCO, **_AUG},
        {**_MSC, **_COCO, **_AUG, **_FOV},
        {**_MSC, **_COCO, **_AUG, **_ASPP},
        {**_MSC, **_COCO, **_AUG, **_ASPP, **_CRF},
    ],
    "v2/table7": [
        {},
        {**_MSC, **_AUG},
        {**_MSC, **_COCO, **_AUG},
        {**_MSC, **_COCO, **_AUG, **_CRF},
        {**_MSC, **_COCO, **_AUG, **_FOV},
        {**_MSC, **_COCO, **_AUG, **_ASPP},
    ],
    "v2/table9": [
        {**_LARGE_FOV, **_HALF},
        {**_LARGE_FOV, **_HALF, **_CRF},
        {**_LARGE_FOV, **_FULL},
        {**_LARGE_FOV, **_FULL, **_CRF},
        {**_FULL, "model.multi_scale": False},
        {**_FULL, **_FOV, "model.multi_scale": False},
        {**_FULL, **_ASPP, "model.multi_scale": False},
        {**_FULL, **_ASPP, **_AUG, "model.multi_scale": False},
        {**_FULL, **_ASPP, **_AUG, **_CRF, "model.multi_scale": False},
    ],
    "v3/table1": [{"train.output_stride": s, "evaluate.output_stride": s} for s in (8, 16, 32, 64, 128, 256)],
    "v3/table2": [
        {"model.backbone": f"resnet{depth}", "model.units": (3, 4, units, 3), "model.last_block": block}
        for depth, units in ((50, 6), (101, 23))
        for block in (4, 5, 6, 7)
    ],
    "v3/table3": _multi_grids(),
    "v3/table4": _V3_STRATEGIES,
    "v3/table5": [
        {"model.multi_grid": grid, "model.atrous_rates": rates, "model.image_pooling": pooling}
        for grid, rates, pooling in (
            ((1, 1, 1), (6, 12, 18), False),
            ((1, 2, 1), (6, 12, 18), False),
            ((1, 2, 4), (6, 12, 18), False),
            ((1, 2, 4), ASPP_L, False),
            ((1, 2, 4), (6, 12, 18), True),
        )
    ],
    "v3/table6": [*_V3_STRATEGIES, {**_V3_STRATEGIES[-1], **_COCO, "train.lr": 1e-4}],
    "v3/table8": [
        {},
        {"train.batch_norm": "frozen_statistics"},
        {"train.upsample_logits": False},
        {"train.crop": 321},
    ],
    "v3/table9": [{"train.batch_size": size} for size in (4, 8, 12, 16)],
    "v3/table10": [
        {"train.output_stride": train, "train.batch_size": batch, "evaluate.output_stride": test}
        for test in (16, 8)
        for train, batch in ((8, 6), (16, 16), (32, 24))
    ],
    "v3/table11": [{}],
    "v3/table12": [
        {},
        {"evaluate.output_stride": 8},
        {"evaluate.output_stride": 8, "evaluate.scales": (0.75, 1.0, 1.25)},
        {"evaluate.output_stride": 8, "evaluate.scales": (0.75, 1.0, 1.25), "evaluate.flip": True},
    ],
    "v3plus/table1": [{"model.decoder_low_level_channels": channels} for channels in (8, 16, 32, 48, 64)],
    "v3plus/table2": [
        {
            "model.decoder": levels,
            "model.decoder_kernel": kernel,
            "model.decoder_channels": channels,
            "model.decoder_convs": convs,
        }
        for levels, kernel, channels, convs in (
            (("conv2",), 3, 256, 1),
            (("conv2",), 3, 256, 2),
            (("conv2",), 3, 256, 3),
            (("conv2",), 3, 128, 1),
            (("conv2",), 1, 256, 1),
            (("conv2", "conv3"), 3, 256, 1),
        )
    ],
    "v3plus/table3": [
        *_strategies(16)[:1],
        *_strategies(8),
        *_with(_DECODER, _strategies(16, 8)),
        *_with({"train.output_stride": 32}, [{"evaluate.output_stride": 32}]),
        *_with({"train.output_stride": 32, **_DECODER}, [{"evaluate.output_stride": s} for s in (32, 16, 8)]),
    ],
    "v3plus/table5": [
        *_strategies(16, 8),
        *_with(_DECODER, _strategies(16, 8)),
        *_with(_SEPARABLE, [_strategies(s)[i] for s in (16, 8) for i in (0, 2)]),
        *_with({**_SEPARABLE, **_COCO, "train.lr": 1e-4}, [_strategies(s)[i] for s in (16, 8) for i in (0, 2)]),
    ],
    "v3plus/table7a": [
        {"model.image_pooling": True},
        {**_DECODER, "model.image_pooling": True},
        {**_DECODER, "model.image_pooling": False},
        {**_DECODER, "model.image_pooling": False, "model.backbone": "xception71", "model.units": (1, 2, 2, 16)},
    ],
    "v2/fig5": [{}, _CRF],
    "model_zoo/voc2012": [
        {},
        {"evaluate.output_stride": 8, **_FLIP},
        MOBILENET,
        {**MOBILENET, "evaluate.output_stride": 8, **_FLIP},
    ],
    "model_zoo/cityscapes": [
        {},
        {"evaluate.output_stride": 8, **_ZOO_FLIP},
        {**MOBILENET, "train.start": "coco"},
        {**MOBILENET, "train.start": "coco", "evaluate.output_stride": 8, **_ZOO_FLIP},
    ],
    "v2/fig10": [],
    "v3plus/fig5": [],
}
"""Of the figures only what their tables' protocol says is checked, and the widths of their bands."""
