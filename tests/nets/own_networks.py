"""A module of networks of one's own: `build` makes one that is right, the other functions one with a fault each."""

from __future__ import annotations

import itertools
from pathlib import Path
from textwrap import dedent

MODULE = """
import numpy
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, classes, output_stride):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, output_stride, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.classifier = nn.Conv2d(4, classes, 1)

    def forward(self, x):
        return self.answer(x, self.classifier(self.body(x)))

    def answer(self, x, logits):
        return logits


def build(classes, output_stride):
    return Net(classes, output_stride)


class mapping(Net):
    def answer(self, x, logits):
        return {"aux": x, "out": logits}


class pair(Net):
    def answer(self, x, logits):
        return logits, x


class loss_only(Net):
    def answer(self, x, logits):
        return {"loss": x}


class square_only(Net):
    def answer(self, x, logits):
        assert x.shape[2] == x.shape[3], "square images only"
        return logits


class infinite(Net):
    def answer(self, x, logits):
        return logits / 0


class infinite_in_training(Net):
    def answer(self, x, logits):
        return logits / (0 if self.training else 1)


class over_the_batch(Net):
    def answer(self, x, logits):
        return logits - x.mean()


class broken(Net):
    def answer(self, x, logits):
        return self.nothing


class numpys_numbers(Net):
    def __init__(self, classes, output_stride):
        super().__init__(classes, output_stride)
        nn.init.constant_(self.classifier.bias, numpy.random.rand())


class unused(Net):
    def __init__(self, classes, output_stride):
        super().__init__(classes, output_stride)
        self.aux = nn.Conv2d(4, 5, 1)


class other_names(Net):
    def __init__(self, classes, output_stride):
        super().__init__(classes, output_stride)
        self.body.add_module(f"at{output_stride}", nn.BatchNorm2d(4))


def one_class_more(classes, output_stride):
    return Net(classes + 1, output_stride)


def flat(classes, output_stride):
    return nn.Flatten()


def number(classes, output_stride):
    return 3


def refuses(classes, output_stride):
    raise ValueError(f"no stride {output_stride}")


def overwritten(classes, output_stride):
    ...


overwritten = 3


def settings(classes, output_stride, multi_grid, width=1, other=3):
    network = Net(classes, output_stride)
    network.given = classes, output_stride, multi_grid, width, other
    return network
"""
_numbers = itertools.count()


def write_module(folder: Path, more: str = "") -> str:
    """Write it, and what `more` adds; return its name, which no other test uses."""
    name = f"own_networks_{next(_numbers)}"
    (folder / f"{name}.py").write_text(MODULE + dedent(more))
    return name
