"""Kinds of claims: one module declares a kind, and a line here makes it known."""

from __future__ import annotations

from repro.spec.claim_kinds.best import BEST
from repro.spec.claim_kinds.kind import Kind
from repro.spec.claim_kinds.largest_gain import LARGEST_GAIN
from repro.spec.claim_kinds.monotone import MONOTONE
from repro.spec.claim_kinds.pairs import EQUAL, GAIN, GREATER, RATIO

TEXT = Kind("text", "something that no measurement here can decide", needs=("why",), effects=None)
KINDS = {kind.name: kind for kind in (GREATER, MONOTONE, BEST, GAIN, RATIO, EQUAL, LARGEST_GAIN, TEXT)}
"""Name -> kind, in the order of docs/specs.md."""
