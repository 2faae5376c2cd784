"""The real command in a process of its own that is forked from a server which has imported torch (`tests/conftest.py`).

Starting it takes a tenth of a second; `python -m repro` takes four.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path


def command(words: list[str], cwd: str, environment: Mapping[str, str], out: str, err: str) -> None:
    """What the new process does."""
    from repro.__main__ import main
    from repro.run.executors import local

    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
    local.START_METHOD = "fork"
    sys.argv = ["repro", *words]
    main()


def run(
    words: list[str], cwd: Path, environment: Mapping[str, str], timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """`repro` with these words to its end; like `subprocess.run`, with text captured."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        arguments = (words, str(cwd), dict(environment), str(out), str(err))
        process = multiprocessing.get_context("forkserver").Process(target=command, args=arguments)
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, timeout)
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())
