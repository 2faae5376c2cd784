"""The CRF in specs and on the command line: searches, presets, a change where there is one."""

from __future__ import annotations

import pytest

from repro.errors import InputError
from repro.spec.keys import build
from repro.spec.load import load_suite
from repro.spec.presets import CRF_PRESETS
from repro.spec.protocol import CRF
from repro.spec.resolve import Resolved, resolve

SUITE = load_suite()
TABLE = SUITE.find("v2/table3")
CELLS = {c.column_label: c for c in TABLE.cells() if c.row_label == "LargeFOV"}
PREFIX = "evaluate.crf?"


def _after(*overrides: str, scale: str = "paper") -> Resolved:
    return resolve(SUITE, TABLE, CELLS["after CRF"].settings, scale, overrides=overrides)


def _crf(*overrides: str, scale: str = "paper") -> CRF:
    crf = _after(*overrides, scale=scale).protocol.evaluate.crf
    assert crf is not None
    return crf


def test_at_paper_scale_every_crf_is_the_papers_search() -> None:
    searched = 0
    for name in ("v2/table1", "v2/table3", "v2/table4", "v2/table6", "v2/table7", "v2/table9", "v2/fig10"):
        table = SUITE.find(name)
        cells = [c for c in table.cells() if c.kind == "measured" and c.metric == "miou"]
        found = [resolve(SUITE, table, c.settings, "paper").protocol.evaluate.crf for c in cells]
        assert None in found, name  # before
        assert CRF() in found, name  # and after
        assert set(map(repr, found)) == {repr(None), repr(CRF())}
        searched += found.count(CRF())
    assert searched > 90


@pytest.mark.parametrize("scale", ["small", "tiny", "smoke"])
def test_smaller_scales_search_less_and_say_so(scale: str) -> None:
    resolved = _after(scale=scale)
    crf = resolved.protocol.evaluate.crf
    assert crf is not None
    assert crf.searched
    assert crf.combinations * crf.search_images < CRF().combinations * CRF().search_images / 2
    assert "evaluate.crf" in {d.key for d in resolved.deviations}


@pytest.mark.parametrize("name", CRF_PRESETS)
@pytest.mark.parametrize("scale", ["paper", "tiny"])
def test_a_preset_is_what_its_name_says_at_any_scale(name: str, scale: str) -> None:
    crf = _crf(f"{PREFIX}={name}", scale=scale)
    told = CRF_PRESETS[name]
    assert {key: getattr(crf, key) for key in told} == told
    assert crf.searched == (name == "search")
    assert "set on the command line" in {d.reason for d in _after(f"{PREFIX}=v1", scale=scale).deviations}


def test_a_preset_keeps_backend_and_normalization() -> None:
    crf = _crf(f"{PREFIX}.backend=pydensecrf", f"{PREFIX}.normalization=symmetric", f"{PREFIX}=v2-vgg16")
    assert (crf.backend, crf.normalization, crf.w2) == ("pydensecrf", "symmetric", 2)
    also = build({"evaluate.crf": "v2-vgg16", "evaluate.crf.backend": "pydensecrf"}, {}).evaluate.crf
    assert also is not None
    assert (also.backend, also.w2) == ("pydensecrf", 2)


def test_where_there_is_no_crf_none_is_switched_on() -> None:
    plain = resolve(SUITE, TABLE, CELLS["before CRF"].settings, "paper", overrides=[f"{PREFIX}.backend=pydensecrf"])
    assert plain.protocol.evaluate.crf is None
    assert not plain.deviations
    everywhere = resolve(SUITE, TABLE, CELLS["before CRF"].settings, "paper", overrides=["evaluate.crf=v2-vgg16"])
    assert everywhere.protocol.evaluate.crf is not None


def test_a_single_number_fixes_and_a_list_searches() -> None:
    crf = _crf(f"{PREFIX}.w1=5", f"{PREFIX}.sigma_beta=[2, 3]")
    assert (crf.w1, crf.sigma_beta) == (5, (2, 3))
    assert crf.combinations == 8 * 2 + 8
    fixed = _crf(f"{PREFIX}.w1=5", f"{PREFIX}.sigma_alpha=60", f"{PREFIX}.sigma_beta=3")
    assert not fixed.searched


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"{PREFIX}=v9", r"preset 'v9': there are search, v2-vgg16, .*v1-coco\."),
        (f"{PREFIX}.backend=cuda", r'"cuda" is not one of pydensecrf, torch'),
        (f"{PREFIX}.normalization=none", r"normalization"),
        (f"{PREFIX}.sigma_alpha=0", r"0 is too small; it must be at least 0.01"),
        (f"{PREFIX}.sigma_beta=[3, -1]", r"-1 is too small; it must be at least 0.01"),
        (f"{PREFIX}.w1=-1", r"-1 is too small; it must be at least 0"),
        (f"{PREFIX}.w1=inf", r"inf is no number that can be computed with"),
        (f"{PREFIX}.sigma_alpha=nan", r"nan is no number that can be computed with"),
        (f"{PREFIX}.w1=[]", r"\[\] has too few values; there must be at least 1"),
        (f"{PREFIX}.w1=strong", r'"strong" is not a number'),
        (f"{PREFIX}.iterations=0", r"0 is too small"),
        (f"{PREFIX}.w9=1", r"no such setting. Did you mean"),
        ("train?.lr=1", r"only evaluate.crf\? can be asked for"),
        ("evaluate.crf.sigma_gamma=0", r"0 is too small"),
    ],
)
def test_what_is_wrong_is_told(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _after(override)
    assert str(caught.value).startswith("--set ")
