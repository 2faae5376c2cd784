"""What is committed may be read by anybody: no page names a folder of the machine that made it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MADE = sorted(
    path
    for path in ROOT.joinpath("reports").rglob("*")
    if path.suffix in (".html", ".md", ".json", ".svg", ".csv", ".tex")
)
PLACE = re.compile(
    r"(?<![\w.<:/~-])/(?:root|home|work|tmp|var|mnt|srv|opt|data|scratch|media|private|Users|Volumes|usr|workspace|content)/[\w.-]"
    r"|(?<![\w.])~/[\w.]|\b[A-Za-z]:\\\\?[\w]|file://"
)


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("--store /tmp/s4/refstore2 --seeds 5", True),
        ("--data=/home/me/VOC", True),
        (r"--data C:\Users\me", True),
        ("--weights ~/weights", True),
        ('{"command":"run --store /srv/runs"}', True),
        ("--data data/VOCdevkit --store <store>", False),
        ("https://arxiv.org/abs/1706.05587", False),
        ("</span></td>", False),
        ("images/data/x of ../home/y", False),
    ],
)
def test_the_pattern_knows_a_path_of_a_machine(text, private):
    assert bool(PLACE.search(text)) == private


def test_there_are_reports_to_look_at():
    assert {"v3-table3.html", "v3-table3.md", "audit.md", "proof.json"} <= {path.name for path in MADE}


@pytest.mark.parametrize("path", MADE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_committed_report_names_a_path_of_a_machine(path):
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", path.read_text(encoding="utf-8"))
    found = PLACE.search(text)
    assert found is None, text[max(0, found.start() - 60) : found.end() + 40]
