"""The papers' networks, at full width and narrow, by the same code."""
