"""`repro predict`: label any picture with a trained cell."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.commands.output import print_json, print_line, print_table
from repro.commands.predict_split import Origin, layout_of, report, write_split
from repro.errors import InputError, did_you_mean
from repro.plan.only import assignment, option
from repro.plan.plan import Plan
from repro.plan.work import Evaluation
from repro.report.files import ready_folder
from repro.run import session
from repro.run.session import Options
from repro.spec.bounds import SEEDS, check_count
from repro.spec.cell import Cell
from repro.spec.load import Suite
from repro.store.explain import History
from repro.store.store import Record, Store

if TYPE_CHECKING:
    from repro.run.predict import TrainedNetwork

MOST_NAMES = 8
GIVE_PICTURES = "Give pictures, for example a .jpg or .png."


def main(
    images: Sequence[Path], split: str | None, layout: str, cell: str, seed: int, options: Options, out: Path,
    device: str, as_json: bool,
) -> None:  # fmt: skip
    """Write a label map and an overlay of each picture into `out`, or the label maps of a whole split."""
    from repro.data.decode import read_photo

    if bool(images) == (split is not None):
        raise InputError("IMAGE: name pictures, or a split of the cell's data set with --split, and not both.")
    suite = session.load(options)
    check_count("--seed", seed, 0, SEEDS - 1)
    spec = cell_of(suite, cell)
    pictures = [read_photo(path, GIVE_PICTURES) for path in images]
    targets = _targets(images, out)
    if split is not None:
        layout_of(layout)
    store = Store(options.store)
    absent: dict[str, str] = {}
    only = assignment("row", spec.row_label), assignment("column", spec.column_label)
    options = replace(options, tables=(spec.table,), only=only, seeds=seed + 1)
    plan = session.make_plan(options, suite, store, absent)
    network = _network(plan, spec, seed, store, absent, options)

    from repro.report.content import ClassTable
    from repro.report.label_overlay import label_map, overlay, shares
    from repro.run.device import torch_device
    from repro.run.predict import label

    facts = suite.dataset(network.evaluation.images.data.name)
    classes = ClassTable(facts.classes if isinstance(facts.classes, tuple) else (), facts.colours)
    place = torch_device(session.devices(device, 1)[0])
    if split is not None:
        from repro.data.photos import photos

        data = network.evaluation.images.data
        photo_files = photos(data, split, options.data_root, facts)
        origin = Origin(spec.id, network.key, data.name, split, layout)
        written = write_split(
            photo_files, origin, classes, lambda photo: label([photo.read()], network, store, place)[0], out
        )
        report(written, out, split, spec.id, _score_command(data.name, split, layout, out, options), as_json)
        return
    ready_folder(out)
    rows: list[dict[str, Any]] = []
    for path, pixels, (map_path, overlay_path) in zip(images, pictures, targets, strict=True):
        (labels,) = label([pixels], network, store, place)
        try:
            label_map(labels, classes).save(map_path)
            overlay(pixels, labels, classes).save(overlay_path)
        except OSError as error:
            raise InputError(
                f"{map_path}: cannot be written ({error.strerror or error}). Name another --out."
            ) from error
        parts = shares(labels, classes)
        rows.append({"id": str(path), "labels": str(map_path), "overlay": str(overlay_path), "classes": parts})
        print_line(f"{path}: {map_path} {overlay_path}")
    if as_json:
        print_json(rows, cell=spec.id, training=network.key, seed=seed, scale=plan.request.scale)
        return
    rows_ = [(row["id"], ", ".join(f"{k} {v:.1%}" for k, v in list(row["classes"].items())[:5])) for row in rows]
    print_table(("picture", "largest classes"), rows_, title=f"{spec.id} at scale {plan.request.scale}, seed {seed}")


def _score_command(data: str, split: str, layout: str, out: Path, options: Options) -> str:
    """What scores the label maps of a split; empty where there is no ground truth on disk."""
    if data == "scenes" or split == "test":
        return ""
    ids = " --prediction-map cityscapes" if layout == "cityscapes" else ""
    root = f" --data {options.data_root}" if options.data_root else ""
    return f"repro score {out} --dataset {options.dataset or data}{root} --split {split}{ids}"


def cell_of(suite: Suite, name: str) -> Cell:
    """The measured cell that `name` means: its id, its table's alias for the table, or a beginning that only it has.

    Raises InputError with suggestions.
    """
    cells = {cell.id: cell for table in suite.select(suite.tables) for cell in table.cells()}
    names = {name, *(name.replace(alias, own, 1) for alias, own in suite.aliases.items() if _begins(name, alias))}
    exact = [cells[candidate] for candidate in names if candidate in cells]
    near = exact or [cell for key, cell in cells.items() if any(_begins(key, candidate) for candidate in names)]
    measured = [cell for cell in near if cell.kind == "measured"]
    if len(measured) == 1:
        return measured[0]
    if len(measured) > 1:
        listed = ", ".join(cell.id for cell in measured[:MOST_NAMES])
        more = f" and {len(measured) - MOST_NAMES} more" if len(measured) > MOST_NAMES else ""
        raise InputError(f"--from {name}: that is {len(measured)} cells: {listed}{more}. Name one.")
    if near:
        raise InputError(f"--from {name}: a {near[0].kind} cell has no trained network. Name a measured cell.")
    hint = did_you_mean(name, [cell.id for cell in cells.values() if cell.kind == "measured"])
    raise InputError(f"--from {name}: there is no such cell.{hint} `repro show TABLE --json` lists their ids.")


def _begins(name: str, start: str) -> bool:
    """Whether `start` is `name`, or ends where one of its parts ends."""
    return name == start or name.startswith(f"{start}/")


def _targets(images: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Names of the two files for each picture: two pictures of one name are told apart by a number."""
    targets: list[tuple[Path, Path]] = []
    stems: dict[str, int] = {}
    given = {path.resolve() for path in images}
    for path in images:
        stems[path.stem] = number = stems.get(path.stem, 0) + 1
        stem = path.stem if number == 1 else f"{path.stem}-{number}"
        pair = (out / f"{stem}-labels.png", out / f"{stem}-overlay.png")
        for target in pair:
            if target.resolve() in given:
                raise InputError(f"{target}: would be written over, and is one of the pictures. Name another --out.")
        targets.append(pair)
    return targets


def _network(
    plan: Plan, cell: Cell, seed: int, store: Store, absent: dict[str, str], options: Options
) -> TrainedNetwork:
    """The trained cell, or one of the same settings by other code or data, which is said. Raises InputError."""
    from repro.run.predict import TrainedNetwork, found_crf

    evaluation = next(c.evaluations[seed] for c in plan.cells if c.cell.id == cell.id)
    training = evaluation.training
    history = History(store)
    record = store.peek("training", training.key)
    if record is None:
        alike = history.alike(training.identity())
        if not alike:
            raise InputError(
                f"--from {cell.id}: not trained at scale {plan.request.scale}, seed {seed}, in the store {store.root}. "
                f"Run: {_run(plan, cell, seed, options)}{'' if not absent or options.data_root else ' --data DIR'}"
            )
        record = alike[0]
        why = "its data is not here to compare" if absent else history.explain("training", training.identity())
        print_line(
            f"{cell.id}: taking training {record['key']} of {record['started']}, with the same settings ({why})."
        )
    crf = evaluation.evaluate.crf
    parameters = found_crf(_evaluated(history, evaluation, store)) if crf is not None and crf.searched else None
    if crf is not None and crf.searched and parameters is None:
        raise InputError(
            f"--from {cell.id}: its CRF's parameters are searched when it is evaluated, and that is not stored. "
            f"Run: {_run(plan, cell, seed, options)}"
        )
    return TrainedNetwork(evaluation, str(record["key"]), parameters)


def _evaluated(history: History, evaluation: Evaluation, store: Store) -> Record | None:
    return store.peek("evaluation", evaluation.key) or next(iter(history.alike(evaluation.identity())), None)


def _run(plan: Plan, cell: Cell, seed: int, options: Options) -> str:
    """The command that trains and evaluates the cell, with what was said of it here."""
    only = [option(key, value) for key, value in cell.settings.items() if key in cell.row_keys]
    words = ["repro run", cell.table, *only, f"--scale {plan.request.scale} --seeds {seed + 1}"]
    places = {"--store": options.store if options.store != Path("runs") else None, "--tables": options.tables_dir}
    places |= {"--data": options.data_root, "--weights": options.weights, "--weights-trained": options.trained}
    words += [f"--dataset {shlex.quote(options.dataset)}"] if options.dataset else []
    words += [f"{name} {shlex.quote(str(path))}" for name, path in places.items() if path is not None]
    return " ".join([*words, *(f"--set {shlex.quote(text)}" for text in options.overrides)])
