"""What a plan costs on a kind of GPU: hours, memory, disk and the critical path, from arithmetic.

Multiply-adds are those of the networks as built, kept activations good to an eighth (`repro.plan.layers`);
the hours are as good as the GPU's rate, which is measured or assumed (`repro.spec.gpu`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from repro.plan.cost import evaluation_costs, training_cost
from repro.plan.layers import kept_values, parameters
from repro.plan.plan import Plan
from repro.plan.work import Evaluation, Split, Training
from repro.spec.dataset import VOC_VAL, Dataset
from repro.spec.gpu import Gpu
from repro.spec.protocol import Train

RESERVE = 1.15
"""Of a GPU's memory beyond weights and activations: convolutions' workspace, fragmentation (an assumption)."""
EVALUATION_BYTES = 4e6
"""Matrices and four pictures of an evaluation at full size, compressed."""


@dataclass(frozen=True)
class Budget:
    """Bytes and GPU hours of the work left in a plan."""

    training_hours: float
    evaluation_hours: float
    memory: float
    """Of the training that takes most, with everything on one GPU."""
    largest: Training | None
    weights: float
    """Stored for good."""
    records: float
    """Of the evaluations."""
    checkpoints: float
    """Per worker, while it trains."""
    images: float
    """The decoded data sets."""
    path: tuple[Training, ...]
    """The chain of trainings that takes longest, one after the other."""
    path_hours: float

    @property
    def hours(self) -> float:
        """On one GPU."""
        return self.training_hours + self.evaluation_hours

    @property
    def disk(self) -> float:
        """With one worker."""
        return self.weights + self.records + self.checkpoints + self.images

    def wall_hours(self, gpus: int) -> float:
        """At best with so many GPUs: evenly shared, but never less than the critical path."""
        return max(self.hours / max(gpus, 1), self.path_hours)


def budget(
    plan: Plan,
    trainings: Mapping[str, Training],
    evaluations: Mapping[str, Evaluation],
    gpu: Gpu,
    datasets: Mapping[str, Dataset],
) -> Budget:
    """What `trainings` and `evaluations` of `plan`, those that are still to do, take on `gpu`."""
    hours = {key: training_cost(t) / gpu.rate / 3600 for key, t in trainings.items()}
    measuring: dict[str, float] = {}
    for key, cost in evaluation_costs(evaluations.values()).items():
        evaluation = evaluations[key]
        of = evaluation.training.key
        measuring[of] = measuring.get(of, 0.0) + cost * _images_share(evaluation.images, datasets) / gpu.rate / 3600
    needs = {key: training_bytes(t, bfloat16=gpu.bfloat16) for key, t in trainings.items()}
    most = max(needs, key=lambda key: needs[key], default=None)
    path, path_hours = _longest(plan, hours, measuring)
    weights = {key: 4.0 * _parameters(t) for key, t in trainings.items()}
    return Budget(
        training_hours=sum(hours.values()),
        evaluation_hours=sum(measuring.values()),
        memory=needs[most] if most else 0.0,
        largest=trainings[most] if most else None,
        weights=sum(weights.values()),
        records=EVALUATION_BYTES * len(evaluations),
        checkpoints=max((weights[key] * (1 + _moments(t)) for key, t in trainings.items()), default=0.0),
        images=_decoded([*(t.images for t in trainings.values()), *(e.images for e in evaluations.values())], datasets),
        path=path,
        path_hours=path_hours,
    )


def training_bytes(training: Training, *, bfloat16: bool = True) -> float:
    """GPU memory of a training: weights, gradients, moments, what the backward pass needs, full-size logits, loss.

    `bfloat16`: whether the GPU has instructions for it, as most have.
    """
    settings, classes = training.settings, training.images.data.classes
    crop, at_once = settings.crop, settings.micro_batch or settings.batch_size
    wish = settings.precision or "auto"
    half = wish == "bfloat16" or (wish == "auto" and bfloat16)
    numbers = _parameters(training)
    own = numbers * (4 * (2 + _moments(training)) + (2 if half else 0))
    kept = kept_values(training.model, settings.output_stride, crop, crop, classes) * (2 if half else 4)
    # logits at the labels' size, their logarithms of probabilities and the gradient, float32
    full = 3 * 4.0 * classes * crop**2 if isinstance(settings, Train) and settings.upsample_logits else 0.0
    return RESERVE * (own + at_once * (kept + full))


def evaluation_bytes(evaluation: Evaluation) -> float:
    """Memory of measuring one image: weights, and three maps of probabilities at the size of the canvas, float32."""
    evaluate, classes = evaluation.evaluate, evaluation.images.data.classes
    height, width = evaluate.canvas
    largest = max(1.0, *evaluate.scales) if evaluate.scales else 1.0
    return RESERVE * (4.0 * _parameters(evaluation.training) + 3 * 4.0 * classes * height * width * largest**2)


def _parameters(training: Training) -> int:
    return parameters(training.model, training.settings.output_stride, training.images.data.classes)


def _moments(training: Training) -> int:
    """Numbers that the optimiser keeps for each learned one: momentum, or AdamW's two."""
    return 1 if isinstance(training.settings, Train) and training.settings.optimizer == "sgd" else 2


def _images_share(split: Split, datasets: Mapping[str, Dataset]) -> float:
    """Images of a split in shares of what costs take it to have."""
    if split.config()["images"] or split.data.name not in datasets:
        return 1.0
    return datasets[split.data.name].splits.get(split.split, VOC_VAL) / VOC_VAL


def _decoded(splits: Iterable[Split], datasets: Mapping[str, Dataset]) -> float:
    """Bytes of every split's pixels and labels, each once, at the size of its data set's canvas."""
    bytes_by_split = {}
    for split in splits:
        facts = datasets.get(split.data.name)
        count = split.config()["images"] or (facts.splits.get(split.split, 0) if facts else 0)
        height, width = facts.canvas if facts else (0, 0)
        if split.data.side is not None:
            height = width = split.data.side
        bytes_by_split[split.data.name, split.split, count] = 4.0 * count * height * width
    return sum(bytes_by_split.values())


def _longest(
    plan: Plan, hours: Mapping[str, float], measuring: Mapping[str, float]
) -> tuple[tuple[Training, ...], float]:
    """The chain of trainings, each with its evaluations, that takes longest."""
    longest: tuple[tuple[Training, ...], float] = ((), 0.0)
    for key in {**hours, **measuring}:
        chain = plan.trainings[key].chain()
        took = sum(hours.get(training.key, 0.0) + measuring.get(training.key, 0.0) for training in chain)
        if took > longest[1]:
            longest = tuple(training for training in chain if training.key in hours or training.key in measuring), took
    return longest
