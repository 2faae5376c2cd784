"""Where the images of a batch come from: the device's own memory where the set fits, else the host's, a step ahead.

A set lies decoded as uint8; what random scaling, cropping, flipping and padding read of it must be on the device. The
copy of a GPU is made once if it takes a fair share of the free memory at most; else the rows of each batch are gathered
into pinned memory by a thread while the step before is computed. On a CPU a thread makes the samples themselves
meanwhile. All give the same batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from repro.data import augment
from repro.data.augment import VOID, AugmentationDraw
from repro.data.images import PaddedSplit
from repro.data.transfer import onto
from repro.spec.protocol import Pretrain, Train

RESIDENT_SHARE = 0.3
"""Of a GPU's free memory: VOC's trainaug (11 GB) lies on a card of 40 GB, COCO's images on none."""

STEPS_AHEAD = 2
"""Batches read from the host that a GPU may have before it."""


@dataclass(frozen=True)
class Batch:
    """What a batch of B samples is made of, on the device: images to take from, and the packed draw (B, 6) int64."""

    pixels: Tensor
    """(N, H, W, 3) uint8."""
    labels: Tensor
    """(N, H, W) uint8."""
    sizes: Tensor
    """(N, 2) int32: true heights and widths."""
    drawn: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """All four."""
        return self.pixels, self.labels, self.sizes, self.drawn

    def samples(self, train: Train | Pretrain, *, fused: bool = False) -> tuple[Tensor, Tensor]:
        """Scaled, cropped, flipped, padded: images (B, 3, crop, crop) float32, labels (B, crop, crop) int64.

        `fused`: by one Triton kernel.
        """
        sample = augment.sample
        if fused:
            from repro.data import fused_augment  # Triton is not everywhere

            sample = fused_augment.sample
        padding = 0 if isinstance(train, Train) and train.label_padding == "background" else VOID
        x, y = sample(self.pixels, self.labels, self.sizes, self.drawn, train.crop, label_padding=padding)
        if isinstance(train, Train) and train.void == "background":
            y = y.masked_fill(y == VOID, 0)
        return x, y


def fits(images: PaddedSplit, device: torch.device) -> bool:
    """Whether the whole set shall lie on the device; a CPU reads it where it is."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return images.pixels.nbytes + images.labels.nbytes <= RESIDENT_SHARE * free


Prepared = TypeVar("Prepared")


class _Ahead(Generic[Prepared]):
    """What `make` returns for a step; that for the next one, if there is one, is then made by the thread."""

    def __init__(self, thread: ThreadPoolExecutor, make: Callable[[int], Prepared], steps: int) -> None:
        self._thread, self._make, self._steps = thread, make, steps
        self._next: tuple[int, Future[Prepared]] | None = None

    def __call__(self, step: int) -> Prepared:
        expected, future = self._next or (None, None)
        made = future.result() if future is not None and expected == step else self._make(step)
        if step + 1 < self._steps:
            self._next = step + 1, self._thread.submit(self._make, step + 1)
        return made


class Prefetcher:
    """The batches of a training by step; a context that ends its thread.

    `order` (M,) are the images of one pass; `mine` is this process's part of a batch. `resident`: whether the set lies
    on the device (None: if it fits); `fused`: whether one Triton kernel makes the samples.
    """

    def __init__(
        self,
        images: PaddedSplit,
        order: npt.NDArray[np.int64],
        train: Train | Pretrain,
        seed: int,
        mine: slice,
        device: torch.device,
        *,
        resident: bool | None = None,
        fused: bool = False,
    ) -> None:
        self._images, self._order, self._train, self._seed, self._mine = images, order, train, seed, mine
        self._device, self._fused = device, fused
        self._sizes = images.sizes[order]
        self._whole: tuple[Tensor, ...] | None = None
        if fits(images, device) if resident is None else resident:
            arrays = (images.pixels, images.labels, images.sizes)
            self._whole = tuple(torch.from_numpy(array).to(device) for array in arrays)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._taken: deque[torch.cuda.Event] = deque()
        self._rows = _Ahead(self._thread, self._gather, train.iterations)
        self._samples = _Ahead(self._thread, lambda step: self(step).samples(train), train.iterations)

    @property
    def resident(self) -> bool:
        """Whether the set lies on the device."""
        return self._whole is not None

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        if self._whole is not None:
            pixels, labels, sizes = self._whole
            return Batch(pixels, labels, sizes, onto(self.draw(step).packed(), self._device))
        batch = Batch(*(onto(row, self._device) for row in self._rows(step)))
        if self._device.type == "cuda":
            self._keep_pace()
        return batch

    def _keep_pace(self) -> None:
        """Wait until the device has taken the batch of some steps ago.

        A host that reads no loss runs ahead by as many steps as the device's queue holds, and would pin a batch for
        each.
        """
        taken = torch.cuda.Event()  # type: ignore[no-untyped-call]
        taken.record()
        self._taken.append(taken)
        if len(self._taken) > STEPS_AHEAD:
            self._taken.popleft().synchronize()

    def samples(self, step: int) -> tuple[Tensor, Tensor]:
        """The samples of a step's batch. A GPU makes them when it comes to them, a CPU beside the step before."""
        if self._device.type != "cuda":
            return self._samples(step)
        return self(step).samples(self._train, fused=self._fused)

    def draw(self, step: int) -> AugmentationDraw:
        """Which images, scales, crops and flips this process's part of a step's batch has."""
        train = self._train
        drawn = augment.draw(
            self._seed,
            step,
            self._sizes,
            batch_size=train.batch_size,
            crop=train.crop,
            scales=train.scales,
            scale_per=train.scale_per if isinstance(train, Train) else "batch",
            flip=train.flip if isinstance(train, Train) else True,
            squash=train.squash if isinstance(train, Train) else None,
        )
        mine = self._mine
        return AugmentationDraw(self._order[drawn.index[mine]], drawn.size[mine], drawn.corner[mine], drawn.flip[mine])

    def _gather(self, step: int) -> tuple[Tensor, ...]:
        """The images of a step's batch alone, and its draw counted in these; on the host."""
        drawn, images = self.draw(step), self._images
        rows = [torch.from_numpy(array[drawn.index]) for array in (images.pixels, images.labels, images.sizes)]
        packed = drawn.packed()
        packed[:, 0] = np.arange(len(packed))
        rows.append(torch.from_numpy(packed))
        return tuple(row.pin_memory() if self._device.type == "cuda" else row for row in rows)
