"""The functions that programs import from `repro`, and the snippets of docs/library.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_paper import repro as command
from small_paper import write_paper

import repro
from repro.errors import InputError

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def snippets() -> list[str]:
    """The page's indented blocks that import from repro."""
    blocks = re.findall(r"(?:^    .*\n|^\n)+", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [re.sub(r"^    ", "", b, flags=re.MULTILINE).strip() for b in blocks if "from repro import" in b]


def prepared(folder: Path) -> dict[str, object]:
    """The names that the page's snippets take for given."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (4, 12, 16))
    logits = torch.nn.functional.one_hot(torch.from_numpy(truth), 3).permute(0, 3, 1, 2).float()
    truth[:, 4] = 255
    scores = np.exp(3 * logits[0].numpy())
    image = rng.integers(0, 256, (12, 16, 3)).astype(np.uint8)
    matrix = repro.ConfusionMatrix(3).update(logits, truth)
    return {
        "batches": [(logits[:3], truth[:3]), (logits[3:], truth[3:])],
        "of_each_process": [matrix, matrix],
        "predictions": list(logits.argmax(1)),
        "truth": list(truth),
        "label_map": truth[0],
        "probabilities": scores / scores.sum(axis=0),
        "image": image,
        "folder": folder,
    }


@pytest.mark.parametrize("number", range(6))
def test_snippets_run_as_they_stand(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(snippets()) == 6
    exec(compile(snippets()[number], str(PAGE), "exec"), prepared(tmp_path))


def test_score_of_arrays_and_of_their_files_is_one(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, (18, 9, 8)).astype(np.uint8)
    mine = np.where(rng.random(truth.shape) < 0.7, truth, 1).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.1] = 255
    for side, maps in (("mine", mine), ("truth", truth)):
        (tmp_path / side).mkdir()
        for k, labels in enumerate(maps):
            Image.fromarray(labels).save(tmp_path / side / f"{k:02d}.png")
    files = repro.score(tmp_path / "mine", tmp_path / "truth", 3)
    arrays = repro.score(list(mine), [torch.from_numpy(t) for t in truth], ["a", "b", "c"])
    assert files.miou == arrays.miou
    assert [r.value for r in files.rules] == pytest.approx([r.value for r in arrays.rules])
    assert files.trimap == arrays.trimap
    assert repro.miou(mine, truth, 3) == files.miou.value
    (tmp_path / "mine/17.png").unlink()
    with pytest.raises(InputError, match="1 of 18 predictions are missing: 17"):
        repro.score(tmp_path / "mine", tmp_path / "truth", 3)
    some = repro.score(tmp_path / "mine", tmp_path / "truth", 3, partial=True)
    assert some.miou == repro.score(mine[:17], truth[:17], 3).miou
    with pytest.raises(ValueError, match="partial: label maps without names"):
        repro.score(mine, truth, 3, partial=True)
    with pytest.raises(ValueError, match="both"):
        repro.score(tmp_path / "mine", list(truth), 3)
    with pytest.raises(ValueError, match="label 2"):
        repro.score(list(mine), [np.full((9, 8), 2)] * 18, 2)
    with pytest.raises(ValueError, match="no images"):
        repro.score([], [], 2)


def test_trimap_is_a_square_around_void() -> None:
    truth = np.zeros((9, 9), int)
    truth[4, 4] = 255
    band = repro.trimap(truth, 2)
    expected = np.zeros((9, 9), bool)
    expected[2:7, 2:7] = True
    expected[4, 4] = False
    assert np.array_equal(band, expected)
    assert not repro.trimap(np.zeros((3, 3), int), 1).any()
    with pytest.raises(ValueError, match="width"):
        repro.trimap(truth, 0)


def test_dense_crf_is_pydensecrf(tmp_path: Path) -> None:
    densecrf = pytest.importorskip("pydensecrf.densecrf")
    given = prepared(tmp_path)
    probabilities, image = np.asarray(given["probabilities"], np.float32), np.asarray(given["image"])
    field = densecrf.DenseCRF2D(16, 12, 3)
    field.setUnaryEnergy(np.ascontiguousarray(-np.log(probabilities).reshape(3, -1)))
    kernel = {"kernel": densecrf.DIAG_KERNEL, "normalization": densecrf.NORMALIZE_AFTER}
    field.addPairwiseGaussian(sxy=3, compat=3, **kernel)
    field.addPairwiseBilateral(sxy=49, srgb=5, rgbim=np.ascontiguousarray(image), compat=4, **kernel)
    theirs = np.array(field.inference(10)).reshape(3, 12, 16)
    ours = repro.dense_crf(probabilities, torch.from_numpy(image), "release-template")
    assert np.abs(ours - theirs).max() < 1e-4
    for wrong in ("nothing", "search", {"w1": 3.0}):
        with pytest.raises(ValueError, match=r"preset|search|must be given"):
            repro.dense_crf(probabilities, image, wrong)


def test_claims_on_ones_own_numbers() -> None:
    rng = np.random.default_rng(0)
    cell = "v3/table4/{}".format
    ids = [c.id for c in _cells("v3/table4")]
    assert all(name.startswith(cell("")) for name in ids)
    better = {name: list(0.7 + 0.01 * k + rng.normal(0, 0.0005, 5)) for k, name in enumerate(ids)}
    verdicts = {claim.id: claim.verdict for claim in repro.judge_claims("v3/table4", better)}
    assert set(verdicts.values()) <= {"supported", "contradicted", "inconclusive", "not run"}
    assert "supported" in verdicts.values()
    assert {c.verdict for c in repro.judge_claims("v3/table4", {})} == {"not run"}
    with pytest.raises(InputError, match="not a cell"):
        repro.judge_claims("v3/table4", {"v3/table4/nothing": [0.7]})


def _cells(table: str) -> list:
    from repro.spec.load import load_suite

    suite = load_suite()
    (spec,) = suite.select([table])
    return [cell for claim in spec.claims for cell in suite.cells_of(claim, spec)]


def test_results_of_a_store(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    paper = write_paper(tmp_path / "deep")
    store = tmp_path / "runs"
    assert command("run", "deep1", "--tables", paper, "--scale", "smoke", "--store", store, "--out", tmp_path)[0] == 0
    frame = repro.results(store, "deep1", scale="smoke", tables_dir=paper)
    assert sorted(frame["row"]) == ["aspp", "cascade"]
    assert frame["value"].between(0, 1).all()
    assert set(frame["published"]) == {60.1, 63.2}
    assert repro.results(tmp_path / "empty", "v3/table4", scale="smoke").empty


def test_importing_the_package_stays_cheap() -> None:
    script = "import sys, repro; assert not {'numpy', 'torch', 'pandas'} & set(sys.modules); repro.miou; print('ok')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "ok\n"
    with pytest.raises(AttributeError, match="nothing"):
        _ = repro.nothing
    assert SimpleNamespace(**{name: getattr(repro, name) for name in repro.__all__})
