"""What of an error reaches the terminal, and the exit code of a fault of the suite."""

import subprocess
import sys
from pathlib import Path

import pytest

from repro.errors import LONGEST_MESSAGE, InputError, did_you_mean, shortened

ROOT = Path(__file__).parents[1]


def test_a_long_value_keeps_both_ends():
    text = "first " + "x" * 9000 + " last"
    assert len(shortened(text)) <= 100
    assert shortened(text).startswith("first ")
    assert shortened(text).endswith(" last")
    assert "9011 letters" in shortened(text)
    assert shortened("y" * 100) == "y" * 100


def test_messages_stay_readable_however_long_a_value_is():
    for value in ("x" * 100_000, "1, " * 50_000):
        told = str(InputError(f"place: {value}: is wrong. Mend it."))
        assert len(told) <= LONGEST_MESSAGE
        assert told.startswith("place: ")
        assert told.endswith("is wrong. Mend it.")


def test_letters_that_control_a_terminal_are_spelt_out():
    assert str(InputError("a\x1b[2Jb\x07\r\nc\u202ed")) == "a\\x1b[2Jb\\x07\\r\\nc\\u202ed"


def test_nothing_is_near_a_word_of_thousands_of_letters():
    assert did_you_mean("table3" * 2000, ["table3"]) == ""
    assert did_you_mean("tabel3", ["table3"]) == " Did you mean 'table3'?"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("KeyError('x')", "a fault of the suite, not of your input (KeyError: 'x')"),
        (
            "OSError(28, 'No space left on device')",
            "this machine gave up (OSError: [Errno 28] No space left on device)",
        ),
        ("RecursionError()", "a fault of the suite"),
    ],
)
def test_a_crash_is_no_failed_check(error, told):
    code = (
        "import sys, repro.__main__ as m, repro.commands.list_ as l\n"
        f"def fail(*_): raise {error}\n"
        "l.main = fail\nsys.argv = ['repro', 'list']\nm.main()"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert out.returncode == 70
    assert told in out.stderr
    assert "Traceback" in out.stderr
    assert out.stdout == ""
