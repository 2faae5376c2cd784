"""Trainings and evaluations: fully resolved, with a key that holds everything that determines their result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from repro.plan.code import Code
from repro.spec.dataset import Dataset
from repro.spec.parts import backbone_facts
from repro.spec.protocol import Data, Evaluate, Model, Pretrain, Train

KEY_DIGITS = 20


def weights_name(model: Model) -> str:
    """What files of ImageNet weights for a network are called: timm's and torchvision's names.

    A ResNet whose stem is three convolutions is timm's `resnet101s`: the same folder may hold both kinds.
    """
    own = backbone_facts(model.backbone).weights
    fitting = (w.name for w in own if all(getattr(model, key) == value for key, value in w.when.items()))
    return next(fitting, model.backbone.rpartition(":")[2])


MODEL_UNSAID = {"implementation": None, "depthwise_batch_norm": True}
EVALUATE_UNSAID = {"window": None, "window_stride": None}
"""Settings that nearly always have this value are not in records: they stay as they were before there were any."""


def _without(settings: dict[str, Any], unsaid: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in unsaid or value != unsaid[key]}


def _key(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


@dataclass(frozen=True)
class Split:
    """One split of a data set, as a training or an evaluation reads it."""

    data: Data
    split: str
    fingerprint: str
    twice: tuple[int, ...] = ()
    """Labels of the classes whose images a training sees twice."""
    declared: Dataset | None = None
    """How its files are read, where that is the user's own declaration; the fingerprint covers it."""

    def config(self) -> dict[str, Any]:
        """What of `Data` concerns this split."""
        images = self.data.val_images if self.split == self.data.val_split else self.data.train_images
        settings = {"name": self.data.name, "split": self.split, "classes": self.data.classes}
        settings |= {"images": images, "side": self.data.side}
        return {**settings, "twice": list(self.twice)} if self.twice else settings


@dataclass(frozen=True)
class Training:
    """A network, the images, the settings and a seed; possibly another training to start from."""

    task: Literal["segment", "presence"]
    model: Model
    images: Split
    settings: Train | Pretrain
    seed: int
    parent: Training | None
    code: Code
    weights: str = ""
    """Digest of the file of ImageNet weights it starts from, or of the file of its trained weights; empty where it
    starts otherwise, or none was given."""

    @property
    def given(self) -> bool:
        """Whether there is nothing to train: the network is evaluated with weights that somebody else trained."""
        return isinstance(self.settings, Train) and self.settings.start == "trained"

    @property
    def needs_weights(self) -> bool:
        """Whether it starts from a file of ImageNet weights."""
        own = self.model.implementation is not None  # loads its own
        return (
            isinstance(self.settings, Train) and self.parent is None and self.settings.start == "imagenet" and not own
        )

    def config(self) -> dict[str, Any]:
        """The resolved settings, as records keep them."""
        train = self.settings.model_dump(mode="json")
        if self.settings.micro_batch is None:
            del train["micro_batch"]  # batches computed at once, as in nearly all: nothing to say
        settings: dict[str, Any] = {
            "model": _without(self.model.model_dump(mode="json"), MODEL_UNSAID),
            "data": self.images.config(),
            "train": train,
        }
        return {**settings, "weights": self.weights} if self.weights else settings

    def identity(self) -> dict[str, Any]:
        """What determines the result, in the form of a record's head (its parent in the same form)."""
        return {
            "key": self.key,
            "task": self.task,
            "config": self.config(),
            "seed": self.seed,
            "parent": self.parent.identity() if self.parent else None,
            "data_fingerprint": self.images.fingerprint,
            "code": self.code.record(),
        }

    @cached_property
    def key(self) -> str:
        """20 hex digits of everything that determines the result."""
        return _key(
            {
                "task": self.task,
                "config": self.config(),
                "seed": self.seed,
                "parent": self.parent.key if self.parent else None,
                "data": self.images.fingerprint,
                "code": self.code.digest,
            }
        )

    def chain(self) -> list[Training]:
        """The trainings it starts from, first one first, and itself."""
        return [*(self.parent.chain() if self.parent else []), self]


@dataclass(frozen=True)
class Evaluation:
    """A training and how it is measured."""

    training: Training
    images: Split
    evaluate: Evaluate
    code: Code

    @property
    def strategy(self) -> Evaluate:
        """What decides the predictions: the settings without those that only score them."""
        return self.evaluate.model_copy(update={"trimap_px": None, "void": "ignore", "average": "set"})

    @property
    def predictions_key(self) -> str:
        """20 hex digits of what determines the network's own predictions, before any CRF."""
        return replace(self, evaluate=self.strategy.model_copy(update={"crf": None})).key

    def config(self) -> dict[str, Any]:
        """The resolved settings, as records keep them."""
        settings = _without(self.evaluate.model_dump(mode="json"), EVALUATE_UNSAID)
        return {"data": self.images.config(), "evaluate": settings}

    def identity(self) -> dict[str, Any]:
        """What determines the result, in the form of a record's head (its training in the same form)."""
        return {
            "key": self.key,
            "training": self.training.identity(),
            "config": self.config(),
            "data_fingerprint": self.images.fingerprint,
            "code": self.code.record(),
        }

    @cached_property
    def key(self) -> str:
        """20 hex digits of everything that determines the result."""
        return _key(
            {
                "training": self.training.key,
                "config": self.config(),
                "data": self.images.fingerprint,
                "code": self.code.digest,
            }
        )
