"""Options that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from repro.run import pretrained_weights
from repro.train.launch_modes import Kernels, LaunchMode

Tables = Annotated[list[str], typer.Argument(metavar="TABLE...", help="Ids, aliases, or all.", show_default=False)]
ScaleOption = Annotated[
    str | None,
    typer.Option(
        help="paper, small, tiny or smoke. Default: small where there is a GPU, else tiny.", show_default=False
    ),
]
SeedsOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Seeds per cell, 0 to N-1. Default: 1; judging claims takes 5.", show_default=False),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Only cells with this setting, e.g. --only last_block=7. Repeatable.",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change any key of the protocol, e.g. --set train.iterations=300. Repeatable.",
        show_default=False,
    ),
]
Sweep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE,VALUE",
        help="Each cell with each of these values, e.g. --sweep train.lr=0.004,0.008. Repeated: every combination.",
        show_default=False,
    ),
]
DatasetOption = Annotated[
    str | None, typer.Option(help="Data set instead of the scale's, e.g. camvid.", show_default=False)
]
DataDir = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder of that data set.", show_default=False)
]
WeightsTrained = Annotated[
    Path | None,
    typer.Option(
        "--weights-trained",
        metavar="FILE",
        help="Weights of a network that is trained already, .safetensors or .pth: cells are evaluated with it, and "
        "nothing is trained. With --set model.implementation=module:function any network.",
        show_default=False,
    ),
]
WeightsDir = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="DIR|hub",
        help="Folder of ImageNet weights, e.g. resnet101*.pth, or hub: torchvision's and timm's, downloaded. Scale "
        "paper starts from them.",
        show_default=False,
        callback=pretrained_weights.chosen,
    ),
]
CrfBackend = Annotated[
    Literal["pydensecrf", "torch"] | None,
    typer.Option(
        help="What computes the CRF of cells that have one; --set 'evaluate.crf?.backend=...'.", show_default=False
    ),
]
Crf = Annotated[
    str | None,
    typer.Option(
        "--crf",
        metavar="PRESET",
        help="Parameters of the CRF: search, v2-vgg16, v2-resnet101, release-template, v1, v1-msc or v1-coco; "
        "--set 'evaluate.crf?=...'.",
        show_default=False,
    ),
]
StoreDir = Annotated[Path, typer.Option("--store", metavar="DIR", help="Where records are kept.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where reports are written.")]
TablesDir = Annotated[
    Path | None,
    typer.Option(
        "--tables", metavar="DIR", help="Your own paper's specs, besides the built-in ones.", show_default=False
    ),
]
AnyCode = Annotated[
    bool,
    typer.Option(
        "--any-code", help="Accept records made by other versions of the code if all else is equal; reports say so."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Trainings at the same time. Default: one per GPU, or per CPU core.", show_default=False
    ),
]

ExecutorOption = Annotated[
    str, typer.Option(help="local: this machine. ray, slurm: a cluster whose machines share the store's folder.")
]
SlurmOptions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE", help="Option of sbatch, e.g. --slurm partition=gpu. Repeatable.", show_default=False
    ),
]
GpusPerTraining = Annotated[
    int,
    typer.Option(metavar="N", help="GPUs that train one network together, in the same batches as one does."),
]
MicroBatch = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Images of a batch that are computed at once, where memory is short; --set train.micro_batch=N. A "
        "departure where batch normalisation learns.",
        show_default=False,
    ),
]
HowLaunched = Annotated[
    LaunchMode,
    typer.Option(
        "--launch",
        help="How steps reach the device: eager, operation by operation; captured, as one CUDA graph a step; compiled, "
        "by torch.compile; compiled+captured, both. The same training but for rounding.",
    ),
]
WhoseKernels = Annotated[
    Kernels,
    typer.Option(
        "--kernels",
        help="Whose code computes a step on a GPU: torch's own; fused, Triton kernels for samples and loss. The same "
        "training but for rounding.",
    ),
]
TensorBoard = Annotated[
    Path | None,
    typer.Option("--tensorboard", metavar="DIR", help="Write scalars for TensorBoard there.", show_default=False),
]

STORE, OUT, BASELINES = Path("runs"), Path("reports/local"), Path("reports/baselines")
REFERENCES = Path("reports/reference")


def overrides_of(
    assignments: list[str] | None, crf: str | None, crf_backend: str | None, micro_batch: int | None = None
) -> tuple[str, ...]:
    """All changes of the protocol, in the words of --set."""
    options = {"evaluate.crf?": crf, "evaluate.crf?.backend": crf_backend, "train.micro_batch": micro_batch}
    return (*(assignments or ()), *(f"{key}={value}" for key, value in options.items() if value is not None))


def how_given(**given: tuple[object, object]) -> tuple[tuple[str, str | Path], ...]:
    """(option, value) of those whose value is not their default: name = (value, default); lists give several."""
    options: list[tuple[str, str | Path]] = []
    for name, (value, default) in given.items():
        if value is None or value == default:
            continue
        for item in value if isinstance(value, list) else [value]:
            options.append((f"--{name.replace('_', '-')}", item if isinstance(item, Path) else str(item)))
    return tuple(options)
