"""What simulations show of the judge, as files: `python -m repro.studies.judge_report reports/judge`.

README.md and two pictures say what `judge_study` finds, proof.json holds its figures. With --from-json the pages
are written anew from the figures in the folder, without simulating.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from repro.report.charts.canvas import WIDE, AxisScale, Canvas, standalone, text_width
from repro.report.charts.theme import row_colour, row_marker
from repro.report.files import ready_folder, write_file
from repro.report.formats.markdown import rows as table
from repro.studies.first_trainings import FIRST, First
from repro.studies.interval_ends import RULES, ClassEnds, Ends
from repro.studies.judge_report_claims import claims_promises, claims_section
from repro.studies.judge_report_reference import reference_promises, reference_section
from repro.studies.judge_study import (
    EXPERIMENTS,
    PROMISED_FROM,
    TINY,
    CoverageRow,
    Covered,
    DetectionRate,
    JudgedTable,
    Likeness,
    Null,
    simulate,
    tasks,
)
from repro.studies.pairs import Apart, Every, Missed
from repro.studies.reference_runs import Borrowed, BorrowedApart, BorrowedTable

KINDS: dict[str, type[CoverageRow]] = {
    "likeness": Likeness, "coverage": Covered, "ends": Ends, "classes": ClassEnds, "null": Null, "table": JudgedTable,
    "power": DetectionRate, "first": First, "every": Every, "apart": Apart, "missed": Missed,
    "borrowed": Borrowed, "borrowed table": BorrowedTable, "borrowed apart": BorrowedApart,
}  # fmt: skip
COMMAND = "python -m repro.studies.judge_report reports/judge"
HEIGHT, LEFT, TOP = 200.0, 40.0, 22.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, or read what was simulated, and write the pages."""
    parser = argparse.ArgumentParser(prog="python -m repro.studies.judge_report", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--experiments", type=int, default=EXPERIMENTS, help="for each figure (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes; the figures do not depend on it")
    parser.add_argument(
        "--only", nargs="+", choices=KINDS, metavar="KIND", help="simulate these rows anew, keep the others of "
        f"proof.json in the folder: {', '.join(KINDS)}",
    )  # fmt: skip
    parser.add_argument("--from-json", action="store_true", help="write the pages anew from proof.json in the folder")
    options = parser.parse_args(arguments)
    if options.from_json:
        rows = read(options.folder)
    else:
        kinds = options.only or KINDS
        kept = read(options.folder) if options.only else []
        rows = [row for row in kept if not isinstance(row, tuple(KINDS[kind] for kind in kinds))]
        rows += run(options.experiments, options.jobs, kinds)
    ready_folder(options.folder)
    for path in write(rows, options.folder):
        print(path, file=sys.stderr)


def run(experiments: int, jobs: int = 1, kinds: Iterable[str] = KINDS) -> list[CoverageRow]:
    """Return every row of these kinds, simulated in so many processes."""
    wanted = [task for task in tasks(experiments) if task[0] in kinds]
    if jobs == 1:
        return [simulate(task) for task in wanted]
    with get_context("spawn").Pool(jobs) as pool:
        return list(pool.imap(simulate, wanted))


def read(folder: Path) -> list[CoverageRow]:
    """Return the rows that proof.json in a folder holds."""
    stored = json.loads((folder / "proof.json").read_text(encoding="utf-8"))
    return [KINDS[kind](**row) for kind, many in stored["rows"].items() for row in many]


def write(rows: Sequence[CoverageRow], folder: Path) -> list[Path]:
    """Write the pages and the figures."""
    return [write_file(folder / name, data.encode()) for name, data in files(rows).items()]


def files(rows: Sequence[CoverageRow]) -> dict[str, str]:
    """Return file name -> text; the same rows give the same bytes."""
    by_kind = {kind: [asdict(row) for row in rows if isinstance(row, type_)] for kind, type_ in KINDS.items()}
    document = {"schema": 1, "command": COMMAND, "rows": by_kind}
    return {
        "README.md": page(rows),
        "coverage.svg": coverage_picture([row for row in rows if isinstance(row, Covered)]),
        "power.svg": power_picture([row for row in rows if isinstance(row, DetectionRate)]),
        "proof.json": json.dumps(document, indent=1) + "\n",
    }


def page(rows: Sequence[CoverageRow]) -> str:
    """Return the page as Markdown."""
    covered = [row for row in rows if isinstance(row, Covered)]
    nulls = [row for row in rows if isinstance(row, Null)]
    blocks = [
        "# The judge, judged",
        f"Simulated experiments whose truth is known, {covered[0].experiments} for most figures, put through the judge "
        f"as if they had been measured. `{COMMAND}` makes this folder: about half an hour on one core, and the same "
        "figures whatever `--jobs` is.",
        *_promises(covered, nulls, rows),
        "## What is simulated",
        "Networks that find a share of each class's pixels in each image. The share varies by image, by network, by "
        "seed, and by all of their combinations; confusion matrices are counted per image, and from there on all is as "
        "in a report. Scores and their spread in points, beside those of the reference run at scale tiny:",
        _likenesses([row for row in rows if isinstance(row, Likeness)]),
        "## Do 95 % intervals hold the truth?",
        "![Share of intervals that hold the truth by number of seeds](coverage.svg)",
        f"In per cent, with a simulation error of {100 * (0.95 * 0.05 / covered[0].experiments) ** 0.5:.1f}. “Seeds "
        "alone” is an interval that leaves the choice of images out; width is the mean of a difference's intervals "
        "in points. With one seed an interval covers images only, so those worlds have no noise of seeds.",
        _coverage(covered),
        *ends_section([row for row in rows if isinstance(row, Ends)], [r for r in rows if isinstance(r, ClassEnds)]),
        "## Is a difference found that is not there?",
        "Two networks that are equally good, in per cent of experiments; either verdict is wrong.",
        _nulls(nulls),
        "Nine claims without a difference and three true ones of about 4 points, all about the same six networks, "
        "judged together with false discoveries controlled:",
        _tables([row for row in rows if isinstance(row, JudgedTable)]),
        "## Is a difference found that is there?",
        "![Share of true differences that are found, by size and number of seeds](power.svg)",
        "In the world that is like scale tiny. “Foretold” is what `repro plan` and the reports' “detectable” rest on: "
        "computed from the spread over seeds and images, nothing simulated. With 2 seeds it errs on the safe side.",
        _powers([row for row in rows if isinstance(row, DetectionRate)]),
        "## What do pre-trainings add?",
        f"Two networks whose difference varies by {FIRST} points from one pre-training to another, about as measured "
        "at scale tiny. How often its interval holds what it is over all pre-trainings, in per cent: seeds that "
        "share one, and seeds with one each, which is what the suite does at every scale but paper.",
        _first([row for row in rows if isinstance(row, First)]),
        *claims_section(rows),
        *reference_section(rows),
    ]
    return "\n\n".join(blocks) + "\n"


def _promises(covered: Sequence[Covered], nulls: Sequence[Null], rows: Sequence[CoverageRow]) -> list[str]:
    """Return what was promised and what was found, first of all."""
    kept = [share for row in covered if row.promised for share in (row.score, row.difference)]
    outside = [share for row in covered if not row.promised for share in (row.score, row.difference)]
    rest = f"; elsewhere (2 seeds, runs that now and then go wrong) {_span(outside)}" if outside else ""
    false = [row.supported for row in nulls]
    together = [row.wrong for row in rows if isinstance(row, JudgedTable)]
    return [
        table(
            ("Promise", "Found"),
            [
                [
                    f"95 % intervals hold the truth in 93 to 97 % of cases, with one seed and from {PROMISED_FROM} on",
                    f"{_span(kept)}{rest}",
                ],
                ["Two equal networks are called different in the claim's favour in at most 5 %", _span(false)],
                ["Of a table's verdicts, at most 5 % are false discoveries", _span(together)],
                *claims_promises(rows),
                *reference_promises(rows),
            ],
        )
    ]


def _span(shares: Sequence[float]) -> str:
    return f"{100 * min(shares):.1f} to {100 * max(shares):.1f} %"


def _per_cent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _likenesses(rows: Sequence[Likeness]) -> str:
    head = ("World", "Images", "Classes", "Score", "Seeds ±", "Images ±", "Difference: seeds ±", "Images ±")
    body = [["measured at scale tiny (medians)", "120", "9", *(f"{TINY[k]:.2f}" for k in TINY)]]
    body += [
        [row.world, str(row.images), str(row.classes), *(f"{v:.2f}" for v in (
            row.score, row.seeds, row.images_error, row.difference_seeds, row.difference_images))]
        for row in rows
    ]  # fmt: skip
    return table(head, body, range(1, 8))


def _coverage(rows: Sequence[Covered]) -> str:
    head = ("World", "Seeds", "Score", "Difference", "Seeds alone", "Width", "Promised")
    body = [
        [row.world, str(row.seeds), _per_cent(row.score), _per_cent(row.difference), _per_cent(row.seeds_only),
         f"{row.width:.1f}", "93 to 97" if row.promised else "–"]
        for row in rows
    ]  # fmt: skip
    return table(head, body, range(1, 6))


def _nulls(rows: Sequence[Null]) -> str:
    body = [[row.world, str(row.seeds), _per_cent(row.supported), _per_cent(row.contradicted)] for row in rows]
    return table(("World", "Seeds", "Supported", "Contradicted"), body, range(1, 4))


def _tables(rows: Sequence[JudgedTable]) -> str:
    body = [[str(row.seeds), str(row.experiments), _per_cent(row.wrong), _per_cent(row.detected)] for row in rows]
    return table(("Seeds", "Experiments", "Wrong among verdicts", "True claims found"), body, range(4))


def _powers(rows: Sequence[DetectionRate]) -> str:
    body = [
        [f"{row.difference:.1f}", str(row.seeds), f"{100 * row.supported:.0f}", f"{100 * row.foretold:.0f}"]
        for row in rows
    ]
    return table(("True difference [points]", "Seeds", "Supported [%]", "Foretold [%]"), body, range(4))


def _first(rows: Sequence[First]) -> str:
    body = [[row.world, str(row.seeds), _per_cent(row.shared), _per_cent(row.own)] for row in rows]
    return table(("World", "Seeds", "One for all", "One each"), body, range(1, 4))


def ends_section(scores: Sequence[Ends], classes: Sequence[ClassEnds]) -> list[str]:
    """Return what keeps intervals between 0 and 100 %, and how it was chosen."""
    both = [[row.world, f"{row.truth:.1f}", str(row.seeds), _per_cent(row.impossible),
             *(_per_cent(row.covered[rule]) for rule in RULES if rule != "cut"),
             *(f"{row.width[rule]:.1f}" for rule in RULES)] for row in scores]  # fmt: skip
    own = [[f"{row.truth:.0f}", f"{100 * row.held_by:g}", _per_cent(row.student), _per_cent(row.wilson),
            f"{row.width:.1f}"] for row in classes]  # fmt: skip
    return [
        "### Near 0 and near 100 %",
        "An interval of Student's t may leave the range that a mean IOU has. Three remedies, on the same experiments: "
        "cutting it off, which covers what it covers; the t interval of the log odds; and Wilson's, which is used. "
        "Coverage and “outside” (how often Student's t leaves the range) in per cent, mean widths in points.",
        table(
            ("World", "Truth", "Seeds", "Outside", "Student", "Log odds", "Wilson", "Width: Student", "Cut off",
             "Log odds", "Wilson"), both, range(1, 11),
        ),
        "The IOU of one class, where only some of 100 images hold it: Student's t with 99 degrees of freedom, and "
        "Wilson's interval with the effective number of images that hold the class, which is used.",
        table(("Truth [%]", "Held by images [%]", "Student", "Wilson", "Width"), own, range(5)),
    ]  # fmt: skip


def coverage_picture(rows: Sequence[Covered]) -> str:
    """Draw coverage of scores and differences by number of seeds; the promise is shaded."""
    worlds = list(dict.fromkeys(row.world for row in rows))
    seeds = sorted({row.seeds for row in rows})
    lowest = min(0.90, *(share for row in rows for share in (row.score, row.difference)))
    legend = max(text_width(world, 8.5) for world in worlds) + 30
    canvas = Canvas(WIDE, TOP + HEIGHT + 36)
    upward = AxisScale(100 * lowest - 0.5, 100, TOP + HEIGHT, TOP)
    right = WIDE - legend
    canvas.box(LEFT, upward(97), right - LEFT, upward(93) - upward(97), "good", 0.1)
    _frame(canvas, upward, right, "hold the truth [%]: ● a score, ○ a difference; shaded: the promise")
    for k, count in enumerate(seeds):
        middle = LEFT + (k + 0.5) * (right - LEFT) / len(seeds)
        canvas.text(middle, TOP + HEIGHT + 11, f"{count} seed{'s' * (count > 1)}", 8.5, "soft", "center")
        for row in (row for row in rows if row.seeds == count):
            index = worlds.index(row.world)
            x = middle + (index - (len(worlds) - 1) / 2) * 13
            colour, marker = row_colour(index), row_marker(index)
            canvas.marks([x - 2.5], [upward(100 * row.score)], colour, marker, 6)
            canvas.marks([x + 2.5], [upward(100 * row.difference)], colour, marker, 6, hollow=True)
    _legend(canvas, right, worlds)
    return standalone(canvas.svg("coverage", "Coverage of 95 % intervals", "The table below has the same numbers."))


def power_picture(rows: Sequence[DetectionRate]) -> str:
    """Draw the share of true differences that are found: marks simulated, lines foretold."""
    seeds = sorted({row.seeds for row in rows})
    labels = [f"{count} seeds" for count in seeds]
    right = WIDE - max(text_width(label, 8.5) for label in labels) - 30
    canvas = Canvas(WIDE, TOP + HEIGHT + 36)
    upward = AxisScale(0, 100, TOP + HEIGHT, TOP)
    across = AxisScale(0, max(row.difference for row in rows) * 1.03, LEFT, right)
    _frame(canvas, upward, right, "found [%]: marks simulated, lines foretold")
    ticks = across.ticks(8)
    for tick in ticks:
        canvas.text(across(tick), TOP + HEIGHT + 11, f"{tick:g}", 8.5, "soft", "center")
    canvas.text((LEFT + right) / 2, TOP + HEIGHT + 26, "true difference in points", 8.5, "soft", "center")
    for index, count in enumerate(seeds):
        line = sorted((row for row in rows if row.seeds == count), key=lambda row: row.difference)
        xs = [across(row.difference) for row in line]
        canvas.line(xs, [upward(100 * row.foretold) for row in line], row_colour(index), 1.4)
        canvas.marks(xs, [upward(100 * row.supported) for row in line], row_colour(index), row_marker(index), 6)
    _legend(canvas, right, labels)
    return standalone(canvas.svg("power", "Power by number of seeds", "The table below has the same numbers."))


def _frame(canvas: Canvas, upward: AxisScale, right: float, title: str) -> None:
    canvas.text(LEFT, 8, title, 8.5, "soft")
    for tick in upward.ticks(6):
        canvas.line([LEFT, right], [upward(tick)] * 2, "line", 0.8)
        canvas.text(LEFT - 6, upward(tick), f"{tick:g}", 8.5, "soft", "right")


def _legend(canvas: Canvas, right: float, labels: Sequence[str]) -> None:
    for index, label in enumerate(labels):
        y = TOP + 8 + 17 * index
        canvas.marks([right + 12], [y], row_colour(index), row_marker(index), 6)
        canvas.text(right + 22, y, label, 8.5, "soft")


if __name__ == "__main__":
    main()
