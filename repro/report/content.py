"""What a report says, as plain frozen data: everything a reader sees is in here, and nothing is read from elsewhere.

Rendering is pure: the same content gives the same bytes. Scores are in their internal unit (mean IOU in [0, 1]); what
the papers printed is in the printed unit (per cent), as in the specs. `number_format` turns one into the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from repro.judge.agreement import Agreement
from repro.judge.intervals import Estimate
from repro.judge.result import ClaimResult
from repro.report.findings import Finding

if TYPE_CHECKING:
    from repro.spec.resolve import Deviation
    from repro.spec.table import Cell

TableKind = Literal["paper", "implementations", "pitfalls", "own"]
ResultState = Literal["done", "failed", "missing", "quoted", "computed"]


@dataclass(frozen=True)
class TableHead:
    """The head of the paper's table."""

    id: str
    """Such as "v3/table3"; also the stem of the report's files, with "-" for "/"."""
    title: str
    paper: str
    """Short name of the paper, such as "v3"."""
    paper_title: str
    place: str
    """Where in the paper, such as "Table 3"."""
    citation: str
    """Authors, title, year."""
    url: str
    headings: tuple[str, ...]
    """Headings of the columns that describe a row, such as ("Multi-Grid",) or ("OS=16", "OS=8", "MS", "Flip")."""
    heads: Mapping[int, tuple[str, ...]]
    """Row -> what stands under these headings, as printed."""
    column_heading: str = ""
    """What the columns vary, where the paper prints it."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """Metric -> label with unit, such as {"miou": "mIOU [%]"}."""
    notes: tuple[str, ...] = ()
    """What a reader of the published numbers must know."""
    kind: TableKind = "paper"
    """Whose claims it holds: a paper's of this suite, those about known mistakes, or the user's own."""


@dataclass(frozen=True)
class CellResult:
    """One published number and what became of it here."""

    cell: Cell
    state: ResultState
    values: Mapping[int, float] = field(default_factory=dict)
    """Seed -> score in its internal unit; a computed cell has the one entry 0."""
    estimate: Estimate | None = None
    reason: str = ""
    """Why it failed, or why it is quoted."""
    evaluations: Mapping[int, str] = field(default_factory=dict)
    """Seed -> key of the evaluation's record."""
    command: str = ""
    """What runs this one cell again."""
    departures: tuple[str, ...] = ()
    """Dotted keys of the settings of its measurement that are not the published ones; any at all below scale paper."""
    baseline: str = ""
    """Id of the cell that it is compared with; its own for a baseline cell, empty where the table declares none."""
    gain: Estimate | None = None
    """Its score less that cell's, in the metric's internal unit; None where that is not known."""
    class_iou: tuple[float | None, ...] = ()
    """IOU of each class in [0, 1], pooled over seeds; None where a class is absent."""


@dataclass(frozen=True)
class Curve:
    """The loss of one training."""

    label: str
    """The training in words; curves of several seeds share it."""
    seed: int
    step: NDArray[np.int64]
    """(n,) iterations."""
    loss: NDArray[np.float64]
    """(n,) mean cross-entropy in nats per pixel."""


@dataclass(frozen=True)
class Pictures:
    """What one cell's network made of a few fixed images, chosen before any result was seen."""

    cell: str
    """Id of the cell."""
    seed: int
    names: tuple[str, ...]
    image: NDArray[np.uint8]
    """(K, H, W, 3)."""
    truth: NDArray[np.uint8]
    """(K, H, W), void 255."""
    prediction: NDArray[np.uint8]
    """(K, H, W)."""


@dataclass(frozen=True)
class Search:
    """How one network's CRF parameters were found."""

    label: str
    """The cell in words."""
    seed: int
    w1: float
    sigma_alpha: float
    sigma_beta: float
    trials: tuple[tuple[float, float, float, float | None, int], ...]
    """w1, sigma_alpha, sigma_beta, mean IOU in [0, 1] on the search images, round (0: the coarse grid)."""
    images: tuple[str, ...]
    """Names of the search images."""
    scored: int
    """How many of them are in the evaluation set as well."""
    seconds: float


@dataclass(frozen=True)
class MeanField:
    """Score and belief maps of one class on one image after some iterations; (K, H, W) each."""

    label: str
    """The cell in words."""
    name: str
    class_label: int
    iterations: tuple[int, ...]
    scores: NDArray[np.float16]
    beliefs: NDArray[np.float16]
    image: NDArray[np.uint8]
    """(H, W, 3)."""
    truth: NDArray[np.uint8]
    """(H, W), void 255."""


@dataclass(frozen=True)
class ClassTable:
    """The data set's classes."""

    names: tuple[str, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class TrainingCost:
    """What one training cost, over its seeds."""

    label: str
    seeds: int
    parameters: int | None
    multiply_adds: float | None
    """Of one training crop's forward pass, by arithmetic; None where it was not counted."""
    seconds: float
    """Mean over seeds."""
    images_per_second: float | None
    memory_bytes: int | None
    """What the training needs on its device, by arithmetic; None where it was not counted."""
    device: str
    precision: str


@dataclass(frozen=True)
class RecordLine:
    """One stored record that the report rests on."""

    key: str
    kind: Literal["training", "evaluation", "failure"]
    label: str
    seed: int
    started: str
    """ISO 8601, UTC."""
    seconds: float | None
    code: str
    data: str
    """Fingerprint of the data."""


@dataclass(frozen=True)
class ReportContent:
    """One table's report."""

    table: TableHead
    cells: tuple[CellResult, ...]
    headline: str
    """In plain words and counts: what was reproduced, what was not, what is inconclusive."""
    scale: str
    scale_text: str
    """One sentence: what this scale spends."""
    seeds: tuple[int, ...]
    dataset: str
    date: str
    """Of the newest record (ISO 8601, UTC), never of the clock."""
    version: str
    command: str
    """What made this report."""
    name: str = ""
    """Of its files, without suffix (`repro.report.files.report_name`); empty: the table's."""
    asked: tuple[str, ...] = ()
    """Data set, cells and settings that were asked for, as options: "--only last_block=4"; empty: all of the table."""
    remarks: tuple[str, ...] = ()
    """What a reader must know before trusting a number: cells whose score says nothing."""
    more_seeds: str = ""
    """The command that would add seeds; empty where there are enough to judge by."""
    more_seeds_time: float | None = None
    """Seconds that it would take."""
    claims: tuple[ClaimResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What the claims come out as, with sizes, the most certain first."""
    agreement: Agreement | None = None
    seed_decides: str = ""
    """In words: what differs from seed to seed, so that intervals cover it."""
    seeds_share: str = ""
    """In words: what does not, so that they do not."""
    detectable: float | None = None
    """The difference, in points of per cent, that so many seeds detect with 80 % power; None where it is unknown."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """Dotted key -> value as run; keys that the table's axes vary are left to the table."""
    deviations: tuple[Deviation, ...] = ()
    classes: ClassTable = ClassTable()
    curves: tuple[Curve, ...] = ()
    pictures: tuple[Pictures, ...] = ()
    searches: tuple[Search, ...] = ()
    mean_field: MeanField | None = None
    costs: tuple[TrainingCost, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    records: tuple[RecordLine, ...] = ()

    @property
    def has_published(self) -> bool:
        """Whether any number was printed: a table of the user's own may have none."""
        return any(result.cell.published is not None for result in self.cells)

    @property
    def references(self) -> tuple[str, ...]:
        """Reference runs that claims take the noise of seeds from: "5 seeds, commit 1a2b3c4"."""
        return tuple(dict.fromkeys(claim.reference for claim in self.claims if claim.reference))

    @property
    def changed(self) -> tuple[CellResult, ...]:
        """The measured cells with departures."""
        return tuple(c for c in self.cells if c.cell.kind == "measured" and c.departures)

    @property
    def absolute(self) -> bool:
        """Whether every measured cell is held against its published value: at scale paper, with nothing changed."""
        return self.scale == "paper" and not self.changed
