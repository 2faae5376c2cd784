"""The suite's metrics for programs of one's own: `from repro import score, ConfusionMatrix, miou, trimap, ...`.

Label maps are integers, ground truth void 255 unless said otherwise; arrays may be NumPy's, tensors of any device, or
nested lists. docs/library.md shows each in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from repro.data.label_form import LabelForm
from repro.scoring.matrix import VOID, ConfusionMatrix, as_array
from repro.scoring.pairs import LabelPair, label_files, pair_up
from repro.scoring.result import Score, result_of, score_pairs
from repro.scoring.tally import Reading, chessboard, tally_arrays

if TYPE_CHECKING:
    import pandas as pd

    from repro.judge.result import ClaimResult

__all__ = ["ConfusionMatrix", "Score", "dense_crf", "judge_claims", "miou", "results", "score", "trimap"]


def miou(prediction: Any, truth: Any, classes: int, void: int = VOID) -> float:
    """Return the mean IOU in [0, 1] of label maps by the papers' rule; NaN where nothing is counted.

    `prediction` and `truth` as `ConfusionMatrix.update` takes them: (H, W) or (N, H, W). Raises ValueError for shapes
    that differ and for labels that are neither a class nor void.
    """
    return ConfusionMatrix(classes, void).update(prediction, truth).compute().miou


def score(
    predictions: str | Path | Iterable[Any], truth: str | Path | Iterable[Any], classes: int | Sequence[str],
    void: int = VOID, partial: bool = False,
) -> Score:  # fmt: skip
    """Return the scores of a set of predictions: mean IOU with a 95 % interval over images, classes, rules, trimap.

    Both sides are folders (or lists) of label files, paired by name, or iterables of label maps (H, W), one an image.
    `classes`: their number, or their names in label order. `partial`: of files, those that both sides have. Raises
    InputError for files, ValueError for arrays that do not fit.
    """
    names = [str(k) for k in range(classes)] if isinstance(classes, int) else list(classes)
    if isinstance(predictions, str | Path) and isinstance(truth, str | Path):
        return _score_files(Path(predictions), Path(truth), names, void, partial=partial)
    if isinstance(predictions, str | Path) or isinstance(truth, str | Path):
        raise ValueError("predictions and truth must both be folders, or both be label maps")
    if partial:
        raise ValueError("partial: label maps without names are paired in their order; give as many of both")
    total, images = tally_arrays(
        ((as_array(p), as_array(t)) for p, t in zip(predictions, truth, strict=True)), len(names), void
    )
    return result_of(total, [str(k) for k in range(images)], names)


def _score_files(predictions: Path, truth: Path, names: Sequence[str], void: int, *, partial: bool) -> Score:
    truths = {name: (path, None) for name, path in label_files(truth, "", "ground truth").items()}
    files = label_files(predictions, "", "predictions")
    pairs: Sequence[LabelPair] = pair_up(files, truths, partial=partial, places=(str(predictions), str(truth)))
    form = LabelForm(len(names), frozenset({void}))
    return score_pairs(pairs, Reading(len(names), form, form), names)


def trimap(truth: Any, width: int, void: int = VOID) -> NDArray[np.bool_]:
    """Return which pixels of a label map (H, W) a trimap of `width` px scores, as (H, W) bool.

    Those that a square of side 2 width + 1 around any void pixel reaches, the void pixels themselves left out (v2,
    section 4.1.2; v3+, section 4.4). A map without void has no such pixels.
    """
    labels = as_array(truth)
    if labels.ndim != 2:
        raise ValueError(f"truth: one label map (H, W) is needed, not shape {labels.shape}")
    if not 1 <= width <= 250:
        raise ValueError(f"width: {width} px is not between 1 and 250")
    marks = labels == void
    return np.asarray((chessboard(marks, width) <= width) & ~marks)


def dense_crf(probabilities: Any, image: Any, parameters: str | Mapping[str, float] = "v2-resnet101",
              iterations: int = 10) -> NDArray[np.float32]:  # fmt: skip
    """Return the marginals (C, H, W) of a fully connected CRF (v2, section 3.3) after mean field.

    `probabilities` (C, H, W) floating point that sum to 1 over C, `image` (H, W, 3) uint8 RGB of the same size.
    `parameters`: a preset (docs/crf.md) or w1, sigma_alpha, sigma_beta, w2, sigma_gamma. Raises ValueError for a preset
    that is none or a parameter out of range, InputError for sizes that differ.
    """
    import torch

    from repro.evaluate.crf import refine
    from repro.spec.protocol import CRF

    if parameters == "search":
        raise ValueError("parameters: a search needs ground truth; `repro run --crf search` does it")
    given = {"preset": parameters} if isinstance(parameters, str) else dict(parameters)
    crf = CRF.model_validate({**given, "iterations": iterations})
    if crf.searched:
        raise ValueError("parameters: w1, sigma_alpha and sigma_beta must be given")
    marginals = refine(
        [torch.from_numpy(np.ascontiguousarray(as_array(probabilities), np.float32))],
        [torch.from_numpy(np.ascontiguousarray(as_array(image)))],
        crf,
    )
    return np.asarray(marginals[0].numpy(), np.float32)


def results(
    store: str | Path = "runs", *tables: str, scale: str | None = None, seeds: int = 5,
    tables_dir: str | Path | None = None, any_code: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Return one row per cell and seed that a store holds, of these tables (default: all).

    Columns: id, table, row, column, metric, scale, published (printed unit), seed, value (shares in [0, 1]).
    `scale`, `tables_dir`, `any_code`: as of `repro report`; seeds 0 to `seeds` - 1 are looked for.
    """
    import pandas as pd

    from repro.run.session import Options, load, make_plan
    from repro.spec.metric import find_metric
    from repro.store.metrics import metric_in
    from repro.store.store import Store

    options = Options(
        tables or ("all",), scale=scale, seeds=seeds, store=Path(store), any_code=any_code,
        tables_dir=Path(tables_dir) if tables_dir else None,
    )  # fmt: skip
    suite, place = load(options), Store(options.store)
    plan = make_plan(options, suite, place)
    rows = []
    for planned in plan.cells:
        metric = find_metric(planned.cell.metric)
        for seed, evaluation in sorted(planned.evaluations.items()):
            record = place.peek("evaluation", evaluation.key)
            if record is not None:
                cell = planned.cell
                rows.append(
                    {
                        "id": cell.id, "table": cell.table, "row": cell.row_label, "column": cell.column_label,
                        "metric": cell.metric, "scale": plan.request.scale, "published": cell.published, "seed": seed,
                        "value": metric_in(place, record, metric),
                    }
                )  # fmt: skip
    columns = ["id", "table", "row", "column", "metric", "scale", "published", "seed", "value"]
    return pd.DataFrame(rows, columns=columns)


def judge_claims(
    table: str, values: Mapping[str, Sequence[float]], tables_dir: str | Path | None = None
) -> tuple[ClaimResult, ...]:
    """Return the verdicts on a table's claims from one's own numbers.

    `values`: cell id (`repro show TABLE --json` lists them) -> its values with seed 0, 1, ..., mean IOU in [0, 1]. The
    k-th values of all cells share a seed. Cells may be missing: claims about them are "not run". Raises InputError for
    a table or cell that does not exist.
    """
    from repro.errors import InputError, did_you_mean
    from repro.judge.claims import judge
    from repro.judge.evidence import gather
    from repro.spec.load import load_suite

    suite = load_suite([Path(tables_dir)] if tables_dir else None)
    (spec,) = suite.select([table])
    claims = [(claim, suite.cells_of(claim, spec)) for claim in spec.claims]
    known = {cell.id for _, cells in claims for cell in cells}
    for cell in values:
        if cell not in known:
            raise InputError(f"values: {cell!r} is not a cell of {spec.id}'s claims.{did_you_mean(cell, known)}")
    return judge(claims, gather({(cell, k): v for cell, own in values.items() for k, v in enumerate(own)}))
