"""The commands that compare results, networks or this machine with what is expected of them: see `repro.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro.commands.options import (
    BASELINES,
    REFERENCES,
    STORE,
    AnyCode,
    DataDir,
    Device,
    Jobs,
    Json,
    Only,
    ScaleOption,
    Set,
    StoreDir,
    Tables,
    TablesDir,
    WeightsDir,
)

checks = typer.Typer()


@checks.command(short_help="Compare a small run with a committed baseline: has a result moved?")
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
    """Run tables at a small scale and compare them with a committed baseline; exit code 1 if a result moved.

    From frozen weights, one step of every training and every evaluation agree within rounding on any machine. End to
    end, results agree bit for bit on the baseline's kind of machine, within what seeds explain on others.

    Examples:

      repro check table3

      repro check table3 --junit check.xml --markdown check.md

      repro check table3 --update
    """
    from repro.commands.check import CheckFiles, main
    from repro.run.session import Options

    options = Options(
        tuple(names), scale, seeds, tuple(only or ()), data_root=data, store=store, tables_dir=tables, weights=weights
    )
    raise typer.Exit(main(options, CheckFiles(baselines, junit, markdown), device, jobs, update, json))


@checks.command(short_help="Store how much seeds vary, so that runs with one seed can be judged.")
def reference(
    names: Tables,
    scale: ScaleOption = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Seeds that are stored, 5 or more.")] = 5,
    data: DataDir = None,
    weights: WeightsDir = None,
    store: StoreDir = STORE,
    tables: TablesDir = None,
    any_code: AnyCode = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where references are kept.")] = REFERENCES,
    json: Json = False,
) -> None:
    """Write the scores of stored runs with several seeds to a file for each table, to be committed with the specs.

    From then on, verdicts of a run with one seed of the same protocol take from it how much seeds change. Nothing is
    computed here.

    Example:  repro reference table1 table2 table3 table4 --scale tiny --seeds 5
    """
    from repro.commands.reference import main
    from repro.run.session import Options

    options = Options(
        tuple(names), scale, seeds, data_root=data, store=store, tables_dir=tables, weights=weights, any_code=any_code
    )
    main(options, out, json)


@checks.command(short_help="Compare two stores: two machines, two versions.")
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
    """Compare two stores: two machines, two versions, two implementations. Exit code 2 if they share nothing.

    Example:  repro compare runs elsewhere/runs table3
    """
    from repro.commands.compare import main

    raise typer.Exit(main(a, b, names or [], scale, tables, markdown, json))


@checks.command(short_help="Check the papers' claims against their own published numbers.")
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
    """Check the papers' claims against their own published numbers, without any training.

    Examples:

      repro audit

      repro audit --full --format md,html --out reports/audit
    """
    from repro.commands.audit import main

    main(tables, full, json, formats, out)


@checks.command(short_help="Make a static site of the committed reports, with search.")
def site(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the site is written.")],
    reports: Annotated[
        Path, typer.Option(metavar="DIR", help="Reports are looked for here and below, but not in reports/local.")
    ] = Path("reports"),
    tables: TablesDir = None,
    json: Json = False,
) -> None:
    """Make a static site of the committed reports: an index with search over tables and claims, and every page.

    It needs no server and asks for nothing from elsewhere; each claim has a permanent link, index.html#ID.

    Example:  repro site site
    """
    from repro.commands.site import main

    main(folder, reports, tables, json)


@checks.command(short_help="Count multiply-adds and parameters of the built networks.")
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

      repro cost v3plus/table5 --set evaluate.canvas=[769,1537] --set data.name=cityscapes
    """
    from repro.commands.cost import main

    main(names, only or [], set_ or [], tables, json)


@checks.command(short_help="Measure this suite's speed beside that of common libraries.")
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Benchmarks. Default: all that take less than a minute.", show_default=False
        ),
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
    gpu: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The kind of GPU that `roofline` predicts for. Default: h100.", show_default=False
        ),
    ] = None,
) -> None:
    """Measure this suite's speed beside that of common libraries, in alternation: ratios of medians.

    Examples:

      repro bench step evaluate --json results.json

      repro bench rate --save-rate mine

      repro bench roofline --gpu h200
    """
    from repro.commands.bench import main

    raise typer.Exit(main(names or [], device, json, save_rate, gpu))


@checks.command(short_help="Check what this machine has: versions, devices, the store.")
def doctor(store: StoreDir = STORE, json: Json = False) -> None:
    """Check what this machine has: versions, devices, pydensecrf, disk, the store.

    Example:  repro doctor
    """
    from repro.commands.doctor import main

    raise typer.Exit(main(store, json))
