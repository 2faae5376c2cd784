"""Kinds of GPU: the built-in table, and the user's own before it."""

import pytest

from repro.errors import InputError
from repro.spec.load import load_suite


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "repro/gpus.toml"
    path.parent.mkdir()
    return path


def test_no_built_in_rate_claims_to_be_measured():
    gpus = load_suite().gpus
    assert {"h200", "h100", "a100"} <= set(gpus)
    for gpu in gpus.values():
        assert gpu.measured is None
        assert "ASSUMED, not measured" in gpu.told
        assert gpu.source
        # two operations per multiply-add, and no training reaches half of a datasheet's peak
        assert 0 < gpu.rate * 1e6 < gpu.peak_tflops * 1e12 / 4


def test_the_users_own_goes_first_and_adds_kinds(own):
    entry = 'memory_gb = 8\nmeasured = { rate = 3.0, what = "w", versions = "v", when = "2026-01-01" }\n'
    own.write_text(f'[h100]\ntitle = "mine"\n{entry}[laptop]\ntitle = "small"\n{entry}')
    suite = load_suite()
    assert suite.gpu("h100").title == "mine"
    assert suite.gpu("laptop").rate == 3.0
    assert suite.gpu("h200").measured is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[x]\ntitle = "t"\nmemory_gb = 0\npeak_tflops = 1\nutilisation = 0.5\n', "x: memory_gb"),
        ('[x]\ntitle = "t"\nmemory_gb = 8\npeak_tflops = 1\nutilisation = 1.5\n', "x: utilisation"),
        ('[x]\ntitle = "t"\nmemory_gb = 8\npeak_tflops = 1\n', "x: .*measured"),
        ('[x]\ntitle = "t"\nmemory_gb = 8\nutilization = 1\n', "x: utilization"),
        ("[x\n", "not valid TOML"),
    ],
)
def test_a_wrong_entry_is_told_with_its_file(own, text, told):
    own.write_text(text)
    with pytest.raises(InputError, match=f"gpus.toml: .*{told}|gpus.toml: {told}"):
        load_suite().gpu("x")
