"""`repro data`: signatures and help of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro.commands.options import STORE, DataDir, Device, Json, StoreDir, WeightsDir

data_app = typer.Typer(no_args_is_help=True, help="Look at data sets.", rich_markup_mode=None)


@data_app.command("list")
def data_list(json: Json = False) -> None:
    """List the data sets with their classes and splits.

    Example:  repro data list
    """
    from repro.commands.data import list_sets

    list_sets(json)


@data_app.command("show")
def data_show(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Data set.")] = "scenes",
    data: DataDir = None,
    split: Annotated[str, typer.Option(help="Split.")] = "train",
    count: Annotated[int, typer.Option(min=1, max=400, help="How many images.")] = 24,
    side: Annotated[int | None, typer.Option(min=16, help="Longer side in pixels.", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("data.png"),
    store: StoreDir = STORE,
) -> None:
    """Draw a sheet of images and labels.

    Example:  repro data show scenes --out scenes.png
    """
    from repro.commands.data import show_sheet

    show_sheet(name, data, split, count, side, out, store)


@data_app.command("verify", short_help="Check every file of a data set against the papers' numbers.")
def data_verify(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Data set.")],
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Its folder.")],
    store: StoreDir = STORE,
    json: Json = False,
) -> None:
    """Read every file of a data set; check counts, sizes and labels against the papers' numbers.

    Example:  repro data verify voc2012 --data VOCdevkit
    """
    from repro.commands.data import verify_set

    raise typer.Exit(verify_set(name, data, store, json))


@data_app.command("errors", short_help="Top-1 and top-5 error of ImageNet weights.")
def data_errors(
    backbones: Annotated[
        list[str] | None,
        typer.Argument(metavar="BACKBONE...", help="For example resnet50, xception71."),
    ] = None,
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="ImageNet's folder.")] = Path("."),
    weights: WeightsDir = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first images.", show_default=False)
    ] = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Top-1 and top-5 error of ImageNet weights on the validation images, beside v3+ Table 4.

    Example:  repro data errors resnet101 xception65 --data imagenet --weights hub
    """
    from repro.commands.imagenet import errors_of

    errors_of(backbones or ["resnet101", "xception65"], data, weights, count, device, json)


@data_app.command("prepare", short_help="Download and unpack a data set where that is allowed.")
def data_prepare(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Data set.")],
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="Where to put it.")],
) -> None:
    """Download and unpack a data set where that is allowed; else say what to download and where to put it.

    Example:  repro data prepare voc2012 --root data
    """
    from repro.commands.data import prepare_set

    raise typer.Exit(prepare_set(name, root))
