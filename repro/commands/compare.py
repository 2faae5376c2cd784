"""`repro compare`: two stores side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from repro.commands.output import print_json, print_table
from repro.errors import EXIT_OK, EXIT_WRONG_INPUT, InputError
from repro.report.compared_stores import HEADINGS, compare, environments, headline, json_rows, markdown, only_lines
from repro.report.compared_stores import printed_rows as rows_of
from repro.report.files import ready_folder, write_file
from repro.report.formats.markdown import text
from repro.report.matched_stores import match, measurements, opened
from repro.spec.load import load_suite


def main(
    a: Path, b: Path, names: Sequence[str], scale: str | None, tables_dir: Path | None, out: Path | None, as_json: bool
) -> int:
    """Print what the stores `a` and `b` have in common, and what only one of them has; 2 if they share nothing."""
    try:
        return _main(a, b, names, scale, tables_dir, out, as_json)
    except InputError as error:
        if out is not None:
            with suppress(InputError):  # an earlier comparison does not stand for this one
                write_file(
                    out, f"# Two stores side by side\n\nNot compared: {text(str(error))}\n".encode(), "--markdown"
                )
        raise


def _main(
    a: Path, b: Path, names: Sequence[str], scale: str | None, tables_dir: Path | None, out: Path | None, as_json: bool
) -> int:
    suite = load_suite([tables_dir] if tables_dir else None)
    tables = suite.select(names or ["all"])
    scales = [scale] if scale else list(suite.scales)
    for name in scales:
        suite.scale(name)
    first, second = opened(a, "A:"), opened(b, "B:")
    matched = match(suite, tables, scales, measurements(first), measurements(second))
    compared = compare(matched)
    code = EXIT_OK if compared else EXIT_WRONG_INPUT
    if out is not None:
        ready_folder(out.parent, "--markdown")
        write_file(out, markdown(str(a), str(b), matched, compared).encode(), "--markdown")
    if as_json:
        environment_rows = [{"what": key, "a": in_a, "b": other} for key, in_a, other in environments(matched)]
        print_json(json_rows(matched, compared), headline=headline(compared, matched), environments=environment_rows)
        return code
    print(headline(compared, matched))
    for line in only_lines(matched):
        print(line)
    if compared:
        print()
        print_table(HEADINGS, rows_of(compared))
    differing = [row for row in environments(matched) if row[1] != row[2]]
    if differing:
        print()
        print_table(("environment", "A", "B"), differing)
    return code
