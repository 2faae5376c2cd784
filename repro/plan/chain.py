"""From a protocol to its training, with the trainings it starts from, and to its evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from repro.errors import InputError, did_you_mean
from repro.plan.code import Code, closure
from repro.plan.work import Evaluation, Split, Training, weights_name
from repro.spec.dataset import Dataset
from repro.spec.implementation import Implementation, locate
from repro.spec.parts import KINDS, NetworkPart, part
from repro.spec.protocol import Data, Model, Protocol, StrideAt, Train

SHARED_SEED = 0
"""Of the pre-trainings that all seeds share."""


@dataclass(frozen=True)
class Inputs:
    """What planning needs to know of the outside: fingerprints of data, code and weights, names of classes."""

    data: Callable[[Data, str], str]
    """(data, split) -> fingerprint."""
    code: Callable[[str, Data], Code]
    """("training" | "evaluation", data) -> import closure."""
    classes: Callable[[str], tuple[str, ...]]
    """Data set -> names of its classes in label order."""
    weights: Callable[[str], str]
    """Name of weights (`weights_name`) -> digest of their file; empty where no weights are given."""
    declared: Callable[[str], Dataset | None] = lambda _name: None
    """Data set -> how its files are read, where that is the user's own declaration."""
    trained: Callable[[], str] = str
    """Digest of the file of trained weights; empty where none is given."""
    stride_at: Callable[[str], StrideAt | None] = lambda _name: None
    """Name of weights -> where the ResNet that they are of had its strides; None where no weights are given."""


def backbone_only(model: Model) -> Model:
    """The part of a model that its pre-training shares: the backbone at unit rates, without what v2 and v3 add."""
    keep = (
        "backbone",
        "units",
        "width",
        "stem",
        "stem_width",
        "stride_at",
        "residual_gamma",
        "batch_norm_eps",
        "vgg_batch_norm",
    )
    if model.implementation is not None:
        return model
    return Model(**{key: getattr(model, key) for key in keep})


def with_network(code: Code, model: Model) -> Code:
    """The code that computes a training, with that of its network: an implementation, or a backbone and a head."""
    if model.implementation is not None:
        own: list[Implementation | NetworkPart] = [locate(model.implementation)]
    else:
        own = [part(kind, getattr(model, kind)) for kind in KINDS]
    modules = dict(code.modules)
    for entry in own:
        modules |= dict(closure([entry.module], entry.package).modules)
    return Code(tuple(sorted(modules.items())))


def training_of(protocol: Protocol, seed: int, inputs: Inputs) -> Training:
    """The training that a protocol describes, with those it starts from.

    A second stage is a training of its own that starts from the first (v3, section 4.1).
    """
    data, stage = protocol.data, protocol.train.second_stage
    code = with_network(inputs.code("training", data), protocol.model)
    if protocol.train.start == "trained":
        return _given(protocol, inputs, code)
    train = protocol.train.model_copy(update={"second_stage": None})
    parent = _parent(protocol, train, seed if protocol.seeds.first_training == "own" else SHARED_SEED, inputs)
    own = protocol.model.implementation is not None
    weights = inputs.weights(weights_name(protocol.model)) if train.start == "imagenet" and not own else ""
    images = _split(data, data.train_split, inputs, twice=True)
    first = Training("segment", protocol.model, images, train, seed, parent, code, weights)
    if stage is None:
        return first
    changed = {"output_stride": stage.output_stride, "iterations": stage.iterations, "lr": stage.lr}
    settings = train.model_copy(update={**changed, "batch_norm": "frozen_statistics"})
    images = _split(data.model_copy(update={"train_split": stage.train_split}), stage.train_split, inputs, twice=True)
    return Training("segment", protocol.model, images, settings, seed, first, code)


def _given(protocol: Protocol, inputs: Inputs, code: Code) -> Training:
    """A network whose weights somebody else trained: no setting of a training has a part in it, and no seed."""
    settings = Train(start="trained", output_stride=protocol.train.output_stride)
    images = _split(protocol.data, protocol.data.val_split, inputs)
    return Training("segment", protocol.model, images, settings, SHARED_SEED, None, code, inputs.trained())


def evaluation_of(protocol: Protocol, training: Training, inputs: Inputs) -> Evaluation:
    """The evaluation that a protocol describes."""
    images = _split(protocol.data, protocol.data.val_split, inputs)
    return Evaluation(training, images, protocol.evaluate, inputs.code("evaluation", protocol.data))


def _parent(protocol: Protocol, train: Train, seed: int, inputs: Inputs) -> Training | None:
    """The training that a cell's own starts from; `seed`: its."""
    if train.start == "presence":
        return _multi_label(protocol, train, seed, inputs)
    if train.start == "coco":
        return _coco(protocol, train, seed, inputs)
    return None


def _multi_label(protocol: Protocol, train: Train, seed: int, inputs: Inputs) -> Training:
    """The pre-training of small scales, computed as the one that it is for, unless it says otherwise."""
    data, settings = protocol.data, protocol.pretrain
    at_once = settings.micro_batch or train.micro_batch or settings.batch_size
    settings = settings.model_copy(
        update={
            "precision": settings.precision or train.precision,
            "micro_batch": at_once if at_once < settings.batch_size else None,
        }
    )
    if settings.images is not None:
        data = data.model_copy(update={"train_images": settings.images})
    images = _split(data, data.train_split, inputs)
    model = backbone_only(protocol.model)
    code = with_network(inputs.code("training", data), model)
    return Training("presence", model, images, settings, seed, None, code)


def _coco(protocol: Protocol, train: Train, seed: int, inputs: Inputs) -> Training:
    """The training on MS-COCO, or on what stands in for it."""
    coco = protocol.coco
    changes = {"start": coco.start, "iterations": coco.iterations, "lr": coco.lr}
    settings = train.model_copy(update=changes)
    classes = len(inputs.classes(coco.name))
    if not classes:
        raise InputError(
            f'coco.name: data set "{coco.name}" has no label maps to train segmentation on. Choose another.'
        )
    data = Data(
        name=coco.name,
        train_split=coco.train_split,
        val_split=coco.train_split,
        classes=classes,
        train_images=coco.images,
        val_images=coco.images,
        side=protocol.data.side,
    )
    images = _split(data, coco.train_split, inputs)
    parent = _multi_label(protocol, train, seed, inputs) if coco.start == "presence" else None
    own = protocol.model.implementation is not None
    weights = inputs.weights(weights_name(protocol.model)) if coco.start == "imagenet" and not own else ""
    code = with_network(inputs.code("training", data), protocol.model)
    return Training("segment", protocol.model, images, settings, seed, parent, code, weights)


def _split(data: Data, split: str, inputs: Inputs, *, twice: bool = False) -> Split:
    labels = hard_labels(data, inputs.classes(data.name)) if twice and data.duplicated else ()
    return Split(data, split, inputs.data(data, split), labels, inputs.declared(data.name))


def hard_labels(data: Data, names: tuple[str, ...]) -> tuple[int, ...]:
    """Labels of the classes that `data.duplicated` names, in order; InputError for a name that is none of `names`."""
    for name in data.duplicated:
        if name not in names:
            raise InputError(
                f"data.duplicated: {name!r} is not a class of {data.name}; there are {', '.join(names) or 'no names'}."
                + (did_you_mean(name, names) or " Name others, or none: --set data.duplicated=[].")
            )
    return tuple(sorted(names.index(name) for name in set(data.duplicated)))
