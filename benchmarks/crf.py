"""Dense CRF: our tensor operations against pydensecrf, on the same images, in one run.

    python benchmarks/crf.py                                    # drawn scenes of 500 x 375, 21 classes, 10 iterations
    python benchmarks/crf.py --photographs DIR --images 5       # your own photographs
    python benchmarks/crf.py --device cuda --images 20          # also the GPU, all images in one batch
    python benchmarks/crf.py --normalization symmetric          # pydensecrf's default
    python benchmarks/crf.py --search 1 3                       # also the papers' search, on 1 and on 3 images: 100?

The implementations take turns, so that whatever else the machine does falls on all of them; reported is the median over
turns, and the median of each turn's ratio to pydensecrf with its range. CPU seconds are those of all threads: on a busy
machine they say more than the time on the clock (threads that wait for each other count, too). Lattices are built anew
each time, but for the Gaussian kernel's of one size, which ours keeps. The floor is the time in which the device could
move the bytes that the iterations must read and write once, at the bandwidth of a copy measured beside; it leaves out
building the lattices. The search tries the papers' whole grid and its refinement, from probabilities on disk; with two
numbers of images the time of 100 is read off the line through both.

Prints a table, then JSON (or writes it: --json FILE). `repro bench` calls `bench`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from repro.data.scene_settings import SceneSettings
from repro.data.scenes import draw
from repro.evaluate.crf import refine
from repro.evaluate.meanfield import Kernels, batches, bilateral
from repro.evaluate.probabilities import StoredProbabilities
from repro.evaluate.search import SearchImage, search
from repro.spec.presets import CRF_PRESETS
from repro.spec.protocol import CRF

if TYPE_CHECKING:
    from .turns import Row

HEIGHT, WIDTH, CLASSES = 375, 500, 21
SLOW = True


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    crf = CRF.model_validate({"preset": options.crf, "normalization": options.normalization})
    wanted = max(options.images, *options.search, 0)
    pixels = photographs(options.photographs, wanted) if options.photographs else scenes(wanted)
    source = "photographs" if options.photographs else "scenes"
    report = measure(crf, pixels[: options.images], options.device, options.repeats, source)
    if options.search:
        report["search"] = timed_search(pixels, options.device, options.search)
    print(table(report))
    text = json.dumps(report, indent=2)
    if options.json:
        Path(options.json).write_text(text + "\n")
    else:
        print(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Dense CRF: tensor operations against pydensecrf.")
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5, help="turns of each implementation, after one to warm up")
    parser.add_argument("--threads", type=int, default=2, help="of ours; pydensecrf has one")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--photographs", type=Path, help="folder of photographs, resized to 500 x 375")
    parser.add_argument("--json", help="write the figures here instead of printing them")
    parser.add_argument("--crf", choices=[name for name, told in CRF_PRESETS.items() if told], default="v2-resnet101")
    parser.add_argument("--normalization", choices=("after", "symmetric"), default="after")
    parser.add_argument(
        "--search", type=int, nargs="+", default=[], metavar="N", help="time the papers' search on the first N images"
    )
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this machine has no GPU that PyTorch can use.")
    if min(options.images, options.repeats, options.threads, *options.search) < 1:
        parser.error("--images, --repeats, --threads and --search must be 1 or more.")
    if options.photographs is not None and not options.photographs.is_dir():
        parser.error(f"--photographs {options.photographs}: no such folder.")
    return options


def bench(device: str) -> list[Row]:
    """Rows for `repro bench`: seconds per image of each implementation, and of the papers' search of 100 images."""
    from .turns import Row

    crf = CRF.model_validate("v2-resnet101")
    pixels = scenes(20 if device.startswith("cuda") else 2)
    found = measure(crf, pixels, device, repeats=3)
    rows = []
    for row in found["rows"]:
        name, against = f"dense CRF, {row['implementation']}", "pydensecrf" if "times_faster" in row else ""
        goal = {"torch, CPU": 1.0, "torch, GPU": 30.0}.get(row["implementation"])
        met = row["times_faster"] >= goal if goal and against else None
        rows.append(
            Row(
                name,
                row["seconds"],
                "s/image",
                against if goal else "",
                row.get("times_faster") if goal else None,
                tuple(row["times_faster_range"]) if goal and against else None,
                row.get("floor_seconds"),
                f"{goal:g} times pydensecrf or more" if goal else "",
                met,
            )
        )
    took = timed_search(pixels, device, [20] if device.startswith("cuda") else [1])
    note = f"{took['combinations']} combinations, {took['runs'][-1]['images']} images measured"
    floor_seconds = took["floor_seconds_per_image"] * 100
    return [*rows, Row("dense CRF, search of 100 images", took["seconds_for_100"], "s", floor=floor_seconds, note=note)]


def scenes(count: int) -> list[Tensor]:
    """(375, 500, 3) uint8 each: the embedded data set's form, drawn large."""
    settings = SceneSettings(side=WIDTH, min_radius=40.0, max_radius=160.0, half_width=8.0)
    return [torch.from_numpy(draw(settings, "val", k)[0][:HEIGHT].copy()) for k in range(count)]


def photographs(folder: Path, count: int) -> list[Tensor]:
    """The first `count` of a folder's pictures by name, (375, 500, 3) uint8 each."""
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:count]
    if not paths:
        sys.exit(f"--photographs {folder}: holds no .jpg or .png file.")
    pictures = [Image.open(p).convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC) for p in paths]
    return [torch.from_numpy(np.array(picture)) for picture in pictures]


def soft(image: Tensor, seed: int) -> Tensor:
    """(C, H, W) float32 probabilities as of a network at output stride 8: coarse, noisy, following the colours."""
    generator = torch.Generator().manual_seed(seed)
    small = (HEIGHT // 8 + 1, WIDTH // 8 + 1)
    brightness = interpolate(image.permute(2, 0, 1)[None].float().mean(1, keepdim=True), size=small, mode="area")
    guess = (brightness[0, 0] / 256 * CLASSES).long()
    scores = 4 * one_hot(guess, CLASSES).permute(2, 0, 1) + torch.randn(CLASSES, *small, generator=generator)
    return interpolate(scores[None], size=(HEIGHT, WIDTH), mode="bilinear", align_corners=True)[0].softmax(0)


def measure(crf: CRF, pixels: list[Tensor], device: str, repeats: int, source: str = "scenes") -> dict[str, Any]:
    """What was measured, on what, and a row per implementation."""
    probabilities = [soft(image, seed) for seed, image in enumerate(pixels)]
    return {
        "images": len(pixels),
        "source": source,
        "size": [HEIGHT, WIDTH],
        "classes": CLASSES,
        "crf": crf.model_dump(include={"w1", "sigma_alpha", "sigma_beta", "w2", "sigma_gamma", "iterations"})
        | {"normalization": crf.normalization},
        "repeats": repeats,
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "rows": compare(crf, probabilities, pixels, device, repeats),
    }


def timed_search(pixels: list[Tensor], device: str, counts: Sequence[int]) -> dict[str, Any]:
    """Seconds of the papers' search on the first so many images, for each of `counts`, and what follows for 100.

    All combinations of the coarse grid and of one round around its best are tried on these images, from probabilities
    on disk. One count: every image takes as long. Two or more: the line through the smallest and the largest.
    """
    crf = CRF()
    place = torch.device(device)
    runs: list[dict[str, Any]] = []
    found = None
    for count in sorted({min(count, len(pixels)) for count in counts}):
        with tempfile.TemporaryDirectory() as folder:
            kept = StoredProbabilities(Path(folder), count)
            kept.fill(lambda batch: [soft(pixels[k], k) for k in range(batch.start, batch.stop)], 1, lambda: False)
            samples = [
                SearchImage(str(k), partial(kept.read, k), pixels[k].numpy(), kept.read(k).argmax(0).astype(np.uint8))
                for k in range(count)
            ]
            began, used = time.perf_counter(), time.process_time()
            found = search(samples, CLASSES, crf, place, Path(folder) / "search.json", on_trial=progress(count))
            seconds, processor = time.perf_counter() - began, time.process_time() - used
        runs.append({"images": count, "seconds": seconds, "cpu_seconds": processor})
        runs[-1]["seconds_per_image"] = seconds / count
    if found is None:
        raise RuntimeError("nobody asked it to stop")
    side_by_side = Counter(trial.combination[1:] for trial in found.trials)
    return {
        "device": device,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "combinations": len(found.trials),
        "pairs_of_sigmas": len(side_by_side),
        "runs": runs,
        "seconds_for_100": at_100([(run["images"], run["seconds"]) for run in runs]),
        "cpu_seconds_for_100": at_100([(run["images"], run["cpu_seconds"]) for run in runs]),
        "floor_seconds_per_image": search_floor(crf, pixels[0], device, side_by_side),
    }


def at_100(points: Sequence[tuple[int, float]]) -> float:
    """(images, seconds) -> seconds of 100 images: by proportion, or on the line through the first and the last."""
    (few, short), (many, long) = points[0], points[-1]
    return short / few * 100 if few == many else short + (long - short) / (many - few) * (100 - few)


def progress(images: int) -> Callable[[int, int], None]:
    """Tells a terminal how far a search is."""

    def told(done: int, of: int) -> None:
        if sys.stderr.isatty():
            print(f"\rsearch on {images} image(s): {done} of {of} combinations", end="", file=sys.stderr)

    return told


def compare(
    crf: CRF, probabilities: list[Tensor], pixels: list[Tensor], device: str, repeats: int
) -> list[dict[str, Any]]:
    """One row per implementation: seconds and CPU seconds per image, ratio to pydensecrf, agreement with it."""
    ours = crf.model_copy(update={"backend": "torch"})
    theirs = crf.model_copy(update={"backend": "pydensecrf"})
    contenders: dict[str, Callable[[], list[Tensor]]] = {"torch, CPU": lambda: refine(probabilities, pixels, ours)}
    try:
        import pydensecrf.densecrf  # noqa: F401

        contenders = {"pydensecrf": lambda: refine(probabilities, pixels, theirs), **contenders}
    except ImportError:
        print("pydensecrf is not installed: no ratio, no agreement.", file=sys.stderr)
    if device.startswith("cuda"):
        far = [p.to(device) for p in probabilities], [image.to(device) for image in pixels]

        def on_gpu() -> list[Tensor]:
            result = refine(*far, ours)
            torch.cuda.synchronize()
            return result

        contenders["torch, GPU"] = on_gpu

    results = {name: run() for name, run in contenders.items()}
    clock: dict[str, list[float]] = {name: [] for name in contenders}
    processor: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, run in contenders.items():
            began, used = time.perf_counter(), time.process_time()
            run()
            clock[name].append((time.perf_counter() - began) / len(pixels))
            processor[name].append((time.process_time() - used) / len(pixels))

    reference = results.get("pydensecrf")
    rows = []
    for name in contenders:
        row: dict[str, Any] = {
            "implementation": name,
            "seconds": statistics.median(clock[name]),
            "cpu_seconds": statistics.median(processor[name]),
        }
        if reference is not None:
            ratios = sorted(a / b for a, b in zip(clock["pydensecrf"], clock[name], strict=True))
            row["times_faster"] = statistics.median(ratios)
            row["times_faster_range"] = [ratios[0], ratios[-1]]
            row.update(agreement(reference, results[name]))
        if name.endswith("GPU"):
            row["images_per_batch"] = max(some.stop - some.start for some in batches(far[1], CLASSES))
        if name != "pydensecrf":
            row["floor_seconds"] = floor(crf, pixels, device if name.endswith("GPU") else "cpu")
        rows.append(row)
    return rows


def agreement(reference: list[Tensor], result: list[Tensor]) -> dict[str, float]:
    """Marginals' mean absolute difference and the share of pixels with the same label, over all images."""
    a, b = torch.stack(reference), torch.stack([r.cpu() for r in result])
    return {
        "mean_difference": (a - b).abs().mean().item(),
        "largest_difference": (a - b).abs().max().item(),
        "same_label": (a.argmax(1) == b.argmax(1)).double().mean().item(),
    }


def floor(crf: CRF, pixels: list[Tensor], device: str) -> float:
    """Seconds per image in which the iterations' bytes could be moved."""
    _, sigma_alpha, sigma_beta = bilateral(crf)
    count = 0
    for image in pixels:  # one at a time, whatever the batch: memory
        kernels = Kernels.build([image.to(device)], sigma_alpha, sigma_beta, crf.sigma_gamma)
        count += crf.iterations * traffic(kernels, 1)
    return count / len(pixels) / bandwidth(device)


def search_floor(crf: CRF, image: Tensor, device: str, side_by_side: Mapping[tuple[float, float], int]) -> float:
    """The same of a search on one image: for each pair of sigmas as many mean fields at once as were tried."""
    count = 0
    for (sigma_alpha, sigma_beta), tables in side_by_side.items():
        kernels = Kernels.build([image.to(device)], sigma_alpha, sigma_beta, crf.sigma_gamma)
        count += crf.iterations * traffic(kernels, tables)
    return count / bandwidth(device)


def traffic(kernels: Kernels, tables: int) -> int:
    """Bytes of one iteration with so many mean fields at once: every step reads its matrix and its input once and
    writes its output."""
    points = HEIGHT * WIDTH
    row = 4 * CLASSES * tables
    # besides the filters: both messages and the scores read, the sum written, read and written by the softmax
    count = 6 * row * points
    for kernel, slices in ((kernels.gaussian, 1), (kernels.bilateral, tables)):
        columns = points
        for stage in kernel.stages:
            count += 8 * len(stage.indices) + 4 * len(stage.offsets) + row * (columns + len(stage.offsets))
            columns = len(stage.offsets)
        count += slices * 8 * kernel.slices.indices.numel() + row * (columns + points)
    return count


def bandwidth(device: str) -> float:
    """Bytes per second of a copy, read and written, the best of several."""
    on_gpu = device.startswith("cuda")
    source = torch.ones(2**28 if on_gpu else 2**24, device=device)  # 1 GB: larger than any GPU's cache
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(8):
        if on_gpu:
            torch.cuda.synchronize()
        began = time.perf_counter()
        target.copy_(source)
        if on_gpu:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * source.numel() * 4 / best


def table(report: dict[str, Any]) -> str:
    head = f"{'':12} {'s/image':>9} {'CPU s/image':>12} {'times faster':>22} {'floor s':>9} {'mean diff':>10}"
    head += f" {'same label':>11}"
    lines = [
        f"{report['images']} {report['source']}, {WIDTH} x {HEIGHT}, {CLASSES} classes, "
        f"{report['crf']['iterations']} iterations, {report['threads']} threads, load {report['load']:.1f}",
        head,
    ]
    for row in report["rows"]:
        ratio = floor_seconds = difference = same = ""
        if "times_faster" in row:
            low, high = row["times_faster_range"]
            ratio = f"{row['times_faster']:.2f} ({low:.2f} - {high:.2f})"
            difference, same = f"{row['mean_difference']:.1e}", f"{row['same_label']:.5%}"
        if "floor_seconds" in row:
            floor_seconds = f"{row['floor_seconds']:.4f}"
        lines.append(
            f"{row['implementation']:12} {row['seconds']:9.4f} {row['cpu_seconds']:12.4f} {ratio:>22} "
            f"{floor_seconds:>9} {difference:>10} {same:>11}"
        )
    if took := report.get("search"):
        lines.append(f"papers' search, {took['combinations']} combinations, {took['device']}:")
        lines += [
            f"  {run['images']} image(s): {run['seconds']:.1f} s ({run['cpu_seconds']:.1f} CPU s), "
            f"{run['seconds_per_image']:.2f} s/image"
            for run in took["runs"]
        ]
        lines.append(
            f"  100 images at that rate: {took['seconds_for_100'] / 60:.1f} min, "
            f"{took['cpu_seconds_for_100'] / 3600:.2f} CPU h; floor {took['floor_seconds_per_image']:.2f} s/image"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
