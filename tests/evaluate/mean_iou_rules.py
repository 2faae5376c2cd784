"""Rules by which a mean IOU is computed, ours and others', and the predictions on which they are compared.

`docs/mean-iou.md` shows what each rule gives; `test_evaluate_mean_iou.py` writes its table and checks it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from repro.evaluate.confusion import confusion
from repro.metrics import measured_value, miou
from repro.spec.metric import MIOU

CLASSES, VOID = 4, 255
Labels = np.ndarray
"""(N, H, W) uint8."""


@dataclass(frozen=True)
class Case:
    """Predictions in batches, as an evaluation would see them."""

    title: str
    batches: tuple[tuple[Labels, Labels], ...]
    """(truth, prediction)."""

    @property
    def truth(self) -> Labels:
        return np.concatenate([truth for truth, _ in self.batches])

    @property
    def prediction(self) -> Labels:
        return np.concatenate([prediction for _, prediction in self.batches])


def cases() -> tuple[Case, ...]:
    """The same drawing throughout: what is said in the title is what is changed."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:24, :32]
    truths = []
    for k in range(4):
        truth = np.zeros((24, 32), np.uint8)
        truth[(x - 9 - 2 * k) ** 2 + (y - 9) ** 2 < (4 + k) ** 2] = 1
        truth[18:, : 6 * (k + 1)] = 2
        truth[3:6, 24 - k :] = 3
        truths.append(truth)
    truth = np.stack(truths)
    noisy = np.where(rng.random(truth.shape) < 0.12, rng.integers(0, CLASSES, truth.shape), truth)
    prediction = np.roll(noisy, (1, 1), (1, 2)).astype(np.uint8)
    void = truth.copy()
    void[:, 1:][truth[:, 1:] != truth[:, :-1]] = VOID
    absent = np.where(void == 3, 0, void), np.where(prediction == 3, 0, prediction)
    only_predicted = np.where(void == 3, 0, void), prediction
    empty = void.copy()
    empty[2] = VOID
    everything = empty.copy()
    everything[everything == 3] = 0
    return (
        Case("every class in truth and prediction", ((truth, prediction),)),
        Case("the same, a class in one image only", ((_only_in_first(truth, 3), _only_in_first(prediction, 3)),)),
        Case("void around objects", ((void, prediction),)),
        Case("a class absent from truth and prediction", (absent,)),
        Case("a class only predicted", (only_predicted,)),
        Case("an image of void alone", ((empty, prediction),)),
        Case("all of that, batches of 3 and 1", ((everything[:3], prediction[:3]), (everything[3:], prediction[3:]))),
    )


def _only_in_first(labels: Labels, label: int) -> Labels:
    out = labels.copy()
    out[1:][labels[1:] == label] = 0
    return out


def ours(case: Case) -> float:
    """One int64 matrix over everything, in whatever batches."""
    total = sum(_confusion(*batch).sum(axis=0) for batch in case.batches)
    return float(miou(total))


def _confusion(truth: Labels, prediction: Labels) -> np.ndarray:
    return confusion(torch.from_numpy(truth), torch.from_numpy(prediction), CLASSES).numpy()


def counted(truth: Labels, prediction: Labels) -> list[tuple[int, int, int]]:
    """(both, truth, prediction) pixels of each class, without void: counted one class at a time."""
    seen = truth != VOID
    return [
        (
            int(((truth == k) & (prediction == k) & seen).sum()),
            int(((truth == k) & seen).sum()),
            int(((prediction == k) & seen).sum()),
        )
        for k in range(CLASSES)
    ]


def by_definition(truth: Labels, prediction: Labels, absent: float | None = None, *, in_truth: bool = False) -> float:
    """Mean over classes of both / (truth + prediction - both); `absent`: the value of a class in neither, None: left
    out; `in_truth`: classes that are not in the truth are left out.
    """
    values = []
    for both, true, predicted in counted(truth, prediction):
        union = true + predicted - both
        if in_truth and not true:
            continue
        if union:
            values.append(both / union)
        elif absent is not None:
            values.append(absent)
    return float(np.mean(values)) if values else float("nan")


def mean_over(parts: Sequence[tuple[Labels, Labels]]) -> float:
    """Mean over parts of the mean IOU of each one's own."""
    values = [by_definition(*part) for part in parts]
    return float(np.nanmean(values))


def mean_over_pairs(truth: Labels, prediction: Labels) -> float:
    """Mean over all pairs of an image and a class that occurs in its truth or prediction."""
    values = []
    for one, other in zip(truth, prediction, strict=True):
        values += [
            both / (true + predicted - both) for both, true, predicted in counted(one, other) if true + predicted - both
        ]
    return float(np.mean(values))


def background(truth: Labels) -> Labels:
    """Void taken for class 0."""
    return np.where(truth == VOID, 0, truth)


def jaccard_index(case: Case) -> float:
    """torchmetrics' JaccardIndex as an evaluation uses it."""
    import torchmetrics

    metric = torchmetrics.JaccardIndex(task="multiclass", num_classes=CLASSES, ignore_index=VOID)
    for truth, prediction in case.batches:
        metric.update(torch.from_numpy(prediction).long(), torch.from_numpy(truth).long())
    return float(metric.compute())


def segmentation_mean_iou(case: Case) -> float:
    """torchmetrics' segmentation.MeanIoU: knows no void, so void becomes background in truth."""
    from torchmetrics.segmentation import MeanIoU

    metric = MeanIoU(num_classes=CLASSES, input_format="index")
    for truth, prediction in case.batches:
        metric.update(torch.from_numpy(prediction).long(), torch.from_numpy(background(truth)).long())
    return float(metric.compute())


def smp(case: Case, reduction: str) -> float:
    """segmentation_models_pytorch: counts of each image and class, reduced in one of its ways."""
    from segmentation_models_pytorch import metrics

    counts = [
        metrics.get_stats(
            torch.from_numpy(prediction).long(),
            torch.from_numpy(truth).long(),
            mode="multiclass",
            num_classes=CLASSES,
            ignore_index=VOID,
        )
        for truth, prediction in case.batches
    ]
    return float(metrics.iou_score(*(torch.cat(parts) for parts in zip(*counts, strict=True)), reduction=reduction))


@dataclass(frozen=True)
class Rule:
    """A way to compute a mean IOU."""

    name: str
    value: Callable[[Case], float]
    why: str
    needs: str = ""
    """The package that computes it."""


RULES = (
    Rule("**ours**", ours, "the papers' rule: one matrix over the set; void is not counted; a class in neither truth "
         "nor prediction is left out; one that is only predicted counts 0"),
    Rule("the same, by definition", lambda c: by_definition(c.truth, c.prediction),
         "counted class by class, no matrix"),
    Rule("absent classes count 0", lambda c: by_definition(c.truth, c.prediction, 0.0), "a division by at least 1"),
    Rule("absent classes count 1", lambda c: by_definition(c.truth, c.prediction, 1.0), "0 / 0 taken for agreement"),
    Rule("classes in the truth alone", lambda c: by_definition(c.truth, c.prediction, in_truth=True),
         "what is only predicted costs nothing of its own"),
    Rule("mean over images", lambda c: measured_value(MIOU, _confusion(c.truth, c.prediction), "image"),
         "each image's own mean, over the classes it has; `evaluate.average = \"image\"`, a known mistake"),
    Rule("mean over pairs of image and class", lambda c: mean_over_pairs(c.truth, c.prediction),
         "images with many classes count more"),
    Rule("mean over batches", lambda c: mean_over(c.batches), "moves with the batch size and the order"),
    Rule("void is background", lambda c: by_definition(background(c.truth), c.prediction),
         "`evaluate.void = \"background\"`, a known mistake"),
    Rule("torchmetrics `JaccardIndex`", jaccard_index, "macro average with `ignore_index`: ours", "torchmetrics"),
    Rule("torchmetrics `MeanIoU`", segmentation_mean_iou,
         "a mean over pairs of image and class; it knows no void, here counted as background", "torchmetrics"),
    Rule("smp `iou_score`, macro", lambda c: smp(c, "macro"),
         "one count over the set; an absent class is 1 (`zero_division`)",
         "segmentation_models_pytorch"),
    Rule("smp, macro-imagewise", lambda c: smp(c, "macro-imagewise"), "a mean over images; an absent class is 1",
         "segmentation_models_pytorch"),
    Rule("smp, micro", lambda c: smp(c, "micro"), "all classes' pixels in one fraction: large classes decide",
         "segmentation_models_pytorch"),
    Rule("smp, micro-imagewise", lambda c: smp(c, "micro-imagewise"),
         "the same, a mean over images; an empty image is 1",
         "segmentation_models_pytorch"),
)  # fmt: skip
