"""What the stored evaluations say of their CRF: searches, and mean field's steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from repro.report.content import CellResult, MeanField, Search
from repro.spec.cell import Cell
from repro.spec.naming import cell_label
from repro.store.arrays import read_arrays
from repro.store.store import Record, Store

STEPS = "steps.npz"


def searches(cells: Iterable[CellResult], done: Mapping[str, Record], store: Store) -> Iterator[Search]:
    """The searches behind the cells, of each seed; cells that score the same predictions share one, listed once."""
    seen: set[str] = set()
    for result in cells:
        for seed, key in result.evaluations.items():
            search = done[key]["result"].get("search")
            if search is None or (same := repr((done[key]["training"], search))) in seen:
                continue
            seen.add(same)
            (names,) = read_arrays(store.file("evaluation", key, "confusion.npz"), "names")
            scored = set(map(str, names))
            images = tuple(search["images"])
            yield Search(
                label=_network(result.cell),
                seed=seed,
                w1=search["w1"],
                sigma_alpha=search["sigma_alpha"],
                sigma_beta=search["sigma_beta"],
                trials=tuple((row[0], row[1], row[2], row[3], row[4]) for row in search["trials"]["rows"]),
                images=images,
                scored=sum(name in scored for name in images),
                seconds=float(search["seconds"]),
            )


def mean_field(cells: Iterable[CellResult], done: Mapping[str, Record], store: Store) -> MeanField | None:
    """The first CRF cell's steps, of its first seed; None where no cell has any."""
    for result in cells:
        for key in list(result.evaluations.values())[:1]:
            if STEPS not in done[key]["files"]:
                continue
            steps, pictures = (store.file("evaluation", key, name) for name in (STEPS, "pictures.npz"))
            scores, beliefs, iterations, label, names = read_arrays(
                steps, "scores", "beliefs", "iterations", "label", "names"
            )
            image, truth = read_arrays(pictures, "image", "truth")
            height, width = scores.shape[1:]
            return MeanField(
                label=_network(result.cell),
                name=str(names[0]),
                class_label=int(label),
                iterations=tuple(int(k) for k in iterations),
                scores=scores,
                beliefs=beliefs,
                image=image[0, :height, :width],
                truth=truth[0, :height, :width],
            )
    return None


def _network(cell: Cell) -> str:
    """The cell in words; one of a trimap's widths by its row, for all widths score the same predictions."""
    return cell.row_label if "evaluate.trimap_px" in cell.settings else cell_label(cell)


BANDS = {
    "void": "Bands lie around the void pixels of the ground truth, as in the papers; void itself is not scored.",
    "transitions": "This data set has no void pixels: bands lie around class transitions instead (pixels whose label "
    "differs from a neighbour's), which are scored.",
}


def band_notes(cells: Iterable[CellResult], done: Mapping[str, Record]) -> tuple[str, ...]:
    """What the cells' trimap bands lie around, where any has one."""
    boundaries = (done[key]["result"].get("boundaries") for result in cells for key in result.evaluations.values())
    return tuple(BANDS[kind] for kind in dict.fromkeys(boundaries) if kind)
