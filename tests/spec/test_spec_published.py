"""The specs against an independent transcription of the three papers' tables and of the authors' list of models.

`published_numbers.json` holds the papers' tables as they are printed, cell by cell, made apart from the specs; its
"claims" say of each conclusion whether a reader of the printed numbers judged that they bear it out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repro.spec.claim import Claim
from repro.spec.load import Suite
from repro.spec.protocol import Protocol
from repro.spec.resolve import resolve
from repro.spec.table import Cell, TableSpec

TRANSCRIPTION: dict[str, Any] = json.loads((Path(__file__).parent / "published_numbers.json").read_text())
TABLES: dict[str, Any] = TRANSCRIPTION["tables"]
NOT_PRINTED = ("gain", "other", "largest batch that fit")
"""Columns that the transcription adds: derived, or said in the text."""
ON_THEIR_SIDE = ("v2/fig10", "v3plus/fig5")
"""Transcribed with a row per width; the specs have a row per curve."""


def printed_of(cell: Cell) -> str:
    return "unknown" if cell.published is None else f"{cell.published:.{cell.decimals}f}"


def transcribed(table: str) -> tuple[list[str], list[list[str]]]:
    """Head and rows without the columns that no paper prints; on their side where the spec stands so."""
    head, rows = TABLES[table]["head"], TABLES[table]["rows"]
    kept = [i for i, h in enumerate(head) if h not in NOT_PRINTED]
    lines = [[line[i] for i in kept] for line in [head, *rows]]
    if table in ON_THEIR_SIDE:
        lines = [list(column) for column in zip(*lines, strict=True)]
    return lines[0], lines[1:]


def papers_tables(suite: Suite) -> list[TableSpec]:
    return [t for i, t in suite.tables.items() if not i.startswith(("pitfalls/", "implementations/"))]


def test_every_table_is_declared_and_no_other(suite: Suite) -> None:
    assert {t.id for t in papers_tables(suite)} == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_numbers_are_as_printed(suite: Suite, table: str) -> None:
    spec = suite.find(table)
    _, rows = transcribed(table)
    height, width = spec.shape()
    assert height == len(rows)
    for cell in spec.cells():
        text = rows[cell.row][len(rows[cell.row]) - width + cell.column]
        assert printed_of(cell) == text.rstrip("BMx"), cell.id


@pytest.mark.parametrize("table", TABLES)
def test_rows_and_columns_are_labelled_as_printed(suite: Suite, table: str) -> None:
    spec = suite.find(table)
    head, rows = transcribed(table)
    width = spec.shape()[1]
    if (spec.axes and len(spec.axes) == 1) or table in ON_THEIR_SIDE:
        assert [c.column_label for c in spec.cells()[:width]] == head[-width:]
    for i, line in enumerate(rows):
        said = line[: len(line) - width]
        if spec.headings:
            assert list(spec.rows[i].printed) == said
        elif len(spec.axes) == 2 and table not in ON_THEIR_SIDE:
            assert spec.cells()[i * width].row_label == said[0]


def _steps(scales: tuple[float, ...]) -> str:
    """As the list of models writes them: first, step and last."""
    return str(list(scales)) if len(scales) == 1 else f"[{scales[0]:g}:{scales[1] - scales[0]:g}:{scales[-1]:g}]"


TICKS: dict[str, Any] = {
    "OS=16": lambda p: p.evaluate.output_stride == 16,
    "OS=8": lambda p: p.evaluate.output_stride == 8,
    "MS": lambda p: len(p.evaluate.scales) > 1,
    "Flip": lambda p: p.evaluate.flip,
    "COCO": lambda p: p.train.start == "coco",
    "Left-right Flip": lambda p: p.evaluate.flip,
    "CRF": lambda p: p.evaluate.crf is not None,
    "MSC": lambda p: p.model.multi_scale,
    "Aug": lambda p: len(p.train.scales) > 1,
    "LargeFOV": lambda p: p.model.head in ("fc", "sum_aspp") and p.model.atrous_rates == (12,),
    "UL": lambda p: p.train.upsample_logits,
    "BN": lambda p: p.train.batch_norm == "train",
    "Decoder": lambda p: bool(p.model.decoder),
    "SC": lambda p: p.model.separable,
    "Image pooling": lambda p: p.model.image_pooling,
    "Image-level": lambda p: p.model.image_pooling,
    "Conv2": lambda p: "conv2" in p.model.decoder,
    "Conv3": lambda p: "conv3" in p.model.decoder,
    "Full": lambda p: p.evaluate.scales != (0.5,) and p.train.scales != (0.5,),
    "ASPP": lambda p: p.model.head == "aspp" or len(p.model.atrous_rates) == 4,
}
VALUES: dict[str, Any] = {
    "train OS": lambda p: str(p.train.output_stride),
    "eval OS": lambda p: str(p.evaluate.output_stride),
    "Eval scales": lambda p: _steps(p.evaluate.scales),
    "largest batch that fit": lambda p: str(p.train.batch_size),
    "Crop size": lambda p: str(p.train.crop),
    "Multi-Grid": lambda p: str(p.model.multi_grid),
    "ASPP rates": lambda p: str(p.model.atrous_rates),
    "Kernel": lambda p: f"{p.model.fc_kernel}×{p.model.fc_kernel}",
    "Rate": lambda p: str(p.model.atrous_rates[0]),
    "Learning policy": lambda p: p.train.policy,
    "Batch size": lambda p: str(p.train.batch_size),
    "Iteration": lambda p: f"{p.train.iterations // 1000}K",
    "Net": lambda p: {"vgg16": "VGG-16", "resnet101": "ResNet-101"}[p.model.backbone],
    "Backbone": lambda p: {"xception65": "X-65", "xception71": "X-71"}[p.model.backbone],
    "3×3 conv structure": lambda p: (
        f"[{p.model.decoder_kernel}×{p.model.decoder_kernel}, {p.model.decoder_channels}]"
        + (f" × {p.model.decoder_convs}" if p.model.decoder_convs > 1 else "")
    ),
}


def protocol_of(suite: Suite, spec: TableSpec, cell: Cell) -> Protocol:
    resolved = resolve(suite, spec, cell.settings, "paper")
    assert not resolved.deviations
    return resolved.protocol


@pytest.mark.parametrize("table", TABLES)
def test_settings_are_what_the_row_says(suite: Suite, table: str) -> None:
    """Ticks and values printed beside a number, against the protocol that the spec gives its cells."""
    spec = suite.find(table)
    head, rows = TABLES[table]["head"], TABLES[table]["rows"]
    for cell in spec.cells():
        if cell.kind == "quoted" or table in ON_THEIR_SIDE:
            continue
        line = dict(zip(head, rows[cell.row], strict=True))
        protocol = protocol_of(suite, spec, cell)
        for heading, text in line.items():
            if heading in VALUES:
                assert VALUES[heading](protocol) == text, (cell.id, heading)
            elif heading in TICKS and text in ("✓", "–", "Yes", "No"):
                assert TICKS[heading](protocol) == (text in ("✓", "Yes")), (cell.id, heading)


def test_columns_set_what_they_say(suite: Suite) -> None:
    for table in ("v2/table1", "v2/table3"):
        spec = suite.find(table)
        for cell in spec.cells():
            if cell.kind == "measured":
                crf = protocol_of(suite, spec, cell).evaluate.crf
                assert (crf is not None) == (cell.column_label == "after CRF")


def test_curves_set_what_they_say(suite: Suite) -> None:
    for table in ON_THEIR_SIDE:
        spec = suite.find(table)
        for cell in spec.cells():
            protocol = protocol_of(suite, spec, cell)
            assert str(protocol.evaluate.trimap_px) == cell.column_label
            backbone = {"VGG-16": "vgg16", "ResNet-101": "resnet101", "Xception": "xception65"}
            assert protocol.model.backbone == backbone[cell.row_label.split(",")[0]]
            assert (protocol.evaluate.crf is not None) == ("after" in cell.row_label)
            assert bool(protocol.model.decoder) == ("decoder" in cell.row_label)


def test_other_systems_and_test_servers_are_quoted(suite: Suite) -> None:
    servers = ("v2/table5", "v2/table8", "v3/table7", "v3/table13", "v3plus/table6", "v3plus/table7b")
    for table in (*servers, "v3plus/table4", "model_zoo/others"):
        assert {c.kind for c in suite.find(table).cells()} == {"quoted"}, table
    ours = ("DeepLab", "VGG-16", "ResNet-101")
    for table in ("v2/table6", "v2/table7"):
        for cell in suite.find(table).cells():
            assert (cell.kind == "measured") == cell.row_label.startswith(ours), cell.id
    for cell in suite.find("v3plus/table5").cells():
        expected = "computed" if cell.metric == "multiply_adds" else "quoted" if "JFT" in cell.row_label else "measured"
        assert cell.kind == expected, cell.id


def all_claims(suite: Suite) -> dict[str, list[Claim]]:
    """Id without the part's name -> claims, of tables and of papers."""
    found: dict[str, list[Claim]] = {}
    for owner in (*papers_tables(suite), *suite.papers.values()):
        for claim in owner.claims:
            found.setdefault(".".join(claim.id.split(".")[:3]), []).append(claim)
    return found


def test_all_claims_are_declared_once(suite: Suite) -> None:
    found = all_claims(suite)
    assert len(TRANSCRIPTION["claims"]) == 148
    assert set(found) == set(TRANSCRIPTION["claims"])
    ids = [c.id for claims in found.values() for c in claims]
    assert len(set(ids)) == len(ids)


def test_claims_hold_where_the_transcription_says_so(suite: Suite) -> None:
    for name, claims in all_claims(suite).items():
        verdict, said = TRANSCRIPTION["claims"][name], {c.holds for c in claims}
        if verdict == "holds":
            assert said - {None} == {True}, name
        elif verdict == "in part":
            assert said == {True, False}, name


def test_every_measured_claim_says_whether_it_holds(suite: Suite) -> None:
    for claims in all_claims(suite).values():
        for claim in claims:
            assert claim.kind == "text" or claim.holds is not None, claim.id
