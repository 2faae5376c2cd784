"""Computed cells: what follows from the architecture alone, counted from the network that is really built.

Values are in the cells' printed units: billions of multiply-adds, millions of parameters, pixels, shares of positions.
They are those of the published protocol, at whatever scale a table is run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from repro.errors import InputError
from repro.spec.cell import Cell
from repro.spec.load import Suite
from repro.spec.protocol import Model, Protocol
from repro.spec.resolve import resolve
from repro.spec.table import TableSpec


@dataclass(frozen=True)
class NetworkFigures:
    """What a protocol's network costs on one image, all scales and flips together."""

    multiply_adds: float
    """Billions, as v3+ counts them."""
    plain_multiply_adds: float
    """Billions, the textbook's: convolutions alone."""
    parameters: float
    """Millions."""
    field_of_view: int | None
    """Pixels."""


def counted(protocol: Protocol) -> NetworkFigures:
    """Count the network that a protocol describes. Raises InputError where it cannot be built."""
    from repro.nets.cost import cost

    evaluate = protocol.evaluate
    try:
        network_cost = cost(
            protocol.model,
            protocol.data.classes,
            evaluate.output_stride,
            evaluate.canvas,
            evaluate.scales,
            evaluate.flip,
            evaluate.window,
            evaluate.window_stride,
        )
    except ValueError as error:
        raise InputError(f"evaluate.output_stride: {error}. Choose another, or another model.") from error
    return NetworkFigures(
        network_cost.multiply_adds / 1e9,
        network_cost.plain_multiply_adds / 1e9,
        network_cost.parameters / 1e6,
        network_cost.field_of_view,
    )


def value_of(metric: str, protocol: Protocol) -> float | None:
    """The value of a computed cell in its printed unit; None where the network has none (no field of view, say).

    Raises InputError for a metric that cannot be computed.
    """
    if metric.startswith("valid_"):
        return _valid_share(int(metric.removeprefix("valid_")), protocol.model, protocol)
    counts = counted(protocol)
    values = {
        "multiply_adds": counts.multiply_adds,
        "parameters": counts.parameters,
        "field_of_view": counts.field_of_view,
    }
    if metric not in values:
        raise InputError(f"{metric}: cannot be computed; there are {', '.join(values)} and valid_9, valid_4, valid_1.")
    value = values[metric]
    return None if value is None else float(value)


def _valid_share(valid: int, model: Model, protocol: Protocol) -> float | None:
    """Share of the last map's positions at which so many of a 3x3 filter's weights fall inside (v3, figure 4)."""
    from repro.nets.rates import rates_at
    from repro.nets.valid_weights import valid_weight_fractions

    evaluate = protocol.evaluate
    rates = rates_at(model.atrous_rates, evaluate.output_stride, reference=16 if model.head == "aspp" else 8)
    if not rates:
        return None
    side = (max(evaluate.canvas) - 1) // evaluate.output_stride + 1
    return valid_weight_fractions(side, max(rates)).get(valid, 0.0)


_known: dict[tuple[str, str], float | None] = {}
"""(file of the table, cell id) -> value: counted once in a process."""


def published_values(suite: Suite, cells: Iterable[Cell]) -> dict[str, float]:
    """Cell id -> value under the published protocol, for the computed ones of `cells` that have one.

    A network of one's own that cannot be built here, as one of a library that is not installed, has none.
    """
    out = {}
    for cell in cells:
        if cell.kind != "computed":
            continue
        table = suite.tables[cell.table]
        key = (table.place, cell.id)
        if key not in _known:
            protocol = resolve(suite, table, cell.settings, "paper").protocol
            try:
                _known[key] = value_of(cell.metric, protocol)
            except InputError:
                if protocol.model.implementation is None:
                    raise
                _known[key] = None
        value = _known[key]
        if value is not None:
            out[cell.id] = value
    return out


def cells_for(suite: Suite, tables: Iterable[TableSpec]) -> list[Cell]:
    """The computed cells of tables, and those of other tables that their claims speak of."""
    cells: dict[str, Cell] = {}
    for table in tables:
        spoken = (cell for claim in table.claims for cell in suite.cells_of(claim, table))
        cells.update({cell.id: cell for cell in (*table.cells(), *spoken) if cell.kind == "computed"})
    return list(cells.values())
