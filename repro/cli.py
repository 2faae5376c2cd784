"""The command line. Only signatures and help live here; each command's work is a module in `repro.commands`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import repro
from repro.commands.data_app import data_app
from repro.commands.options import (
    BASELINES,
    OUT,
    STORE,
    AnyCode,
    Crf,
    CrfBackend,
    DataDir,
    Dataset,
    Device,
    Executor,
    GpusPerTraining,
    HowLaunched,
    Jobs,
    Json,
    MicroBatch,
    Only,
    Out,
    Scale,
    Seeds,
    Set,
    SlurmOptions,
    StoreDir,
    Tables,
    TablesDir,
    TensorBoard,
    WeightsDir,
    overrides_of,
)

app = typer.Typer(
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
    scale: Scale = None,
    dataset: Dataset = None,
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


@app.command(short_help="Say what a run would do, why, and how long it would take.")
def plan(
    names: Tables,
    scale: Scale = None,
    seeds: Seeds = None,
    only: Only = None,
    set_: Set = None,
    crf: Crf = None,
    crf_backend: CrfBackend = None,
    dataset: Dataset = None,
    data: DataDir = None,
    weights: WeightsDir = None,
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
    """Say what a run would do: trainings after sharing, what is stored, why the rest would run, how long it takes.

    Examples:

      repro plan table2 table3 --seeds 5

      repro plan v3/table3 --scale paper --gpu h200
    """
    from repro.commands.plan import main
    from repro.run.session import Options

    given = tuple(only or ()), overrides_of(set_, crf, crf_backend)
    options = Options(tuple(names), scale, seeds, *given, dataset, data, store, tables, weights, any_code)
    main(options, device, jobs, gpu, json)


@app.command(short_help="Train and evaluate what is not stored yet; write reports.")
def run(
    names: Tables,
    scale: Scale = None,
    seeds: Seeds = None,
    only: Only = None,
    set_: Set = None,
    crf: Crf = None,
    crf_backend: CrfBackend = None,
    dataset: Dataset = None,
    data: DataDir = None,
    weights: WeightsDir = None,
    store: StoreDir = STORE,
    any_code: AnyCode = False,
    out: Out = OUT,
    tables: TablesDir = None,
    device: Device = "auto",
    jobs: Jobs = None,
    executor: Executor = "local",
    slurm: SlurmOptions = None,
    gpus_per_training: GpusPerTraining = 1,
    micro_batch: MicroBatch = None,
    launch: HowLaunched = "eager",
    tensorboard: TensorBoard = None,
    json: Json = False,
) -> None:
    """Train and evaluate what is not stored yet, then write the reports.

    Ctrl-C stops cleanly; the same command goes on where it stopped.

    Examples:

      repro run table3

      repro run table3 --seeds 5

      repro run table1 --dataset camvid --data CamVid

      repro run v3/table6 --scale paper --data VOCdevkit --weights weights --gpus-per-training 8

      repro run table3 --seeds 5 --executor slurm --slurm partition=gpu --store /shared/runs
    """
    from repro.commands.run import Place, main
    from repro.run.job import Way
    from repro.run.session import Options

    given = tuple(only or ()), overrides_of(set_, crf, crf_backend)
    options = Options(tuple(names), scale, seeds, *given, dataset, data, store, tables, weights, any_code)
    place = Place(executor, device, jobs, tuple(slurm or ()))
    raise typer.Exit(main(options, out, place, Way(gpus_per_training, micro_batch, launch, tensorboard), json))


@app.command()
def report(
    names: Tables,
    scale: Scale = None,
    seeds: Seeds = None,
    only: Only = None,
    set_: Set = None,
    crf: Crf = None,
    crf_backend: CrfBackend = None,
    dataset: Dataset = None,
    data: DataDir = None,
    weights: WeightsDir = None,
    store: StoreDir = STORE,
    any_code: AnyCode = False,
    out: Out = OUT,
    tables: TablesDir = None,
    formats: Annotated[
        str, typer.Option("--format", help="Comma-separated: md, html, csv, parquet, latex, json.")
    ] = "md,html",
    json: Json = False,
) -> None:
    """Write reports of what is stored, running nothing.

    Example:  repro report table3 --seeds 5 --format md,html,csv
    """
    from repro.commands.report import main
    from repro.run.session import Options

    given = tuple(only or ()), overrides_of(set_, crf, crf_backend)
    options = Options(tuple(names), scale, seeds, *given, dataset, data, store, tables, weights, any_code)
    main(options, out, formats, json)


@app.command(short_help="Hold a small run against a baseline: has a result moved?")
def check(
    names: Tables,
    scale: Annotated[str, typer.Option(help="paper, small, tiny or smoke.")] = "smoke",
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Seeds per cell. Default: 1, with --update 3.", show_default=False),
    ] = None,
    only: Only = None,
    data: DataDir = None,
    weights: WeightsDir = None,
    store: StoreDir = STORE,
    tables: TablesDir = None,
    baselines: Annotated[
        Path, typer.Option("--baselines", metavar="DIR", help="Where baselines are kept.")
    ] = BASELINES,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JUnit XML, for CI.", show_default=False)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a summary in Markdown, for CI.", show_default=False)
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Make this run the baseline.")] = False,
    device: Device = "auto",
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Run tables at a small scale and hold them against a committed baseline; exit code 1 if a result moved.

    Bit for bit on the baseline's kind of machine, within what seeds and rounding explain on others.

    Examples:

      repro check table3

      repro check table3 --junit check.xml --markdown check.md

      repro check table3 --update
    """
    from repro.commands.check import Files, main
    from repro.run.session import Options

    options = Options(
        tuple(names), scale, seeds, tuple(only or ()), data_root=data, store=store, tables_dir=tables, weights=weights
    )
    raise typer.Exit(main(options, Files(baselines, junit, markdown), device, jobs, update, json))


@app.command(short_help="Set two stores side by side: two machines, two versions.")
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Store of one run.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="Store of the other.", show_default=False)],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE]...", help="Only these tables.", show_default=False)
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Only this scale.", show_default=False)] = None,
    tables: TablesDir = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it in Markdown as well.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Set two stores side by side: two machines, two versions, two implementations.

    Example:  repro compare runs elsewhere/runs table3
    """
    from repro.commands.compare import main

    main(a, b, names or [], scale, tables, markdown, json)


@app.command(short_help="Put the papers' claims to their own printed numbers.")
def audit(
    tables: TablesDir = None,
    full: Annotated[bool, typer.Option("--full", help="Every claim, not only those that fall short.")] = False,
    formats: Annotated[
        str | None, typer.Option("--format", help="Write pages instead: md, html or both.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where pages are written. Default: reports/local.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Put the papers' claims to their own printed numbers, without any training.

    Examples:

      repro audit

      repro audit --full --format md,html --out reports/audit
    """
    from repro.commands.audit import main

    main(tables, full, json, formats, out)


@app.command(short_help="Count multiply-adds and parameters of the built networks.")
def cost(
    names: Tables,
    only: Only = None,
    set_: Set = None,
    tables: TablesDir = None,
    json: Json = False,
) -> None:
    """Count multiply-adds, parameters and field of view from the networks as built; published values beside.

    Examples:

      repro cost v3plus/table3

      repro cost v3plus/table5 --set evaluate.canvas=[769,1537] --set data.classes=19
    """
    from repro.commands.cost import main

    main(names, only or [], set_ or [], tables, json)


@app.command(short_help="Label any picture with a trained cell.")
def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures of any size.", show_default=False)],
    cell: Annotated[
        str, typer.Option("--from", metavar="CELL", help="A measured cell, e.g. table6/os-16.", show_default=False)
    ],
    scale: Scale = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Which seed's training.")] = 0,
    set_: Set = None,
    dataset: Dataset = None,
    data: DataDir = None,
    weights: WeightsDir = None,
    store: StoreDir = STORE,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the PNG files go.")] = Path("predictions"),
    tables: TablesDir = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Label any picture with a trained cell, as that cell is evaluated: a label map and an overlay for each.

    Example:  repro predict street.jpg --from table6/os-16 --scale tiny
    """
    from repro.commands.predict import main
    from repro.run.session import Options

    options = Options((), scale, None, (), tuple(set_ or ()), dataset, data, store, tables, weights)
    main(images, cell, seed, options, out, device, json)


@app.command(short_help="Measure our speed beside that of what people use today.")
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Benchmarks. Default: all that take no minutes.", show_default=False),
    ] = None,
    device: Device = "auto",
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here, too.", show_default=False)
    ] = None,
    save_rate: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Measure how fast this device trains, for `repro plan --gpu NAME`.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure our speed beside that of what people use today: ratios of medians taken in turn in this one run.

    Examples:

      repro bench step evaluate --json results.json

      repro bench rate --save-rate mine
    """
    from repro.commands.bench import main

    raise typer.Exit(main(names or [], device, json, save_rate))


@app.command(short_help="Check what this machine has: versions, devices, the store.")
def doctor(store: StoreDir = STORE, json: Json = False) -> None:
    """Check what this machine has: versions, devices, pydensecrf, disk, the store.

    Example:  repro doctor
    """
    from repro.commands.doctor import main

    raise typer.Exit(main(store, json))
