"""The palette, in one place, for both themes.

Charts are drawn in `var(--name)`, so that a page's theme colours its charts too. Any two colours of rows are at least
15 apart (CIE 1976 L*a*b*) as readers see them who lack one kind of cones (simulated after Machado, Oliveira and
Fernandes, IEEE Transactions on Visualization and Computer Graphics 15, 2009), the first five at least 22, and each has
the contrast of text. No meaning rests on hue alone.
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
    "row1": ("#294acb", "#8092fe"),
    "row2": ("#ac5a03", "#dab13e"),
    "row3": ("#008150", "#48ca8d"),
    "row4": ("#8e3d95", "#ec75bb"),
    "row5": ("#2e102a", "#bbff99"),
    "row6": ("#7d07f8", "#cbc0ff"),
    "row7": ("#14008c", "#fecfe4"),
    "row8": ("#38464b", "#ffffdd"),
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
