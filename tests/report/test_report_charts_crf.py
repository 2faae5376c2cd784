"""The CRF's section: searches as heat maps and rows, mean field as pictures, from records to the page."""

import dataclasses
import itertools
import re

import numpy as np
import pytest
from report_fixture import plain
from test_report_pictures import decode

from repro.report.charts.crf import search_plot, search_rows, searches_line, step_sheet, steps_line
from repro.report.content import ClassTable, MeanField, Search
from repro.report.crf_records import BANDS, band_notes, mean_field, searches
from repro.report.formats.html import report_html
from repro.report.formats.markdown import report_markdown

CLASSES = ClassTable(("ground", "ball"), ((0, 0, 0), (200, 100, 50)))


def papers_search(label: str = "LargeFOV, after CRF", **changes) -> Search:
    """The paper's grid and a round around its best, (5, 60, 4); scores fall with the distance from it."""
    coarse = itertools.product((3, 4, 5, 6), range(30, 101, 10), (3, 4, 5, 6))
    finer = set(itertools.product((4.5, 5, 5.5), (55, 60, 65), (3.5, 4, 4.5))) - {(5, 60, 4)}

    def score(w1, alpha, beta):
        return 0.7 - 0.01 * abs(w1 - 5.5) - 0.001 * abs(alpha - 60) - 0.02 * abs(beta - 4)

    trials = [(*one, score(*one), 0) for one in coarse] + [(*one, score(*one), 1) for one in sorted(finer)]
    told = {"label": label, "seed": 0, "w1": 5.5, "sigma_alpha": 60, "sigma_beta": 4, "trials": tuple(trials)}
    return Search(**{**told, "images": ("a", "b", "c"), "scored": 3, "seconds": 61.0, **changes})


def maps() -> MeanField:
    """A ball of which the network sees the middle; it grows by a pixel with each step."""
    y, x = np.mgrid[:40, :60]
    far = np.hypot(y - 20, x - 30)
    scores = np.stack([(5 + k - far) / 4 for k in range(5)])
    truth = (far < 9).astype(np.uint8)
    image = np.repeat((90 + 80 * truth)[..., None], 3, axis=2).astype(np.uint8)
    beliefs = 1 / (1 + np.exp(-scores))
    return MeanField(
        "ASPP-L", "scene 7", 1, (0, 1, 2, 5, 10), scores.astype(np.float16), beliefs.astype(np.float16), image, truth
    )


def test_every_combination_is_a_box_and_the_chosen_one_is_framed():
    search = papers_search()
    svg = search_plot([search])
    assert len(search.trials) == 128 + 26
    assert svg.count("opacity=") == len(search.trials)
    # a frame is two boxes beneath the chosen one's own
    assert svg.count("<rect") == len(search.trials) + 2
    assert svg.count("round 1") == 3
    assert "LargeFOV, after CRF: 59.50 to 70.00 %" in svg


def test_stronger_is_larger():
    shown = {}
    for middle in (0.5, 0.6):
        trials = ((1, 10, 3, 0.4, 0), (1, 20, 3, middle, 0), (1, 30, 3, 0.6, 0))
        svg = search_plot([papers_search(w1=1, sigma_alpha=30, sigma_beta=3, trials=trials)])
        shown[middle] = [float(v) for v in re.findall(r'opacity="([0-9.]+)"', svg)]
    assert shown == {0.5: [0.07, 0.46, 0.85], 0.6: [0.07, 0.85, 0.85]}


def test_rows_name_what_was_chosen_and_how_well_it_did():
    (row,) = search_rows([papers_search()])
    assert row == ("LargeFOV, after CRF", "0", "5.5", "60", "4", "70.00", "59.50", "154", "1 min 01 s")
    unknown = papers_search(trials=((1, 1, 1, None, 0),))
    assert search_rows([unknown])[0][5] == "–"
    assert "·" in search_plot([unknown])


@pytest.mark.parametrize(
    ("scored", "told"),
    [
        (3, "are in the evaluation set as well, as in the paper"),
        (0, "are not in the evaluation set"),
        (1, "Some of these images"),
    ],
)
def test_the_reader_learns_whether_the_score_has_seen_the_search_images(scored, told):
    line = searches_line([papers_search(scored=scored)])
    assert told in line
    assert "154 combinations, on the mean IOU of 3 images of the evaluated split (a to c)" in line


def test_maps_become_pictures_as_wide_as_the_image_is():
    sheet = step_sheet(maps(), CLASSES)
    assert (sheet.width, sheet.height) == (60, 40)
    assert [step.title for step in sheet.steps] == ["network", *(f"iteration {k}" for k in (1, 2, 5, 10))]
    assert "ball in scene 7" in sheet.caption
    brightness = []
    for step in sheet.steps:
        for uri in (step.score_uri, step.belief_uri):
            picture = decode(uri)
            assert picture.size == (60, 40)
        levels = np.asarray(decode(step.belief_uri).convert("L"), dtype=float)
        assert levels[20, 30] > levels[0, 0]
        brightness.append(levels.mean())
    assert brightness == sorted(brightness)
    assert np.asarray(decode(sheet.truth_uri).convert("RGB"))[20, 30].tolist() == [200, 100, 50]
    large = dataclasses.replace(
        maps(), **{k: np.kron(getattr(maps(), k), np.ones((1, 9, 9), np.float16)) for k in ("scores", "beliefs")}
    )
    large = dataclasses.replace(large, truth=np.kron(large.truth, np.ones((9, 9), np.uint8)))
    large = dataclasses.replace(large, image=np.kron(large.image, np.ones((9, 9, 1), np.uint8)))
    assert step_sheet(large, CLASSES).width == 160


def test_steps_in_words():
    line = steps_line(maps(), CLASSES)
    shares = [float(v) for v in re.findall(r"([0-9.]+) % after", line)]
    assert shares == [pytest.approx(100 * (b > 0.5).mean(), abs=0.006) for b in maps().beliefs]
    assert "in the ground truth" in line


def test_the_page_and_the_text_have_the_section_where_there_is_a_crf():
    with_crf = dataclasses.replace(plain(), searches=(papers_search(),), mean_field=maps(), classes=CLASSES)
    page, text = report_html(with_crf), report_markdown(with_crf)
    assert "The 3 images that decided" in page
    assert ">a, b, c<" in page
    for words in ("CRF: parameters and steps", "as in the paper"):
        assert words in page
        assert words in text
    assert page.count("data:image/png") >= 10
    assert 'id="searches-table"' in page
    assert "## CRF" not in report_markdown(plain())
    assert "CRF: parameters" not in report_html(plain())
    only_steps = dataclasses.replace(with_crf, searches=())
    assert 'id="searches-table"' not in report_html(only_steps)


class Files:
    """A store that has arrays only."""

    def __init__(self, folder):
        self.folder = folder

    def file(self, _kind, key, name):
        return self.folder / f"{key}-{name}"


def test_records_are_read_once_per_search(tmp_path):
    shown = maps()
    found = {
        "w1": 5.0,
        "sigma_alpha": 60.0,
        "sigma_beta": 4.0,
        "trials": {"columns": [], "rows": [[5.0, 60.0, 4.0, 0.5, 0], [6.0, 60.0, 4.0, None, 0]]},
        "images": ["a", "z"],
        "seconds": 3.0,
    }
    done = {}
    cells = [c for c in plain().cells if c.evaluations][:3]
    cells = [dataclasses.replace(c, evaluations={0: f"key{k}"}) for k, c in enumerate(cells)]
    for k in range(3):
        result = {"search": found, "boundaries": "transitions"} if k else {}
        done[f"key{k}"] = {"training": "t", "result": result, "files": {"steps.npz": {}} if k else {}}
        np.savez(tmp_path / f"key{k}-confusion.npz", names=np.array(["a", "b"]))
        np.savez(tmp_path / f"key{k}-pictures.npz", image=shown.image[None], truth=shown.truth[None])
        np.savez(
            tmp_path / f"key{k}-steps.npz",
            scores=shown.scores[:, :30],
            beliefs=shown.beliefs[:, :30],
            iterations=np.array(shown.iterations),
            label=np.array(1),
            names=np.array(["scene 7"]),
        )
    (search,) = searches(cells, done, Files(tmp_path))
    assert (search.w1, search.scored, search.images) == (5.0, 1, ("a", "z"))
    assert search.trials == ((5.0, 60.0, 4.0, 0.5, 0), (6.0, 60.0, 4.0, None, 0))
    read = mean_field(cells, done, Files(tmp_path))
    assert (read.name, read.class_label, read.iterations) == ("scene 7", 1, (0, 1, 2, 5, 10))
    assert read.image.shape == (30, 60, 3)
    assert band_notes(cells, done) == (BANDS["transitions"],)
    assert "no void" in BANDS["transitions"]
    assert mean_field(cells[:1], done, Files(tmp_path)) is None
