from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import run_story

from repro.run.progress.display import show_progress
from repro.run.progress.lines import Lines
from repro.run.progress.live import LiveView


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "term", "kind"),
    [(Terminal, "xterm", LiveView), (Terminal, "dumb", Lines), (Terminal, None, Lines), (io.StringIO, "xterm", Lines)],
)
def test_only_a_terminal_gets_the_live_view(monkeypatch, stream, term, kind):
    monkeypatch.delenv("TERM", raising=False)
    if term:
        monkeypatch.setenv("TERM", term)
    with show_progress(run_story.begin(run_story.Clock()), stream()) as listener:
        assert isinstance(listener, kind)


def test_lines_go_to_the_stream_at_once():
    clock, stream = run_story.Clock(), io.StringIO()
    with show_progress(run_story.begin(clock), stream) as listener:
        run_story.tell(listener, clock, until=6.0)
        assert stream.getvalue() == "pre-training: trained in 5 s\n"


def test_without_colour_the_live_view_has_none(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    clock = run_story.Clock()
    texts = {}
    for name in ("coloured", "plain"):
        if name == "plain":
            monkeypatch.setenv("NO_COLOR", "1")
        else:
            monkeypatch.delenv("NO_COLOR", raising=False)
        stream = Terminal()
        with show_progress(run_story.begin(clock), stream) as listener:
            run_story.tell(listener, clock)
        texts[name] = stream.getvalue()
    assert "\x1b[36m" in texts["coloured"]
    assert "\x1b[36m" not in texts["plain"]
    assert "71.23" in texts["plain"]


def test_plain_lines_load_neither_rich_nor_torch():
    code = (
        "import io, sys; from repro.run.progress.state import Progress\n"
        "from repro.run.progress.display import show_progress\n"
        "import repro.run.executors.local, repro.store.explain\n"
        "with show_progress(Progress([], {}, 1), io.StringIO()): pass\n"
        "print(sorted(name for name in ('rich', 'torch', 'numpy', 'pandas') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=True
    )
    assert done.stdout == "[]\n"
