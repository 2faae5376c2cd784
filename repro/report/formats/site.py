"""A folder of reports as a static site: their pages, and one index over tables and claims that can be searched."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from repro.errors import InputError
from repro.report.changes import read_data
from repro.report.claims import effect_text
from repro.report.formats.index_page import Entry, entry, index_html, unreported
from repro.report.legend import VERDICTS
from repro.report.number_format import span
from repro.spec.load import Suite

INDEX = "index.html"
BRAND = re.compile(r'<(?:a class="brand" href="index\.html"|span class="brand")>repro</(?:a|span)>')
"""What leads from a page to the index."""
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


@dataclass(frozen=True)
class ReportedVerdict:
    """What one report says of a claim."""

    verdict: str
    summary: str
    """Scale, seeds and effect."""
    address: str
    """Where the page shows what the verdict rests on."""


@dataclass(frozen=True)
class ListedClaim:
    """A claim in the index, under its id as a permanent anchor."""

    id: str
    text: str
    table: str
    """Its table, or the paper whose text it is from."""
    outcomes: list[ReportedVerdict] = field(default_factory=list)


Outcome = tuple[ListedClaim, ReportedVerdict]


def site_files(folder: Path, suite: Suite, version: str, leave_out: Sequence[Path] = ()) -> dict[str, bytes]:
    """Return address -> content of every page of a site over the reports below a folder.

    Indices of single folders give way to that of the site; `leave_out`: folders that are not looked into. Raises
    InputError where there is no report.
    """
    lines, others, claims = list[Entry](), list[tuple[str, str]](), _claims(suite)
    files: dict[str, bytes] = {}
    for path in _pages(folder, leave_out):
        address = path.relative_to(folder).as_posix()
        text = _text(path)
        line, outcomes = _understood(read_data(path), address)
        if line is not None:
            lines.append(line)
            for claim, outcome in outcomes:
                claims.setdefault(claim.id, claim).outcomes.append(outcome)
        elif BRAND.search(text):
            title = TITLE.search(text)
            others.append((html.unescape(title[1]) if title else address, quote(address)))
        else:
            continue  # no page of this suite's
        home = f"{'../' * address.count('/')}{INDEX}"
        files[address] = BRAND.sub(f'<a class="brand" href="{home}">repro</a>', text).encode()
    if not lines:
        raise InputError(
            f"--reports {folder}: there is no report below it. `repro report TABLE --out {folder}/NAME` writes one."
        )
    known = [unreported(table) for table in suite.tables.values()]
    reported = {line.id for line in lines}
    order = {known_entry.id: k for k, known_entry in enumerate(known)}
    lines.sort(key=lambda line: (order.get(line.id, len(order)), bool(line.asked), line.file))
    listed = [*lines, *(known_entry for known_entry in known if known_entry.id not in reported)]
    ranked = sorted(claims.values(), key=lambda claim: not claim.outcomes)  # those with results first
    files[INDEX] = index_html(listed, version, ranked, others).encode()
    return files


def _pages(folder: Path, leave_out: Sequence[Path]) -> Iterator[Path]:
    left = {path.resolve() for path in leave_out}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if (Path(place) / name).resolve() not in left)
        yield from (Path(place) / name for name in sorted(names) if name.endswith(".html") and name != INDEX)


def _text(path: Path) -> str:
    """A page as text. Raises InputError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Take it away, or make it readable.") from None


def _understood(data: Mapping[str, Any] | None, address: str) -> tuple[Entry | None, list[Outcome]]:
    """Return a report's line and verdicts; none of another program's, or of a version that is not understood."""
    try:
        return (None, []) if data is None else (entry(data, address), list(_outcomes(data, address)))
    except (KeyError, TypeError, AttributeError):
        return None, []


def _claims(suite: Suite) -> dict[str, ListedClaim]:
    """Every claim that is declared, by its id, in the order of the tables."""
    claims: dict[str, ListedClaim] = {}
    for table in suite.tables.values():
        claims |= {claim.id: ListedClaim(claim.id, claim.text, table.id) for claim in table.claims}
    for paper in suite.papers.values():
        claims |= {claim.id: ListedClaim(claim.id, claim.text, f"{paper.id}, text") for claim in paper.claims}
    return claims


def _outcomes(data: Mapping[str, Any], address: str) -> Iterator[Outcome]:
    """Yield each claim with its verdict. Raises KeyError and the like for what is not understood."""
    seeds = len(data["seed_list"])
    for row in data["claims"]:
        if row["verdict"] not in VERDICTS:
            raise KeyError(row["verdict"])
        listed = ListedClaim(row["id"], row["text"], data["table"])
        summary = f"{data['scale']}, {seeds} seed{'s' * (seeds != 1)}"
        if row["effect"] is not None:
            summary += f": {effect_text(row['effect'], row['unit'])}"
        if row["low"] is not None and row["high"] is not None:
            summary += f" ({span(row['low'], row['high'])})"
        yield listed, ReportedVerdict(row["verdict"], summary, f"{quote(address)}#claim-{quote(row['id'])}")
