"""The README's paper of one's own works as typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from repro.cli import app

README = Path(__file__).resolve().parents[2] / "README.md"
SECTION = README.read_text().split("## A paper of your own")[1].split("\n## ")[0]
CODE = dedent("\n".join(line for line in SECTION.splitlines() if line.startswith("    ") or not line)).strip()
COMMANDS = [shlex.split(line)[3:] for line in CODE.splitlines() if line.startswith("python -m repro")]


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """The folder that its first commands make."""
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"cat > (\S+) <<'END'\n(.*?)\nEND\n", CODE, re.DOTALL):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_its_commands_are_understood(paper, words):
    """`run` and `report` take what `plan` takes, but for what is written."""
    assert (paper / "mypaper/paper.toml").is_file()
    cut = next((k for k, word in enumerate(words) if word in ("--format", "--figures")), len(words))
    found = CliRunner().invoke(app, ["plan", *words[1:cut]])
    assert found.exit_code == 0, found.output
    assert "mypaper/table1" in found.output + found.stderr


@pytest.mark.slow
def test_its_commands_run(paper):
    for words in COMMANDS:
        found = CliRunner().invoke(app, words)
        assert found.exit_code == 0, found.output
    assert (paper / "reports/local/mypaper-table1-smoke.html").is_file()
    assert (paper / "reports/local/mypaper-table1-smoke-table.md").is_file()
    assert list((paper / "figures").glob("*.pdf"))
