"""The palette, in one place, for both themes.

Charts are drawn in `var(--name)`, so that a page's theme colours its charts too. Hues are told apart by readers with
any of the common colour deficiencies (after Okabe and Ito, 2008, darkened for white paper and lightened for the dark
theme); no meaning rests on hue alone.
"""

from __future__ import annotations

# name: (light theme, dark theme)
COLOURS: dict[str, tuple[str, str]] = {
    "page": ("#ffffff", "#111418"),
    "panel": ("#f6f7f9", "#191d23"),
    "raised": ("#ffffff", "#20252c"),
    "line": ("#dfe3e8", "#323942"),
    "ink": ("#1a1f26", "#e8ebef"),
    "soft": ("#59636f", "#a3adb9"),
    "faint": ("#8b95a1", "#75808c"),
    "accent": ("#0b5fa5", "#6db8f2"),
    "good": ("#0a6e5c", "#4fc7ae"),
    "bad": ("#b3400a", "#f59a66"),
    "open": ("#7a5c00", "#dbb54a"),
    "row1": ("#0b68ad", "#62b1ee"),
    "row2": ("#c2500c", "#f2965c"),
    "row3": ("#0a7d62", "#45c3a2"),
    "row4": ("#a6478a", "#dd94c6"),
    "row5": ("#8a6a00", "#dfb740"),
    "row6": ("#5a5fc7", "#a5a9f5"),
    "row7": ("#57606a", "#b4bdc7"),
    "row8": ("#8c2f39", "#ef8f99"),
}

ROWS = tuple(name for name in COLOURS if name.startswith("row"))
MARKERS = ("o", "s", "^", "v", "P", "X", "p", "H")
"""Rows also differ in their marker, for print in black and white."""


def row_colour(index: int) -> str:
    """Return the name of the colour of the table's row with this index, the same in every chart."""
    return ROWS[index % len(ROWS)]


def row_marker(index: int) -> str:
    """Return the marker of the table's row with this index."""
    return MARKERS[index % len(MARKERS)]


def css_variables() -> tuple[str, str]:
    """Return the declarations of the light and of the dark theme."""
    light = "".join(f"--{name}:{colours[0]};" for name, colours in COLOURS.items())
    dark = "".join(f"--{name}:{colours[1]};" for name, colours in COLOURS.items())
    return light, dark
