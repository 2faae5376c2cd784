"""Names that become parts of files' names and of commands: ids of tables, aliases, names of scales and data sets."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from repro.spec import bounds
from repro.spec.explain import brief

RESERVED = ("all", "index", "audit")
"""all tables on the command line; pages that stand beside those of tables."""
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"


def _checked(text: str) -> str:
    if re.fullmatch(rf"{_PART}(/{_PART})*", text) is None:
        raise ValueError(
            f"{brief(text)} is no id. Write letters, digits, points, hyphens and underscores, in parts that begin "
            'with a letter or digit and are joined by "/".'
        )
    if file_stem(text).casefold() in RESERVED:
        raise ValueError(f"{brief(text)} means something else already. Choose another.")
    return text


Id = Annotated[str, Field(min_length=1, max_length=bounds.NAME), AfterValidator(_checked)]


def file_stem(table: str) -> str:
    """How the files of a table's report begin: "v3/table3" is "v3-table3"."""
    return table.replace("/", "-")
