"""Measurements whose settings were changed by hand: of which cell they are, and by which `--set`.

A record holds what was computed, not what was typed. The cell whose settings differ least from a record's is found, the
differences are written as options, and the cell resolved with them: where that asks for just what the record holds, it
is of that cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repro.plan.work import EVALUATE_UNSAID, MODEL_UNSAID
from repro.spec.keys import keys
from repro.spec.reading import spelt

Settings = Mapping[str, Any]
"""Dotted protocol key -> value, as records keep it (lists, no tuples)."""
MOST = 20
"""Settings changed by hand: more are another experiment."""
STAGE = ("output_stride", "iterations", "lr")
COCO = ("start", "iterations", "lr")


def settings_of(chain: Sequence[tuple[str, Mapping[str, Any]]], evaluation: Mapping[str, Any]) -> Settings:
    """The settings of a chain of trainings, (task, config) first one first, and of an evaluation, as protocol keys."""
    settings: dict[str, Any] = {}
    last = chain[-1][1]
    earlier = list(chain[:-1])
    if earlier and earlier[-1][0] == "segment" and _staged(earlier[-1][1], last):
        stage, last = last, earlier.pop()[1]
        settings |= {f"train.second_stage.{key}": stage["train"][key] for key in STAGE}
        settings["train.second_stage.train_split"] = stage["data"]["split"]
    settings |= {f"model.{key}": value for key, value in {**MODEL_UNSAID, **last["model"]}.items()}
    settings |= {f"train.{key}": value for key, value in last["train"].items()}
    settings |= {f"evaluate.{key}": value for key, value in {**EVALUATE_UNSAID, **evaluation["evaluate"]}.items()}
    settings |= _data(last["data"], "train") | _data(evaluation["data"], "val")
    for task, config in earlier:
        section = "pretrain" if task == "presence" else "coco"
        keys_ = config["train"] if task == "presence" else COCO
        settings |= {f"{section}.{key}": config["train"][key] for key in keys_}
        if task != "presence":
            settings |= {"coco.name": config["data"]["name"], "coco.train_split": config["data"]["split"]}
        if config["data"]["images"] != last["data"]["images"] or task != "presence":
            settings[f"{section}.images"] = config["data"]["images"]
    return {key: value for key, value in settings.items() if keys().get(key, False)}


def _staged(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a training is the second stage of the one before: the same images and settings, statistics held."""
    same = [key for key in before["train"] if key not in (*STAGE, "batch_norm")]
    return before["data"]["name"] == after["data"]["name"] and all(
        before["train"][key] == after["train"].get(key) for key in same
    )


def _data(config: Mapping[str, Any], which: str) -> dict[str, Any]:
    settings = {"data.name": config["name"], "data.classes": config["classes"], "data.side": config["side"]}
    return {**settings, f"data.{which}_split": config["split"], f"data.{which}_images": config["images"]}


def assignments(wanted: Settings, there: Settings) -> tuple[str, ...] | None:
    """What --set needs to make `there` into `wanted`; None where they have little in common."""
    # what only one of them has (a pre-training, say) follows from what both have
    differing = [key for key, value in wanted.items() if key in there and there[key] != value]
    if len(differing) > MOST or wanted["data.name"] != there["data.name"]:
        return None
    return tuple(f"{key}={spelt(wanted[key])}" for key in differing)
