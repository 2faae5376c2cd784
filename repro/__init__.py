"""Reproducibility benchmark suite for the DeepLab papers (v2, v3, v3+)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["ConfusionMatrix", "Score", "dense_crf", "judge_claims", "miou", "results", "score", "trimap"]

if TYPE_CHECKING:
    from repro.library import ConfusionMatrix, Score, dense_crf, judge_claims, miou, results, score, trimap


def __getattr__(name: str) -> Any:
    # loaded when first asked for: the command line must start without numpy
    if name in __all__:
        from repro import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
