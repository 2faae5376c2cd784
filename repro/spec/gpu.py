"""How fast a kind of GPU trains: measured, or the maker's peak times an assumed share of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from repro.spec import bounds
from repro.spec.strict import StrictModel

Text = Annotated[str, Field(max_length=bounds.TEXT)]


class MeasuredRate(StrictModel):
    """A rate that was measured, and how."""

    rate: float = Field(gt=0, le=1e15)
    """Million multiply-adds a second, as `repro.plan.cost` counts a training's."""
    what: Text
    """What was trained."""
    versions: Text
    when: Text
    """Day, ISO; or the year, if no more is known."""
    by: Text = ""
    """Who published it; empty: measured with `repro bench`."""


class Gpu(StrictModel):
    """A kind of GPU, or another device that somebody measured."""

    title: Text
    memory_gb: float = Field(gt=0, le=1e6)
    """In 10^9 bytes."""
    bfloat16: bool = True
    """With instructions for it: else trainings compute in float32, unless `train.precision` says otherwise."""
    peak_tflops: float | None = Field(default=None, gt=0, le=1e9)
    """Dense bfloat16, or float32 where there is no bfloat16; two operations per multiply-add."""
    source: Text = ""
    """Of the peak."""
    utilisation: float | None = Field(default=None, gt=0, le=1)
    """Share of the peak that a training is assumed to reach."""
    measured: MeasuredRate | None = None
    matrix_tflops: float | None = Field(default=None, gt=0, le=1e9)
    """Of a large product, as measured; else `peak_tflops`."""
    memory_tb_s: float | None = Field(default=None, gt=0, le=1e6)
    """Of the memory, in 10^12 bytes a second; for `repro bench roofline`."""
    memory_source: Text = ""

    @model_validator(mode="after")
    def _some_rate(self) -> Gpu:
        if self.measured is None and None in (self.peak_tflops, self.utilisation):
            raise ValueError("needs `measured`, or `peak_tflops` and an assumed `utilisation`.")
        return self

    @property
    def rate(self) -> float:
        """Million multiply-adds a second."""
        if self.measured is not None:
            return self.measured.rate
        return (self.peak_tflops or 0.0) * 1e6 / 2 * (self.utilisation or 0.0)

    @property
    def roofline(self) -> tuple[float, float] | None:
        """Operations a second of a large product (two a multiply-add), bytes a second; None where one is not known."""
        tflops = self.matrix_tflops or self.peak_tflops
        return None if tflops is None or self.memory_tb_s is None else (tflops * 1e12, self.memory_tb_s * 1e12)

    @property
    def rate_source(self) -> str:
        """Where the rate comes from, in words."""
        if self.measured is not None:
            rate = self.measured
            who = f"measured by others ({rate.by})" if rate.by else "measured"
            return f"{who}: {rate.rate * 1e6:.3g} multiply-adds/s, {rate.what}, {rate.versions}, {rate.when}"
        dtype = "dense bfloat16" if self.bfloat16 else "float32"
        return (
            f"ASSUMED, not measured: {self.utilisation:.0%} of the maker's {self.peak_tflops:g} TFLOPS {dtype} "
            f"({self.source})"
        )


def own_gpus() -> Path:
    """The user's own rates: gpus.toml in XDG_CONFIG_HOME/repro, else ~/.config/repro."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(home) / "repro" / "gpus.toml"
