"""`repro check-network`: does a network of one's own do what the suite asks of it?"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from repro.commands.output import print_json
from repro.errors import EXIT_CHECK_FAILED, EXIT_OK, InputError
from repro.plan.own_cost import SIDES, at_size
from repro.spec.keys import flat_of
from repro.spec.overrides import read_overrides
from repro.spec.own_network import own_network, refuse_ignored
from repro.spec.parts import KINDS, is_registered
from repro.spec.protocol import Model, Protocol

SIDE = 513
"""Pixels of the papers' canvas for PASCAL VOC."""
STRIDES = ("4", "8", "16", "32", "64", "128", "256")


def main(name: str, settings: list[str], classes: int, output_strides: str, as_json: bool) -> int:
    """Print a line per requirement; exit code 1 where one is not met."""
    model = _model(name, settings)
    strides = _strides(output_strides)
    from repro.nets.conformance import conformance
    from repro.nets.count import count

    checks = []
    for check in conformance(model, classes, strides):
        checks.append(check)
        if not as_json:
            print(f"{'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.what}")
    failed = sum(not check.passed for check in checks)
    cost: dict[str, Any] = {}
    if not failed:
        counted = count(model, classes, strides[0], SIDES)
        multiply_adds = at_size(counted["multiply_adds"], SIDE, SIDE)
        cost = {"parameters": counted["parameters"], "multiply_adds": round(multiply_adds)}
    if as_json:
        print_json([vars(check) | {"kind": "requirement"} for check in checks], implementation=name, **cost)
    elif failed:
        print(f"{failed} of {len(checks)} requirements are not met. docs/extending.md says why each is needed.")
    else:
        print(
            f"Conforms. {cost['parameters'] / 1e6:.2f} M parameters, {cost['multiply_adds'] / 1e9:.2f} B multiply-adds "
            f"on {SIDE} x {SIDE} pixels at output stride {strides[0]}."
        )
        print(f"Use it: --set {(model.own or ('model.implementation',))[0]}={name}")
    return EXIT_CHECK_FAILED if failed else EXIT_OK


def _model(name: str, settings: list[str]) -> Model:
    try:
        Model(implementation=name)
    except ValidationError:
        raise InputError(f"{name}: not of the form module:function, as mynets.deeplab:build.") from None
    kind = next((kind for kind in KINDS if is_registered(kind, name)), "implementation")
    given: dict[str, Any] = read_overrides(settings)
    for key in given:
        if not key.startswith("model."):
            raise InputError(f"--set {key}: only settings of model concern a network.")
    values = {key.removeprefix("model."): value for key, value in given.items()}
    try:
        model = Model.model_validate({**values, kind: name})
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--set model.{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    places = {key: f"--set {key}" for key in given}
    own = own_network(flat_of(Protocol(model=model)), places)
    if own is not None:
        refuse_ignored(own, given, places)
    if kind != "implementation" and (wrong := model.contradiction()):
        raise InputError(f"{name}: {wrong}")
    return model


def _strides(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or any(part not in STRIDES for part in parts):
        known = ", ".join(STRIDES)
        raise InputError(f"--output-strides {text}: give some of {known}, with commas between.")
    return tuple(int(part) for part in parts)
