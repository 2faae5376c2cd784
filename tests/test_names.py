"""One name, one idea: a class's name means one thing in the whole package."""

import re
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "repro"


def test_no_two_modules_define_a_class_of_the_same_name():
    homes = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in re.findall(r"^class (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            homes[name].append(path.name)
    assert len(homes) > 100
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}
