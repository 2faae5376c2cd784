"""`repro diagnose` as it is typed."""

from __future__ import annotations

import json

from small_paper import repro


def test_a_recipe_with_a_number(tmp_path):
    (tmp_path / "own.toml").write_text("[train]\nbatch_size = 8\n")
    code, out, _ = repro("diagnose", tmp_path / "own.toml", "--got", "75.9")
    assert code == 0
    assert "train.batch_size: 16 -> 8" in out
    assert "-1.45" in out
    assert "75.90 lies within that range" in out
    code, out, _ = repro("diagnose", tmp_path / "own.toml", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["rows"][0]["settings"] == {"train.batch_size": {"published": 16, "yours": 8}}


def test_wrong_input_is_exit_2(tmp_path):
    (tmp_path / "own.toml").write_text("[train]\nbatch_size = 8\n")
    for words in (
        [tmp_path / "gone.toml"], [tmp_path], [tmp_path / "own.toml", "--got", "0.75"],
        [tmp_path / "own.toml", "--cell", "v3/table6/os-15"], [tmp_path / "own.toml", "--devices", "0"],
        [tmp_path / "own.toml", "--got", "nan"],
    ):  # fmt: skip
        code, _, err = repro("diagnose", *words)
        assert code == 2, words
        assert str(words[0]) in err or words[-2] in err
        assert "Traceback" not in err
