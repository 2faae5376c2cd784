"""`repro data errors`: the ImageNet weights themselves, beside v3+ Table 4."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repro.commands.data import percent
from repro.commands.output import print_json, print_line, print_table
from repro.errors import InputError
from repro.run import pretrained_weights, session
from repro.spec.load import load_suite

TABLE = "v3plus/table4"
ROWS = {"resnet101": "Reproduced ResNet-101", "xception65": "Modified Xception"}
"""Which printed row a backbone belongs to; the others have none."""


def errors_of(
    backbones: Sequence[str], data: Path, weights: Path | None, count: int | None, device: str, as_json: bool
) -> None:
    """Print top-1 and top-5 errors of each backbone's weights on ImageNet's validation images. InputError."""
    from repro.data.imagenet import validation
    from repro.evaluate.classify import classifier, measure_errors, transform_of
    from repro.nets.state_dicts import read
    from repro.nets.weight_files import find
    from repro.run.device import torch_device

    if weights is None:
        raise InputError("--weights: give a folder with the weights' files, or hub to download them.")
    images = validation(data)[:count]
    place = torch_device(session.devices(device, 1)[0])
    published = {(c.row_label, c.metric): c.published for c in load_suite().find(TABLE).cells()}
    rows: list[dict[str, Any]] = []
    transforms = {backbone: transform_of(backbone) for backbone in backbones}
    for backbone, transform in transforms.items():
        if weights == pretrained_weights.folder():
            pretrained_weights.fetch(backbone, weights, print_line)
        path = find(weights, backbone)
        network = classifier(backbone, read(path), str(path))
        print_line(f"{backbone}: {len(images):,} images")
        measured = measure_errors(network, images, transform, place, percent())
        for metric, value in (("top1_error", measured.top1), ("top5_error", measured.top5)):
            printed = published.get((ROWS.get(backbone, ""), metric))
            error_row = {"id": f"{backbone}/{metric}", "kind": "measured", "published": printed, "value": 100 * value}
            rows.append({**error_row, "images": measured.images, "weights": path.name})
    if as_json:
        print_json(rows)
        return
    print_table(
        ("weights", "error", "v3+ Table 4", "here", "images"),
        [
            (
                row["weights"],
                row["id"],
                "" if row["published"] is None else f"{row['published']:.2f}",
                f"{row['value']:.2f}",
                f"{row['images']:,}",
            )
            for row in rows
        ],
    )
