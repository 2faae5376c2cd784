"""`repro list`: what is remembered is what would be read, and is forgotten when a spec changes."""

import json
import os

import pytest
from small_paper import IDENTITY, depth_table, repro, write_paper

from repro.commands import list_
from repro.errors import InputError
from repro.spec import places
from repro.spec.load import load_suite


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # nothing was edited just now
    monkeypatch.setattr("repro.files.SETTLED_SECONDS", -1.0)
    return tmp_path


def _listed(*words):
    code, out, told = repro("list", "--json", *words)
    assert code == 0, told
    return json.loads(out)["rows"]


@pytest.mark.usefixtures("cache")
def test_the_second_look_reads_no_spec(monkeypatch):
    first = _listed()
    assert [row["id"] for row in first] == list(load_suite().tables)
    assert sum(sum(row["cells"].values()) for row in first) == sum(len(t.cells()) for t in load_suite().tables.values())
    claims = {row["id"]: row["claims"] for row in first}
    assert claims["v3plus/table7b"] == {"measured": 0, "computed": 0, "printed": 1}
    assert claims["v3/fig4"]["measured"] == 0 < claims["v3/fig4"]["computed"]
    assert sum(sum(counts.values()) for counts in claims.values()) == sum(
        len(t.claims) for t in load_suite().tables.values()
    )
    monkeypatch.setattr(list_, "_rows", lambda _dirs: pytest.fail("read again"))
    assert _listed() == first


def test_a_changed_spec_is_read_again(cache, monkeypatch):
    _listed()
    before = places.state()
    copy = cache / "suite"
    copy.mkdir()
    (copy / "tables").mkdir()
    spec = copy / "tables/a.toml"
    spec.write_text("id = 1")
    monkeypatch.setattr(places, "built_in", lambda: [copy / "tables"])
    changed = [places.state()]
    os.utime(spec, ns=(0, 7))
    changed.append(places.state())
    spec.write_text("id = 12")
    os.utime(spec, ns=(0, 7))
    changed.append(places.state())
    assert len({before, *changed}) == 4


def test_a_spec_edited_just_now_is_never_remembered(cache, monkeypatch):
    monkeypatch.setattr("repro.files.SETTLED_SECONDS", 1e12)
    assert places.state() is None
    _listed()
    assert not (cache / "cache/repro/list.json").exists()


@pytest.mark.usefixtures("cache")
def test_a_users_own_tables_are_read_each_time(tmp_path):
    folder = tmp_path / "deep"
    folder.mkdir()
    rows = _listed("--tables", write_paper(folder))
    assert rows[-1]["id"] == "deep/table1"
    assert len(rows) == 1 + len(_listed())


def test_a_claim_that_picks_nothing_is_named_with_its_file(tmp_path):
    (tmp_path / "paper.toml").write_text(IDENTITY)
    text = depth_table(1).replace('kind = "greater"', 'kind = "greater"\nwhere = { arow = 1 }')
    assert "arow" in text
    (tmp_path / "table1.toml").write_text(text)
    with pytest.raises(InputError, match=r'table1\.toml: claim .*no cell has "arow"'):
        list_.main(tmp_path, as_json=True)
