"""`python -m repro`: run the command line, turn errors into one line and an exit code."""

from __future__ import annotations

import codecs
import os
import sys
from io import TextIOWrapper

from repro.errors import EXIT_INTERRUPTED, EXIT_WRONG_INPUT, InputError

PLAIN = {"−": "-", "–": "-", "±": "+/-", "×": "x", "“": '"', "”": '"', "’": "'", "✓": "yes", "✗": "no", "τ": "tau"}
"""How to write what a narrow encoding lacks; anything else becomes a question mark."""


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


if __name__ == "__main__":
    main()
