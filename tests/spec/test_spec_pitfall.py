"""Declarations of known mistakes: conditions, and what is refused."""

from __future__ import annotations

import shlex

import pytest

from repro.errors import InputError
from repro.spec.load import load_suite
from repro.spec.pitfall import Pitfall


@pytest.mark.parametrize(
    ("wanted", "fitting", "other"),
    [
        ({"min": 5, "max": 8}, [5, 8], [4, 9]),
        ({"max": 4}, [1, 4], [5]),
        ({"not": "none"}, [[513, 513]], [None]),
        ("none", [None], [[513, 513]]),
        ({"any": [1, 3]}, [1, 3], [2]),
        (7, [7], [8, True]),
    ],
)
def test_conditions(wanted, fitting, other):
    pitfall = Pitfall(cause="x", when={"train.crop": wanted})
    assert all(pitfall.made_by({"train.crop": value}) for value in fitting)
    assert not any(pitfall.made_by({"train.crop": value}) for value in other)


def test_commands_are_quoted_for_a_shell():
    pitfall = Pitfall(cause="x", when={"train.crop": 1}, rows=("pitfalls/deeplabv3: the script's flags",))
    (command,) = pitfall.commands_for("v3")
    assert shlex.split(command)[-3] == "row=the script's flags"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('[[pitfalls]]\ncause = "x"\nwhen = { train.crops = 3 }\n', "crops"),
        ('[[pitfalls]]\ncause = "x"\nwhen = { train.crop = { any = 3 } }\n', "any"),
        ('[[pitfalls]]\ncause = "x"\nwhen = { train.crop = 3 }\npoints = [1, -1]\n', "lower one first"),
        ('[[pitfalls]]\ncause = "x"\nwhen = { train.crop = 3 }\nsources = ["gone"]\n', "gone"),
        ('[[pitfalls]]\ncause = "x"\nwhen = { train.crop = 3 }\nrows = ["row"]\n', "TABLE: row label"),
        ('[[pitfalls]]\ncause = "x"\n', "when"),
        ('[[pitfall]]\ncause = "x"\n', "pitfall"),
    ],
)
def test_wrong_declarations_name_file_and_key(tmp_path, text, match):
    (tmp_path / "pitfalls.toml").write_text(text)
    with pytest.raises(InputError, match=match) as told:
        load_suite([tmp_path])
    assert "pitfalls.toml" in str(told.value)
