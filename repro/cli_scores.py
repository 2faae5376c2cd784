"""The commands for numbers of one's own: see `repro.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro.commands.options import OUT, Json, Out, Set

scores = typer.Typer()

Void = typer.Option(metavar="N", help="Label that is ignored. Repeatable. Default: 255.", show_default=False)
Ending = typer.Option(metavar="TEXT", help="Only files whose name ends so, e.g. _labelIds.png.")


@scores.command(short_help="Score your own predictions against ground truth.")
def score(
    predictions: Annotated[
        Path,
        typer.Argument(metavar="PREDICTIONS", help="Folder of label maps, or a list of files.", show_default=False),
    ],
    truth: Annotated[
        Path | None,
        typer.Argument(metavar="[GROUND_TRUTH]", help="The same; or name a data set instead.", show_default=False),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Data set, e.g. voc2012.", show_default=False)] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Folder of that data set.", show_default=False)
    ] = None,
    split: Annotated[str | None, typer.Option(help="Its split. Default: val.", show_default=False)] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="N|NAMES",
            help="Number of classes, or their names with commas between. Default: the data set's, else counted.",
            show_default=False,
        ),
    ] = None,
    void: Annotated[list[int] | None, Void] = None,
    offset: Annotated[int, typer.Option(metavar="N", help="Subtracted from every label; below 0 is void.")] = 0,
    mapping: Annotated[
        str | None,
        typer.Option(
            "--map", metavar="NAME|FILE", help="Label to class: cityscapes, or a TOML file.", show_default=False
        ),
    ] = None,
    truth_ending: Annotated[str, Ending] = "",
    prediction_void: Annotated[list[int] | None, Void] = None,
    prediction_offset: Annotated[int, typer.Option(metavar="N", help="The same for predictions.")] = 0,
    prediction_map: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="The same for predictions.", show_default=False)
    ] = None,
    prediction_ending: Annotated[str, Ending] = "",
    partial: Annotated[
        bool, typer.Option("--partial", help="Score the images that both sides have, and leave out the rest.")
    ] = False,
    unanswered: Annotated[
        bool, typer.Option("--unanswered", help="Void in a prediction is a wrong answer, instead of an error.")
    ] = False,
    formats: Annotated[str, typer.Option("--format", help="md, html, json, csv.")] = "md,html,json,csv",
    against: Annotated[
        str | None,
        typer.Option(metavar="CELL", help="Published number to compare with: a cell's id.", show_default=False),
    ] = None,
    out: Out = OUT,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Processes. Default: one per core.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Score label maps that your network made: mean IOU with an interval, and by every other rule in use.

    Label maps are PNGs (indexed or grey; in a known data set's colours) or .npy, paired by name without suffix. Writes
    score.md, .html, .json and .csv: classes, trimap curve, confusion matrix, worst and best images.

    Examples:

      repro score predictions --dataset voc2012 --data path/to/VOCdevkit

      repro score predictions ground_truth --classes 21

      repro score results cityscapes/gtFine/val --truth-ending _labelIds.png --map cityscapes --dataset cityscapes
    """
    from repro.commands.score import LabelReading, main

    sides = (
        LabelReading(tuple(void or [255]), offset, mapping, truth_ending),
        LabelReading(tuple(prediction_void or [255]), prediction_offset, prediction_map, prediction_ending),
    )
    main(
        predictions, truth, dataset, data, split, classes, sides, partial, unanswered, formats, against, out, jobs, json
    )


@scores.command(short_help="Compare your number with a published one.")
def judge(
    value: Annotated[
        float | None, typer.Argument(metavar="[VALUE]", help="Your mean IOU in per cent.", show_default=False)
    ] = None,
    cell: Annotated[
        str, typer.Option(metavar="ID", help="The published number: a cell's id, as `repro show TABLE --json` has it.")
    ] = ...,  # type: ignore[assignment]
    runs: Annotated[
        str | None,
        typer.Option(metavar="X,Y,...", help="Several runs of yours, instead of VALUE.", show_default=False),
    ] = None,
    seeds_sd: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="Standard deviation between runs, if you know it. Default: that of published repetitions, pooled with "
            "your runs.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Test whether your number differs from a published one, and say what to check first if it does.

    Examples:

      repro judge 77.90 --cell v3plus/table5/eval-os-16/miou

      repro judge --runs 74.9,75.2,74.6 --cell v3/table6/os-16
    """
    from repro.commands.judge import main

    main(value, runs, cell, seeds_sd, json)


@scores.command(short_help="List where your recipe departs from a published one, and what that costs.")
def diagnose(
    recipe: Annotated[
        Path,
        typer.Argument(
            metavar="RECIPE",
            help="TOML with protocol settings, an mmsegmentation config (.py), or a text file with the command lines "
            "of torchvision's or the released DeepLab scripts.",
            show_default=False,
        ),
    ],
    cell: Annotated[str, typer.Option(metavar="ID", help="The published number: a cell's id.")] = "v3/table6/os-16",
    got: Annotated[
        float | None, typer.Option(metavar="VALUE", help="Your mean IOU in per cent.", show_default=False)
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="FORM",
            help="protocol, deeplab, torchvision or mmsegmentation. Default: seen from the file.",
            show_default=False,
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(metavar="N", help="Devices it ran on, where the batch is given for each.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """List every departure of your recipe from a published cell's protocol, with the size that papers and threads give
    for it, and what to expect in total. Nothing in the recipe is executed.

    The words of a TOML file are those of `repro show TABLE --scale paper --resolved`, e.g. [train] batch_size = 8.

    Examples:

      repro diagnose mine.toml --got 74.94

      repro diagnose deeplabv3plus_r101-d8_4xb4-40k_voc12aug-512x512.py --cell v3plus/table3/16-16-decoder/miou

      repro diagnose train.sh --as deeplab
    """
    from repro.commands.diagnose import main

    main(recipe, cell, got, form, devices, json)


@scores.command("check-network", short_help="Check that a network of your own meets what training requires.")
def check_network(
    name: Annotated[str, typer.Argument(metavar="MODULE:FUNCTION", help="What builds it.", show_default=False)],
    set_: Set = None,
    classes: Annotated[int, typer.Option(metavar="N", min=2, max=255)] = 21,
    output_strides: Annotated[
        str, typer.Option(metavar="N,N,...", help="The first is trained at, all are evaluated at.")
    ] = "16,8",
    json: Json = False,
) -> None:
    """Check a network of your own: shapes, modes, gradients, seeds, output strides. Exit code 1 if one fails.

    The function is called as FUNCTION(classes=21, output_stride=16, ...) and returns a torch module; what it must do is
    in docs/extending.md.

    Example:  repro check-network mynets:deeplab --output-strides 16,8
    """
    from repro.commands.check_network import main

    raise typer.Exit(main(name, set_ or [], classes, output_strides, json))
