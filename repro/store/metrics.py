"""A metric of a stored evaluation: as its record holds it, or, where it does not, from the confusion matrices."""

from __future__ import annotations

from repro.metrics import measured_value
from repro.spec.metric import Metric
from repro.store.arrays import read_arrays
from repro.store.record import recorded
from repro.store.store import Record, Store

CONFUSION = "confusion.npz"


def metric_in(store: Store, record: Record, metric: Metric) -> float:
    """Return a metric of an evaluation; NaN where nothing was counted.

    Raises InputError where the user's own cannot be computed.
    """
    known = recorded(record)
    if metric.name in known:
        return known[metric.name]
    (matrices,) = read_arrays(store.file("evaluation", str(record["key"]), CONFUSION), "matrices")
    return measured_value(metric, matrices, record["config"]["evaluate"].get("average", "set"))
