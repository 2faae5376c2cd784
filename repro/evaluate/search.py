"""Cross-validation of the CRF's bilateral kernel (v2, section 4.1): coarse to fine, on the first images of a split.

Every combination of the listed w1, sigma_alpha and sigma_beta refines the network's stored probabilities; the one with
the highest mean IOU over the search images wins, of equals the first tried. Then, `crf.refinements` times, the (up to
26) neighbours of the best at half the step before. w2, sigma_gamma and the iterations stay as they are. Void is never
scored.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from repro.data.transfer import onto
from repro.errors import InputError
from repro.evaluate.confusion import confusion, predicted
from repro.evaluate.crf import refine
from repro.evaluate.meanfield import Kernels, batches, check
from repro.evaluate.memory import freed_memory_kept
from repro.files import Damaged, read, remove, seal, unseal, write
from repro.metrics import miou
from repro.spec.protocol import CRF


@dataclass(frozen=True)
class Trial:
    """One combination and the mean IOU in [0, 1] it reached on the search images; NaN if no pixel could be scored."""

    w1: float
    sigma_alpha: float
    sigma_beta: float
    miou: float
    round: int
    """0: of the coarse grid."""

    @property
    def combination(self) -> Combination:
        return self.w1, self.sigma_alpha, self.sigma_beta


Combination = tuple[float, float, float]
"""w1, sigma_alpha, sigma_beta."""
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class SearchResult:
    """What a search leaves."""

    trials: tuple[Trial, ...]
    images: tuple[str, ...]
    """Names of the search images."""
    seconds: float
    """All runs of the search together."""

    @property
    def best(self) -> Trial:
        return best_of(self.trials)


@dataclass(frozen=True)
class SearchImage:
    """A search image: `probabilities()` reads (C, H, W) float16 from disk, pixels (H, W, 3) and truth (H, W) uint8."""

    name: str
    probabilities: Callable[[], npt.NDArray[np.float16]]
    pixels: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]


def best_of(trials: Iterable[Trial]) -> Trial:
    """The trial with the highest mean IOU; the first of equals."""
    return max(trials, key=lambda trial: -1.0 if np.isnan(trial.miou) else trial.miou)


def coarse(crf: CRF) -> tuple[Combination, ...]:
    """Every combination of the lists, the last one (sigma_beta) fastest."""
    return _combinations(*_axes(crf))


def around(best: Combination, crf: CRF, level: int) -> tuple[Combination, ...]:
    """The best and its neighbours, at 1 / 2**level of the smaller of the steps beside it; what is not listed stays."""
    axes = []
    for value, listed in zip(best, _axes(crf), strict=True):
        ordered = sorted(listed)
        # beyond the list's ends its outermost step goes on
        inside = min(max(value, ordered[0]), ordered[-1])
        step = min((b - a for a, b in itertools.pairwise(ordered) if a <= inside <= b and b > a), default=0.0)
        near = (value - step / 2**level, value, value + step / 2**level) if step else (value,)
        axes.append(tuple(number for number in near if number > 0))
    return _combinations(*axes)


def _combinations(w1: Numbers, sigma_alpha: Numbers, sigma_beta: Numbers) -> tuple[Combination, ...]:
    return tuple(itertools.product(w1, sigma_alpha, sigma_beta))


def _axes(crf: CRF) -> tuple[Numbers, Numbers, Numbers]:
    w1, sigma_alpha, sigma_beta = (
        v if isinstance(v, tuple) else (v,) for v in (crf.w1, crf.sigma_alpha, crf.sigma_beta)
    )
    return w1, sigma_alpha, sigma_beta


@freed_memory_kept()
def search(
    samples: Sequence[SearchImage],
    classes: int,
    crf: CRF,
    device: torch.device,
    notes: Path,
    should_stop: Callable[[], bool] = lambda: False,
    on_trial: Callable[[int, int], None] = lambda _done, _of: None,
    warn: Callable[[str], None] = lambda _text: None,
) -> SearchResult | None:
    """Search `crf`'s lists on `samples`; None if asked to stop.

    `notes` is a file in an existing folder: what was tried is kept there and not tried again; `tell` hears where it was
    damaged. `on_trial` is told how many combinations are done, of at most how many. Raises InputError as `refine` does,
    and for labels of another size.
    """
    for sample in samples:
        if sample.truth.shape != sample.pixels.shape[:2]:
            raise InputError(
                f"CRF search: {sample.name}: truth {sample.truth.shape} and image {sample.pixels.shape} differ in "
                "size. Give each image labels of its own size."
            )
    trials, before = _read(notes, warn)
    done = {trial.combination: trial for trial in trials}
    began = time.monotonic()
    for level in range(crf.refinements + 1):
        earlier = [trial for trial in done.values() if trial.round < level]
        wanted = around(best_of(earlier).combination, crf, level) if earlier else coarse(crf)
        for group in _by_sigmas([combination for combination in wanted if combination not in done]):
            matrices = _matrices(group, samples, classes, crf, device, should_stop)
            if matrices is None:
                return None
            for combination, matrix in zip(group, matrices, strict=True):
                done[combination] = Trial(*combination, float(miou(matrix)), level)
            _write(notes, done.values(), before + time.monotonic() - began)
            on_trial(len(done), crf.combinations)
    names = tuple(sample.name for sample in samples)
    return SearchResult(tuple(done.values()), names, before + time.monotonic() - began)


def _by_sigmas(combinations: Sequence[Combination]) -> Iterator[list[Combination]]:
    """Those that differ in w1 only share their lattices."""
    groups: dict[tuple[float, float], list[Combination]] = {}
    for combination in combinations:
        groups.setdefault(combination[1:], []).append(combination)
    yield from groups.values()


def _matrices(
    group: Sequence[Combination],
    samples: Sequence[SearchImage],
    classes: int,
    crf: CRF,
    device: torch.device,
    should_stop: Callable[[], bool],
) -> list[npt.NDArray[np.int64]] | None:
    """For each combination of equal sigmas the (C, C) confusion over all samples; None if asked to stop."""
    total = np.zeros((len(group), classes, classes), dtype=np.int64)
    # the Gaussian kernel's lattice is kept from one image to the next of the same size
    ordered = sorted(samples, key=lambda sample: sample.truth.shape)
    pixels = [onto(sample.pixels, device) for sample in ordered]
    for batch in batches(pixels, classes * len(group)):
        if should_stop():
            return None
        scores = [onto(sample.probabilities(), device).float() for sample in ordered[batch]]
        labels = _labels(group, scores, pixels[batch], crf)
        truth = onto(np.concatenate([sample.truth.reshape(-1) for sample in ordered[batch]]), device)
        total += confusion(truth.repeat(len(group), 1, 1), labels.t()[:, None], classes).cpu().numpy()
    return list(total)


def _labels(group: Sequence[Combination], scores: Sequence[Tensor], pixels: Sequence[Tensor], crf: CRF) -> Tensor:
    """(N, len(group)) int64: the labels of all pixels of a batch after each combination."""
    chosen = [
        crf.model_copy(update=dict(zip(("w1", "sigma_alpha", "sigma_beta"), combination, strict=True)))
        for combination in group
    ]
    if crf.backend == "pydensecrf":
        refined = [refine(scores, pixels, combination) for combination in chosen]
        rows = [torch.cat([predicted(image, dim=0).view(-1) for image in images]) for images in refined]
        return torch.stack(rows, dim=1)
    check(scores, pixels, crf)
    _, sigma_alpha, sigma_beta = group[0]
    kernels = Kernels.build(pixels, sigma_alpha, sigma_beta, crf.sigma_gamma, crf.normalization)
    return kernels.labels(scores, [w1 for w1, _, _ in group], crf.w2, crf.iterations)


def _read(notes: Path, warn: Callable[[str], None]) -> tuple[list[Trial], float]:
    """What earlier runs tried, and their seconds; nothing where the file is missing, or damaged, which is told."""
    try:
        content = unseal(read(notes))
        trials = [Trial(**{**t, "miou": np.nan if t["miou"] is None else t["miou"]}) for t in content["trials"]]
        return trials, float(content["seconds"])
    except FileNotFoundError:
        remove(notes)  # a link that leads nowhere
    except (OSError, Damaged, ValueError, KeyError, TypeError) as error:
        remove(notes)
        warn(f"{notes}: {error}. The search begins again.")
    return [], 0.0


def _write(notes: Path, trials: Iterable[Trial], seconds: float) -> None:
    rows = [{**vars(t), "miou": None if np.isnan(t.miou) else t.miou} for t in trials]
    write(notes, seal({"trials": rows, "seconds": seconds}))
