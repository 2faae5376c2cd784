"""Tables on terminals of several widths and in pipes."""

import io
import re

import pytest

from repro.commands.output import print_table

HEADINGS = ("key", "paper", "reason")
ROWS = [("train.warmup_iterations", "0", "The first steps have no statistics yet."), ("data.side", "none", "Small.")]
TITLE = "What a scale changes, and why"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    def shown(columns: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        out = Terminal()
        monkeypatch.setattr("sys.stdout", out)
        print_table(HEADINGS, ROWS, TITLE)
        return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in out.getvalue().splitlines()]

    return shown


def test_a_wide_terminal_has_a_line_for_each_row(terminal):
    assert terminal(100)[0] == TITLE
    assert len(terminal(100)) == 4


def test_a_narrow_terminal_folds_sentences_and_keeps_keys_whole(terminal):
    lines = terminal(50)
    assert max(map(len, lines)) <= 50
    assert len(lines) > 4
    assert any(line.startswith("train.warmup_iterations  0") for line in lines)


def test_where_words_would_break_columns_are_plain(terminal, monkeypatch, capsys):
    narrow = terminal(20)
    monkeypatch.undo()
    print_table(HEADINGS, ROWS, TITLE)
    assert narrow == capsys.readouterr().out.splitlines()
