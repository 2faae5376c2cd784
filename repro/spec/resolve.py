"""From a cell to the protocol it runs under, and the list of its departures from the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repro.errors import InputError
from repro.spec.departures import ASKED, SET, departures
from repro.spec.expand import published_settings, shared_settings
from repro.spec.implementation import Implementation
from repro.spec.keys import Flat, build, flat_of
from repro.spec.overrides import read_overrides
from repro.spec.own_network import give_way, own_network, reaches, refuse_headless, refuse_ignored
from repro.spec.protocol import Protocol
from repro.spec.scales import Direction, rules_for

if TYPE_CHECKING:
    from repro.spec.load import Suite
    from repro.spec.table import TableSpec


@dataclass(frozen=True)
class Deviation:
    """A protocol value that is not the paper's."""

    key: str
    published: Any
    value: Any
    reason: str
    direction: Direction
    """Likely effect on the score."""


@dataclass(frozen=True)
class Resolved:
    """What a cell runs under."""

    protocol: Protocol
    deviations: tuple[Deviation, ...]
    """In the protocol's order of keys."""

    @property
    def departures(self) -> tuple[Deviation, ...]:
        """The deviations that change what is measured: with any, no value is held against the printed one."""
        return departures(self.protocol, self.deviations)


def resolve(
    suite: Suite,
    table: TableSpec,
    cell_settings: Mapping[str, Any],
    scale: str,
    dataset: str | None = None,
    overrides: Sequence[str] = (),
) -> Resolved:
    """Resolve one cell at a scale.

    Later wins: the protocol's defaults, the paper's, the table's, the cell's own settings, the data set asked for, the
    scale's rules (`rules_for`), `overrides` ("key=value"; "evaluate.crf?.key=value" where a CRF is on). A rule with a
    `value` leaves alone what the table's cells vary; no rule touches an override or the data set asked for.
    Raises InputError naming file, key, value, remedy.
    """
    flat, places = published_settings(table, cell_settings)
    paper = flat_of(build(flat, places))

    given = read_overrides(overrides)
    wanted = {k: v for k, v in given.items() if "?" not in k}
    where_on = {k.replace("?", ""): v for k, v in given.items() if "?" in k}
    dataset = str(wanted.pop("data.name")) if "data.name" in wanted else dataset
    dataset = suite.dataset_name(dataset) if dataset is not None else None
    if "model.backbone" in wanted:
        flat.pop("model.units", None)
    places.update({k: f"--set {k}" for k in wanted})
    now = flat_of(build({**flat, **wanted}, places))
    if own := own_network(now, places):
        shared = flat_of(build(*shared_settings(table)))
        alone = {k: v for k, v in cell_settings.items() if shared.get(k) != v}
        refuse_ignored(own, {**alone, **wanted}, places)
    origins: dict[str, tuple[str, Direction]] = {
        k: ("follows from another setting", "unknown") for k in now if now[k] != paper[k]
    }
    origins.update({_value_key(k, now): (SET, "unknown") for k in wanted})
    fixed = {_value_key(k, now) for k in wanted}
    if dataset is not None:
        fixed.add("data.name")
        _move(suite, now, dataset, fixed, origins, ASKED, "unknown")

    more = [(table.paper._place, table.paper.deviations), (table.place, table.deviations)]
    for place, rule in rules_for(scale, suite.scales, more):
        key = _value_key(rule.key, now)
        if key in fixed or not reaches(own, key) or (rule.key in cell_settings and "value" in rule.model_fields_set):
            continue
        old = now[key] if key == rule.key else (now[key] or {}).get(rule.key.removeprefix(f"{key}."))
        if (old is None and key != rule.key) or not rule.applies(now):
            continue  # no part of a CRF that is off
        value = rule.new_value(old, place)
        if key == "data.name":
            _move(suite, now, str(value), fixed, origins, rule.reason, rule.direction)
        elif value != old:
            now[key] = value if key == rule.key else {**now[key], rule.key.removeprefix(f"{key}."): value}
            origins[key] = (rule.reason, rule.direction)
            places[key] = f"{place} ({rule.key})"
    _set_where_on(where_on, now, origins, places)
    for section in ("train", "pretrain"):  # a micro-batch of the whole batch is none
        if (now[f"{section}.micro_batch"] or 0) >= now[f"{section}.batch_size"]:
            now[f"{section}.micro_batch"] = None
    if own:
        refuse_headless(own, now, places)
        give_way(own, now)
    protocol = build(now, places)
    if not isinstance(own, Implementation) and (wrong := protocol.model.contradiction()):
        raise InputError(f"{table.place}: protocol.model: {wrong}")
    count = suite.dataset(protocol.data.name).count
    if protocol.data.classes != count:
        raise InputError(
            f"{places.get('data.classes', table.place)}: data.classes: {protocol.data.classes}; {protocol.data.name} "
            f"has {count} classes. Leave it out."
        )
    final = flat_of(protocol)
    deviations = tuple(
        Deviation(key, paper[key], final[key], *origins.get(key, ("follows from another setting", "unknown")))
        for key in paper
        if final[key] != paper[key] and reaches(own, key)
    )
    return Resolved(protocol, deviations)


def _set_where_on(
    wanted: Mapping[str, Any], now: Flat, origins: dict[str, tuple[str, Direction]], places: dict[str, str]
) -> None:
    """`evaluate.crf?.backend=torch`, `evaluate.crf?=v2-vgg16`: change the CRF of a cell that has one, at any scale.

    A preset replaces the kernels' parameters and keeps the rest.
    """
    for key, value in wanted.items():
        held = now["evaluate.crf"]
        if held is None:
            return
        if key == "evaluate.crf":
            kernels = ("w1", "sigma_alpha", "sigma_beta", "w2", "sigma_gamma")
            changed = {"preset": value, **{k: v for k, v in held.items() if k not in kernels}}
        else:
            changed = {**held, key.rsplit(".", 1)[1]: value}
        now["evaluate.crf"] = changed
        origins["evaluate.crf"] = (SET, "unknown")
        places["evaluate.crf"] = f"--set {key.replace('crf', 'crf?')}"


def _value_key(key: str, flat: Flat) -> str:
    """`evaluate.crf.w1` is a part of the value `evaluate.crf`."""
    return key if key in flat else key.rsplit(".", 1)[0]


def _move(
    suite: Suite,
    now: Flat,
    name: str,
    fixed: set[str],
    origins: dict[str, tuple[str, Direction]],
    reason: str,
    direction: Direction,
) -> None:
    """Put another data set in place, with what belongs to it: classes, splits, canvas."""
    data = suite.dataset(name)
    if data.count is None:
        raise InputError(f'data set "{name}" has no label maps to train segmentation on. Choose another.')
    if now["data.name"] != name:
        origins["data.name"] = (reason, direction)
    now["data.name"] = name
    own = {"data.classes": data.count, "evaluate.canvas": data.canvas}
    for key, usual in (("data.train_split", data.train_split), ("data.val_split", data.val_split)):
        if now[key] not in data.splits:
            own[key] = usual
    for key, value in own.items():
        if key not in fixed and now[key] != value:
            now[key] = value
            origins[key] = (f"belongs to {name}", "unknown")
