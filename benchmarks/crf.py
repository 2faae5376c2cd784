"""Dense CRF: our tensor operations against pydensecrf, on the same images, in one run.

    python benchmarks/crf.py                                    # drawn scenes of 500 x 375, 21 classes, 10 iterations
    python benchmarks/crf.py --photographs DIR --images 5       # your own photographs
    python benchmarks/crf.py --device cuda --images 20          # also the GPU, all images in one batch
    python benchmarks/crf.py --normalization symmetric          # pydensecrf's default
    python benchmarks/crf.py --search 1                         # also the papers' search: how long for 100 images?

The implementations take turns, so that whatever else the machine does falls on all of them; reported is the median over
turns, and the median of each turn's ratio to pydensecrf with its range. CPU seconds are those of all threads: on a busy
machine they say more than the time on the clock (threads that wait for each other count, too). Lattices are built anew
each time, but for the Gaussian kernel's of one size, which ours keeps. The floor is the time in which the device could
move the bytes that the iterations must read and write once, at the bandwidth of a copy measured beside; it leaves out
building the lattices. Prints a table, then JSON (or writes it: --json FILE). `repro bench` calls `bench`.
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
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from repro.data.look import Look
from repro.data.scenes import draw
from repro.evaluate.crf import refine
from repro.evaluate.meanfield import Kernels, bilateral
from repro.evaluate.permutohedral import Filter
from repro.evaluate.search import Sample, search
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
    pixels = photographs(options.photographs, options.images) if options.photographs else scenes(options.images)
    source = "photographs" if options.photographs else "scenes"
    report = measure(crf, pixels, options.device, options.repeats, options.search, source)
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
    parser.add_argument("--search", type=int, default=0, metavar="N", help="time the papers' search on N images, too")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this machine has no GPU that PyTorch can use.")
    if min(options.images, options.repeats, options.threads) < 1 or options.search < 0:
        parser.error("--images, --repeats and --threads must be 1 or more, --search 0 or more.")
    if options.photographs is not None and not options.photographs.is_dir():
        parser.error(f"--photographs {options.photographs}: no such folder.")
    return options


def bench(device: str) -> list[Row]:
    """Rows for `repro bench`: seconds per image of each implementation, and of the papers' search of 100 images."""
    from .turns import Row

    crf = CRF.model_validate("v2-resnet101")
    found = measure(crf, scenes(20 if device.startswith("cuda") else 2), device, repeats=3, search_images=1)
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
    took = found["search"]
    note = f"{took['combinations']} combinations, {took['measured_images']} image measured"
    return [*rows, Row("dense CRF, search of 100 images", took["seconds_for_100"], "s", note=note)]


def scenes(count: int) -> list[Tensor]:
    """(375, 500, 3) uint8 each: the embedded data set's form, drawn large."""
    look = Look(side=WIDTH, min_radius=40.0, max_radius=160.0, half_width=8.0)
    return [torch.from_numpy(draw(look, "val", k)[0][:HEIGHT].copy()) for k in range(count)]


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


def measure(
    crf: CRF, pixels: list[Tensor], device: str, repeats: int, search_images: int = 0, source: str = "scenes"
) -> dict[str, Any]:
    """What was measured, on what, and a row per implementation; with `search_images` also the papers' search."""
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
        **({"search": timed_search(probabilities, pixels, device, search_images)} if search_images else {}),
    }


def timed_search(probabilities: list[Tensor], pixels: list[Tensor], device: str, count: int) -> dict[str, Any]:
    """Seconds of the papers' search on the first `count` images, and, each image taking as long, on 100.

    All combinations of the coarse grid and of one round around its best are tried on these images.
    """
    crf = CRF()
    labels = [p.argmax(0).to(torch.uint8).numpy() for p in probabilities[:count]]
    samples = [
        Sample(str(k), p.half().numpy, image.numpy(), truth)
        for k, (p, image, truth) in enumerate(zip(probabilities, pixels, labels, strict=False))
    ]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        found = search(samples, CLASSES, crf, torch.device(device), Path(folder) / "search.json")
        took = time.perf_counter() - began
    if found is None:
        raise RuntimeError("nobody asked it to stop")
    return {
        "measured_images": len(samples),
        "combinations": len(found.trials),
        "seconds": took,
        "seconds_for_100": took / len(samples) * 100,
        "device": device,
    }


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
        far = [p.cuda() for p in probabilities], [image.cuda() for image in pixels]

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
        if name != "pydensecrf":
            row["floor_seconds"] = floor(crf, pixels, "cuda" if name.endswith("GPU") else "cpu")
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
    images = [image.to(device) for image in pixels]
    count = 0
    for image in images:  # one at a time, whatever the batch: memory
        _, sigma_alpha, sigma_beta = bilateral(crf)
        kernels = Kernels.build([image], sigma_alpha, sigma_beta, crf.sigma_gamma)
        table = 4 * CLASSES * HEIGHT * WIDTH
        # besides the filters: both messages and the scores read, the sum written, read and written by the softmax
        count += crf.iterations * (traffic(kernels.bilateral) + traffic(kernels.gaussian) + 6 * table)
    return count / len(images) / bandwidth(device)


def traffic(kernel: Filter) -> int:
    """Bytes of one application: each stage reads its matrix and its input once and writes its output."""
    count, columns = 0, HEIGHT * WIDTH
    for stage in kernel.stages:
        count += 8 * len(stage.indices) + 4 * len(stage.offsets) + 4 * CLASSES * (columns + len(stage.offsets))
        columns = len(stage.offsets)
    return count


def bandwidth(device: str) -> float:
    """Bytes per second of a copy, read and written, the best of several."""
    source = torch.ones(2**26 if device == "cuda" else 2**24, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(8):
        if device == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        target.copy_(source)
        if device == "cuda":
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
        lines.append(
            f"papers' search, {took['combinations']} combinations, {took['device']}: {took['seconds']:.1f} s for "
            f"{took['measured_images']} image(s); 100 images at that rate: {took['seconds_for_100'] / 60:.0f} min"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
