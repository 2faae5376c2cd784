"""`python -m repro`: run the command line, turn errors into one line and an exit code."""

from __future__ import annotations

import codecs
import os
import sys
import traceback
from io import TextIOWrapper

from repro.errors import EXIT_FAULT, EXIT_INTERRUPTED, EXIT_WRONG_INPUT, InputError, shortened

PLAIN = {"−": "-", "–": "-", "±": "+/-", "×": "x", "“": '"', "”": '"', "’": "'", "✓": "yes", "✗": "no", "τ": "tau"}
"""How to write what a narrow encoding lacks; anything else becomes a question mark."""
TRACED = 12
"""Innermost calls shown of a fault."""


def _plain(error: UnicodeError) -> tuple[str, int]:
    """An error handler of codecs: the nearest plain spelling of what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


def _print_anywhere() -> None:
    """Let a terminal or pipe that is not UTF-8 (LANG=C, Windows) lose a letter, not the whole command."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="plain")


def main() -> None:
    """Entry point of `repro` and `python -m repro`."""
    # no plugin is wanted, and looking for some among all installed packages takes longer than the specs do
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _print_anywhere()
    from repro.cli import app

    try:
        app(prog_name="repro")
    except InputError as error:
        print(f"repro: {error}", file=sys.stderr)
        sys.exit(EXIT_WRONG_INPUT)
    except KeyboardInterrupt:
        print("repro: interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:  # never 1, which says that a check failed
        _tell_fault(error)
        sys.exit(EXIT_FAULT)


def _tell_fault(error: Exception) -> None:
    """Where it went wrong, then what that means; of what is stored nothing is lost."""
    traceback.print_exc(limit=-TRACED)
    what = f"{type(error).__name__}: {shortened(' '.join(str(error).split()), 300)}"
    if isinstance(error, OSError | MemoryError):
        print(f"repro: this machine gave up ({what}). Make room or mend it; the same command goes on.", file=sys.stderr)
        return
    print(
        f"repro: a fault of the suite, not of your input ({what}). What is stored stays good. Please report the lines "
        "above with the command.",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
