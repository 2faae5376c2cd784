"""The command line. Only signatures and help live here and in `repro.cli_checks`; each command's work is a module in
`repro.commands`.
"""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import repro
from repro.cli_checks import checks
from repro.cli_scores import scores
from repro.commands.data_app import data_app
from repro.commands.options import (
    OUT,
    STORE,
    AnyCode,
    Crf,
    CrfBackend,
    DataDir,
    DatasetOption,
    Device,
    ExecutorOption,
    GpusPerTraining,
    HowLaunched,
    Jobs,
    Json,
    MicroBatch,
    Only,
    Out,
    ScaleOption,
    SeedsOption,
    Set,
    SlurmOptions,
    StoreDir,
    Sweep,
    Tables,
    TablesDir,
    TensorBoard,
    WeightsDir,
    WeightsTrained,
    WhoseKernels,
    how_given,
    overrides_of,
)
from repro.errors import LONGEST_WORD, InputError, shortened

UsageError: type[typer.BadParameter] = typer.BadParameter.__bases__[0]  # typer exports this kind of it alone


class _Commands(TyperGroup):
    """The commands, with one more end: whoever reads our output (`head`, say) has seen enough. Exit code 0."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse empty words: as a folder one would mean the current one, and elsewhere that nothing was given."""
        for before, argument in zip(["", *args], args, strict=False):
            option, equals, value = argument.partition("=")
            alone = not equals or not option.startswith("--")
            if not (argument if alone else value).strip():
                name = f"{before}: " if alone and before.startswith("-") else f"{option}: " if not alone else ""
                raise InputError(f"{name}an empty value. Leave it out, or write . for the current folder.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except UsageError as error:
            error.message = shortened(error.message, LONGEST_WORD)  # it repeats what was typed, however long
            raise
        except BrokenPipeError:
            if not _nobody_reads(sys.stdout.fileno()):
                raise  # but stderr: a run that can say nothing more has not done what was asked
            # nor may the interpreter's last flush fail
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


def _nobody_reads(pipe: int) -> bool:
    poll = select.poll()
    poll.register(pipe, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


app = typer.Typer(
    cls=_Commands,
    name="repro",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Reproduce the tables of DeepLab v2, v3 and v3+.

A table is an id such as v3/table3, an alias such as table3 (plain names are v3's), or all.

Begin with:  repro run table3
""",
)
app.add_typer(data_app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"repro {repro.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command("list")
def list_(tables: TablesDir = None, json: Json = False) -> None:
    """List every table and figure with its cells and claims.

    Example:  repro list
    """
    from repro.commands.list_ import main

    main(tables, json)


@app.command(short_help="Show a table as printed, its claims, what a scale changes.")
def show(
    names: Tables,
    scale: ScaleOption = None,
    dataset: DatasetOption = None,
    set_: Set = None,
    crf: Crf = None,
    crf_backend: CrfBackend = None,
    only: Only = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="The full protocol of every cell.")] = False,
    tables: TablesDir = None,
    json: Json = False,
) -> None:
    """Show a table as the paper prints it, its claims, and what a scale changes.

    Example:  repro show table3 --scale tiny
    """
    from repro.commands.show import main

    main(names, scale, dataset, overrides_of(set_, crf, crf_backend), only or [], resolved, tables, json)


@app.command(short_help="Show what a run would do, why, and how long it would take.")
def plan(
    names: Tables,
    scale: ScaleOption = None,
    seeds: SeedsOption = None,
    only: Only = None,
    set_: Set = None,
    sweep: Sweep = None,
    crf: Crf = None,
    crf_backend: CrfBackend = None,
    dataset: DatasetOption = None,
    data: DataDir = None,
    weights: WeightsDir = None,
    trained: WeightsTrained = None,
    store: StoreDir = STORE,
    any_code: AnyCode = False,
    tables: TablesDir = None,
    device: Device = "auto",
    jobs: Jobs = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="What it would cost on such a GPU, e.g. h200: hours, memory, disk, critical path.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a run would do: trainings after sharing, what is stored, why the rest would run, how long it takes.

    Examples:

      repro plan table2 table3 --seeds 5

      repro plan v3/table3 --scale paper --gpu h200
    """
    from repro.commands.plan import main
    from repro.run.session import Options

    given = tuple(only or ()), overrides_of(set_, crf, crf_backend)
    options = Options(
        tuple(names), scale, seeds, *given, dataset, data, store, tables, weights, any_code, trained=trained,
        sweeps=tuple(sweep or ()),
    )  # fmt: skip
    main(options, device, jobs, gpu, json)


@app.command(short_help="Train and evaluate what is not stored yet; write reports.")
def run(
    names: Tables,
    scale: ScaleOption = None,
    seeds: SeedsOption = None,
    only: Only = None,
    set_: Set = None,
    sweep: Sweep = None,
    crf: Crf = None,
    crf_backend: CrfBackend = None,
    dataset: DatasetOption = None,
    data: DataDir = None,
    weights: WeightsDir = None,
    trained: WeightsTrained = None,
    store: StoreDir = STORE,
    any_code: AnyCode = False,
    out: Out = OUT,
    tables: TablesDir = None,
    device: Device = "auto",
    jobs: Jobs = None,
    executor: ExecutorOption = "local",
    slurm: SlurmOptions = None,
    gpus_per_training: GpusPerTraining = 1,
    micro_batch: MicroBatch = None,
    launch: HowLaunched = "eager",
    kernels: WhoseKernels = "torch",
    tensorboard: TensorBoard = None,
    json: Json = False,
) -> None:
    """Train and evaluate what is not stored yet, then write the reports.

    Ctrl-C stops cleanly; the same command resumes where it stopped.

    Examples:

      repro run table3

      repro run table3 --seeds 5

      repro run table3 --only last_block=4 --sweep train.lr=0.004,0.008

      repro run table1 --dataset camvid --data CamVid

      repro run v3/table6 --scale paper --data VOCdevkit --weights weights --gpus-per-training 8

      repro run v3/table4 --scale paper --data VOCdevkit --weights-trained my.pth --set model.implementation=my:net

      repro run table3 --seeds 5 --executor slurm --slurm partition=gpu --store /shared/runs
    """
    from repro.commands.run import ExecutorChoice, main
    from repro.run.job import ExecutionOptions
    from repro.run.session import Options

    given = tuple(only or ()), overrides_of(set_, crf, crf_backend, micro_batch)
    how = how_given(
        out=(out, OUT), device=(device, "auto"), jobs=(jobs, None), executor=(executor, "local"), slurm=(slurm, None),
        gpus_per_training=(gpus_per_training, 1), launch=(launch, "eager"),
        kernels=(kernels, "torch"), tensorboard=(tensorboard, None),
    )  # fmt: skip
    options = Options(
        tuple(names), scale, seeds, *given, dataset, data, store, tables, weights, any_code, how, trained,
        tuple(sweep or ()),
    )  # fmt: skip
    place = ExecutorChoice(executor, device, jobs, tuple(slurm or ()))
    raise typer.Exit(main(options, out, place, ExecutionOptions(gpus_per_training, launch, tensorboard, kernels), json))


@app.command()
def report(
    names: Tables,
    scale: ScaleOption = None,
    seeds: SeedsOption = None,
    only: Only = None,
    set_: Set = None,
    sweep: Sweep = None,
    crf: Crf = None,
    crf_backend: CrfBackend = None,
    dataset: DatasetOption = None,
    data: DataDir = None,
    weights: WeightsDir = None,
    trained: WeightsTrained = None,
    store: StoreDir = STORE,
    any_code: AnyCode = False,
    out: Out = OUT,
    tables: TablesDir = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format", help="Comma-separated: md, html, csv, parquet, latex, json, table (the table alone, Markdown)."
        ),
    ] = "md,html",
    ours_only: Annotated[
        bool, typer.Option("--ours-only", help="Leave the published numbers out of latex and table.")
    ] = False,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures", metavar="DIR", help="Also write every chart there, as SVG, PDF and PNG.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write reports of what is stored, running nothing.

    Examples:

      repro report table3 --seeds 5 --format md,html,csv

      repro report table3 --seeds 5 --format latex,table --ours-only --figures figures
    """
    from repro.commands.report import main
    from repro.run.session import Options

    given = tuple(only or ()), overrides_of(set_, crf, crf_backend)
    how = how_given(out=(out, OUT))
    options = Options(
        tuple(names), scale, seeds, *given, dataset, data, store, tables, weights, any_code, how, trained,
        tuple(sweep or ()),
    )  # fmt: skip
    raise typer.Exit(main(options, out, formats, json, ours_only, figures))


@app.command(short_help="Label any picture with a trained cell.")
def predict(
    cell: Annotated[
        str, typer.Option("--from", metavar="CELL", help="A measured cell, e.g. table6/os-16.", show_default=False)
    ],
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="[IMAGE...]", help="Pictures of any size.", show_default=False)
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Instead: every image of this split of its data set.", show_default=False),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Files of a split: indexed (one label map per image), voc (the test server's archive), cityscapes "
            "(the benchmark's names and label ids).",
        ),
    ] = "indexed",
    scale: ScaleOption = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Which seed's training.")] = 0,
    set_: Set = None,
    dataset: DatasetOption = None,
    data: DataDir = None,
    weights: WeightsDir = None,
    trained: WeightsTrained = None,
    store: StoreDir = STORE,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the PNG files go.")] = Path("predictions"),
    tables: TablesDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Label any picture with a trained cell, as that cell is evaluated: a label map and an overlay for each; or write
    the label maps of a whole split, for `repro score` or a test server.

    Examples:

      repro predict street.jpg --from table6/os-16 --scale tiny

      repro predict --split val --from table6/os-16 --dataset voc2012 --data path/to/VOCdevkit --out maps
    """
    from repro.commands.predict import main
    from repro.run.session import Options

    options = Options((), scale, None, (), tuple(set_ or ()), dataset, data, store, tables, weights, trained=trained)
    main(images or [], split, layout, cell, seed, options, out, device, json)


app.registered_commands += scores.registered_commands + checks.registered_commands
