"""What the quick commands must not load: seconds are measured by `repro bench startup`, these are their cause."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "scipy", "pandas", "matplotlib", "PIL", "multiprocessing")
SCRIPT = """
import runpy, sys
sys.argv = ["repro", *sys.argv[1:]]
try:
    runpy.run_module("repro", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *(name for name in %r if name in sys.modules))
"""


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "list",
        "show v3/table3 --scale tiny",
        "show v3/table3 --scale paper --resolved",
        "plan v3/table3 --scale tiny --seeds 5",
    ],
)
def test_quick_commands_load_nothing_heavy(words):
    command = [sys.executable, "-c", SCRIPT % (HEAVY,), *words.split()]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1].split() == ["LOADED"], told[-200:]


def test_planning_without_torch_even_on_a_gpu_and_real_data():
    command = [sys.executable, "-c", SCRIPT % (("torch", "scipy", "pandas"),), "plan", "all", "--scale", "paper"]
    told = subprocess.run([*command, "--gpu", "h200"], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1].split() == ["LOADED"], told[-200:]
