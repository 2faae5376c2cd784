"""Links in the documentation: the file is there, and a link to a line shows the definition that its text names.

Lines move with every edit above them: `python tests/docs/test_docs_links.py` moves the numbers in the pages along.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "reports/README.md"])
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)(?:#(?P<anchor>[^)\s]*))?\)")
LINE = re.compile(r"L(\d+)")


@dataclass(frozen=True)
class Link:
    """A relative link of a page, as its text and its target."""

    page: Path
    text: str
    target: str
    anchor: str

    @property
    def file(self) -> Path:
        return (self.page.parent / self.target).resolve()

    @property
    def symbol(self) -> str | None:
        """What the text says is defined there: `Train.scales` is `scales`, a key of a table stays whole."""
        named = re.fullmatch(r"`([\w.]+)`", self.text)
        if named is None:
            return None
        return named[1] if self.file.suffix == ".toml" else named[1].split(".")[-1]


def links_in(text: str, page: Path) -> Iterator[Link]:
    """Relative links outside fenced code."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for found in LINK.finditer(prose):
        if "://" not in found["target"] and not found["target"].startswith("mailto:"):
            yield Link(page, found["text"], found["target"], found["anchor"] or "")


def definitions(text: str, symbol: str) -> list[int]:
    """Lines (from 1) that define `symbol`: def, class, an assignment or annotation, a key of a TOML file."""
    name = re.escape(symbol)
    defines = re.compile(rf"\s*(?:(?:async )?def {name}\b|class {name}\b|{name}\s*(?::[^=]*)?=|{name}:\s)")
    return [number for number, line in enumerate(text.splitlines(), start=1) if defines.match(line)]


def fault(link: Link) -> str | None:
    """What is wrong with a link, None if nothing."""
    if not link.file.exists():
        return "no such file"
    number = LINE.fullmatch(link.anchor)
    if number is None:
        return None
    if link.symbol is None:
        return "a link to a line names what is defined there, as [`plan_units`](...)"
    lines = definitions(link.file.read_text(encoding="utf-8"), link.symbol)
    if int(number[1]) in lines:
        return None
    return f"defines {link.symbol} on line {', '.join(map(str, lines)) or 'none'}"


def moved(page: Path) -> str:
    """The page's text with line numbers set to the nearest definition of what each link names."""

    def renumber(found: re.Match[str]) -> str:
        link = Link(page, found["text"], found["target"], found["anchor"] or "")
        number = LINE.fullmatch(link.anchor)
        if number is None or link.symbol is None or not link.file.exists():
            return found[0]
        lines = definitions(link.file.read_text(encoding="utf-8"), link.symbol)
        nearest = min(lines, key=lambda line: abs(line - int(number[1])), default=int(number[1]))
        return found[0].replace(f"#{link.anchor})", f"#L{nearest})")

    return LINK.sub(renumber, page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_where_they_say(page: Path) -> None:
    links = links_in(page.read_text(encoding="utf-8"), page)
    wrong = [f"[{k.text}]({k.target}#{k.anchor}): {why}" for k in links if (why := fault(k)) is not None]
    assert not wrong, "\n".join([*wrong, "python tests/docs/test_docs_links.py moves line numbers along"])


@pytest.mark.parametrize("name", ["v2", "v3", "v3plus"])
def test_details_are_numbered_without_gaps_and_link_to_lines(name: str) -> None:
    page = ROOT / f"docs/details-{name}.md"
    rows = re.findall(r"^\| (\d+) \|.*\|.*\|.*\|$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, len(rows) + 1))
    lines = [k for k in links_in(page.read_text(encoding="utf-8"), page) if LINE.fullmatch(k.anchor)]
    assert len(lines) >= len(rows)


def test_faults_are_found(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("X = 1\n\n\ndef f() -> None:\n    X2 = X\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[`f`](code.py#L4) [`X`](code.py#L1) [here](code.py) [out](https://example.org/x)\n"
        "[`f`](code.py#L5) [`X`](code.py#L5) [f](code.py#L4) [`g`](code.py#L4) [lost](gone.py)\n"
        "```\n[code](nowhere)\n```\n"
    )
    found = [fault(link) for link in links_in(page.read_text(), page)]
    assert found[:3] == [None, None, None]
    assert len(found) == 8
    assert all(found[3:])
    assert moved(page).splitlines()[1].startswith("[`f`](code.py#L4) [`X`](code.py#L1) [f]")


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(moved(path), encoding="utf-8")
