"""`repro site`: committed reports as a static site."""

from __future__ import annotations

from pathlib import Path

import repro
from repro.commands.options import OUT
from repro.commands.output import print_json, print_line
from repro.errors import InputError
from repro.report.files import ready_folder, write_file
from repro.spec.load import load_suite


def main(folder: Path, reports: Path, tables_dir: Path | None, as_json: bool) -> None:
    """Write the site into a folder, and print how many pages it has."""
    if not reports.is_dir():
        raise InputError(f"--reports {reports}: there is no such folder. Name the one that holds your reports.")
    if folder.resolve().is_relative_to(reports.resolve()):
        raise InputError(f"{folder}: lies inside --reports {reports}, and its pages would be taken for reports.")
    from repro.report.formats.site import INDEX, site_files

    suite = load_suite([tables_dir] if tables_dir else None)
    files = site_files(reports, suite, repro.__version__, [OUT])
    for address, content in files.items():
        path = folder / address
        ready_folder(path.parent, "DIR")
        write_file(path, content, "DIR")
    if as_json:
        print_json([{"id": address, "kind": "page", "bytes": len(content)} for address, content in files.items()])
        return
    print_line(f"{len(files)} pages; open {folder / INDEX}, or publish the folder as it is")
