"""Plays wrong input made at random, and says what is wrong with how it ended.

A case depends on (kind, number) alone: `python tests/commands/fuzz_play.py spec 17` repeats one and prints all of it,
`python tests/commands/fuzz_play.py spec,only 0 1000` plays a thousand of each and prints those that ended wrong.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest import mock

import typer
from fuzz_cases import Case, argument_case, only_case, setting_case, spec_case
from fuzz_files import image_case, judge_case, list_case, score_case

import repro.__main__ as program
from repro.cli import app
from repro.run.executors.job_queue import Outcome

SECONDS = {"audit": 60}
"""Of processor time, which nobody else's work lengthens much: beyond them, else beyond 10, a case hangs.

An audit counts the operations of every network.
"""
LONGEST = 2600
"""Letters of a message to a user."""
REMEDY = re.compile(
    r"Did you mean|There (are|is)|it must be|must (be|hold)|at most|at least|\bone of\b|Known here|expected|should be|"
    r"Missing (argument|option)|requires an argument|it has|either|"
    r"\b(Write|Give|Choose|Add|Remove|Mend|Set|Use|Name|Leave|Loosen|Split|Shorten|List|Swap|Break|Restrict|Check|Put|"
    r"Take|Make|Ask|Run|Unpack|Try|Install|Quote|Lower|Widen|See|Show|Copy|Store|Convert|Export|Free|Delete)\b",
    re.IGNORECASE,
)
KINDS: dict[str, Callable[[random.Random], Case]] = {
    "spec": spec_case,
    "setting": setting_case,
    "only": only_case,
    "argument": argument_case,
    "list": list_case,
    "image": image_case,
    "score": score_case,
    "judge": judge_case,
}


def case(kind: str, number: int) -> Case:
    """The case of that kind and number."""
    return KINDS[kind](random.Random(f"{kind} {number}"))


COMMAND = typer.main.get_command(app)
"""Built once: that takes longer than most cases."""


class Hang(BaseException):
    """Raised in a case that takes too long; no `except Exception` stops it."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


def limit(words: tuple[str, ...]) -> float:
    """Seconds that a command may take."""
    return SECONDS.get(words[0] if words else "", 10)


def run(words: tuple[str, ...], seconds: float | None = None) -> Ended:
    """The command in this process, but no training: what `run` would compute is taken for interrupted."""
    out, err = io.StringIO(), io.StringIO()
    began = time.process_time()
    nothing = mock.patch(
        "repro.run.executors.loop.run", lambda work, *_: Outcome({}, {}, tuple(w.key for w in work), True)
    )

    seconds = seconds or limit(words)

    def hang(*_: object) -> None:
        raise Hang(f"more than {seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, hang)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        built = mock.patch("typer.main.get_command", return_value=COMMAND)
        typed = mock.patch.object(sys, "argv", ["repro", *words])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), nothing, built, typed:
            try:
                program.main()
                code = 0
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return Ended(code, out.getvalue(), err.getvalue(), time.process_time() - began)


def wrong(one: Case, ended: Ended, left: list[str]) -> str:
    """What is wrong with how a case ended; empty: nothing."""
    command = one.words[0] if one.words else ""
    if "Traceback" in ended.err:
        return "a traceback"
    if ended.code == 130 and command == "run":
        return ""  # the work that is left out here
    if ended.code not in (0, 2):
        return f"exit code {ended.code}"
    if ended.code == 0:
        return ""
    if left:
        return f"left behind: {left}"
    if command == "data" and not ended.err:
        return "" if "WRONG" in ended.out else "no message"
    lines = ended.err.strip().splitlines()
    last = lines[-1] if lines else ""
    if ended.err.startswith("Usage: ") and "\nCommands:\n" in ended.err:
        return ""  # no command was given: the help is the message
    if not last.startswith(("repro: ", "Error: ")):
        return "no message"
    if len(ended.err) > LONGEST:
        return f"a message of {len(ended.err)} letters"
    if not REMEDY.search(last if last.startswith("repro: ") else ended.err):
        return "no remedy"
    if last.startswith("repro: ") and not any(name in last for name in one.named):
        return "no place"
    return ""


def play(one: Case, folder: Path) -> tuple[Ended, str]:
    """Run a case in an empty folder; what is wrong with it, if anything."""
    for name, data in one.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    before = set(folder.rglob("*"))
    with contextlib.chdir(folder):
        try:
            ended = run(one.words)
        except Hang as error:
            return Ended(-1, "", "", limit(one.words)), str(error)
    # of a check that comes to no result its files say so, lest older ones be taken for it
    named = [name for option, name in pairwise(one.words) if option in ("--junit", "--markdown")]
    excused = {folder / name for name in named if one.words[0] == "check"}
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path not in before | excused)
    return ended, wrong(one, ended, left)


def played(kind: str, number: int) -> tuple[Ended, str]:
    """The same by kind and number, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        return play(case(kind, number), Path(folder))


def warm() -> None:
    """Load what the first case would otherwise be counted for."""
    run(("cost", "v3/table3"), seconds=300)


def _sweep(kind: str, first: int, last: int) -> None:
    codes: Counter[int] = Counter()
    faults, slowest = 0, (0.0, 0)
    for number in range(first, last):
        ended, fault = played(kind, number)
        codes[ended.code] += 1
        slowest = max(slowest, (ended.seconds, number))
        if fault:
            faults += 1
            words = [word[:80] for word in case(kind, number).words]
            print(f"{kind} {number}: {fault}: {words}\n    {ended.err.strip()[-400:]}", flush=True)
    print(f"{kind}: {last - first} cases, {faults} faults, exit codes {dict(codes)}, slowest {slowest}", flush=True)


if __name__ == "__main__":
    warm()
    if len(sys.argv) == 3:
        print(case(sys.argv[1], int(sys.argv[2])), *played(sys.argv[1], int(sys.argv[2])), sep="\n")
    else:
        for each in sys.argv[1].split(","):
            _sweep(each, int(sys.argv[2]), int(sys.argv[3]))
