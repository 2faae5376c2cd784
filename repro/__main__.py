"""`python -m repro`: run the command line, turn errors into one line and an exit code."""

from __future__ import annotations

import os
import sys

from repro.errors import EXIT_INTERRUPTED, EXIT_WRONG_INPUT, InputError


def main() -> None:
    """Entry point of `repro` and `python -m repro`."""
    # no plugin is wanted, and looking for some among all installed packages takes longer than the specs do
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from repro.cli import app

    try:
        app(prog_name="repro")
    except InputError as error:
        print(f"repro: {error}", file=sys.stderr)
        sys.exit(EXIT_WRONG_INPUT)
    except KeyboardInterrupt:
        print("repro: interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # whoever read our output (`head`, say) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
