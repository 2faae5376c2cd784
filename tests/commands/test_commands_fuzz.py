"""Wrong input of every kind, made at random: an answer, or one message with place and remedy, exit code 2, in time."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from fuzz_cases import Case, spelt
from fuzz_play import KINDS, Ended, case, play, run, warm, wrong
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from repro.spec.keys import keys

CASES = {"spec": 60, "setting": 56, "only": 36, "argument": 76, "list": 20, "image": 20, "score": 28, "judge": 40}
"""Of each kind. The slow run has thirty times as many, 10,080 in all, and hundreds of Hypothesis."""
HEAVY = ("cost", "audit", "report")
"""Commands that count networks where nothing is wrong: left to the slow run, which leaves about 300 cases to CI."""
EXAMPLES = 10
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without shrinking, which takes hours where a case hangs."""
LESS = settings(max_examples=EXAMPLES, derandomize=True, phases=PHASES)
MORE = settings(max_examples=EXAMPLES * 25, phases=PHASES)


def sweep(kind: str, count: int, without: tuple[str, ...] = ()) -> Counter[int]:
    """Play cases, but of some commands; how often each exit code was seen. AssertionError lists what ended wrong."""
    codes: Counter[int] = Counter()
    faults = []
    for number in range(count):
        one = case(kind, number)
        if one.words[0] in without:
            continue
        with tempfile.TemporaryDirectory() as folder:
            ended, fault = play(one, Path(folder))
        codes[ended.code] += 1
        if fault:
            words = [word[:80] for word in one.words]
            faults.append(f"{kind} {number}: {fault}: {words}: {ended.err.strip()[-300:]}")
    assert not faults, f"{len(faults)} cases ended wrong:\n" + "\n".join(faults[:20])
    return codes


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_input_is_told_with_place_and_remedy(kind: str) -> None:
    codes = sweep(kind, CASES[kind], HEAVY)
    assert codes[2] > CASES[kind] / 8  # or the cases would not be wrong


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_cases(kind: str) -> None:
    warm()
    sweep(kind, CASES[kind] * 30)


texts = st.text("aZ09 ._-+/\\[]{}()'\"\n\t=,;#%&<>\x00\x1b\u202eé中😀", max_size=12)
scalars = st.one_of(
    st.integers(), st.integers(-3, 600), st.floats(), st.booleans(), texts, st.sampled_from(["none", ""])
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3))


def check(words: tuple[str, ...], *named: str) -> None:
    one = Case(words, {}, named)
    with tempfile.TemporaryDirectory() as folder:
        ended, fault = play(one, Path(folder))
    assert not fault, f"{fault}: {words}: {ended.err[-400:]}"


def set_any_value(key: str, value: object) -> None:
    check(("plan", "v3/table3", "--scale", "smoke", "--store", "runs", "--set", f"{key}={spelt(value)}"), "--set", key)


def ask_for_any_cells(key: str, value: object) -> None:
    check(("show", "v3/table6", "--scale", "smoke", "--only", f"{key}={spelt(value)}"), "--only")


def say_anything(words: list[str]) -> None:
    check(tuple(word for word in words if "\x00" not in word), "")


settable = st.sampled_from([key for key, value in keys().items() if value])
anything = st.lists(
    st.sampled_from(["plan", "show", "list", "judge", "score", "--json", "--only", "--set", "--scale", "v3/table3"])
    | texts,
    max_size=5,
)


@LESS
@given(settable, values)
def test_any_value_of_a_setting(key: str, value: object) -> None:
    set_any_value(key, value)


@LESS
@given(st.sampled_from(["row", "column", "last_block"]) | settable, values)
def test_any_selection(key: str, value: object) -> None:
    ask_for_any_cells(key, value)


@LESS
@given(anything)
def test_any_words(words: list[str]) -> None:
    say_anything(words)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["settings", "selections", "words"])
def test_hundreds_of_examples(kind: str) -> None:
    checks = {
        "settings": given(settable, values)(set_any_value),
        "selections": given(settable, values)(ask_for_any_cells),
        "words": given(anything)(say_anything),
    }
    MORE(checks[kind])()


SHOWN = Case(("show", "v3/table3"), {}, ("table3",))


@pytest.mark.parametrize(
    ("code", "err", "left", "fault"),
    [
        (0, "", ["out"], ""),
        (2, "repro: table3: no such table. Did you mean v3/table3?", [], ""),
        (2, "Usage: x\n\nError: Missing argument 'TABLE...'.", [], ""),
        (1, "", [], "exit code 1"),
        (3, "", [], "exit code 3"),
        (70, "repro: a fault of the suite", [], "exit code 70"),
        (130, "repro: interrupted", [], "exit code 130"),
        (2, "Traceback (most recent call last):\nrepro: table3: Give another.", [], "a traceback"),
        (2, "", [], "no message"),
        (2, "KeyError: 3", [], "no message"),
        (2, "repro: table3: something is wrong.", [], "no remedy"),
        (2, "repro: something is wrong. Mend it.", [], "no place"),
        (2, "repro: table3: " + "x" * 5000 + ". Mend it.", [], "a message of 5025 letters"),
        (2, "repro: table3: wrong. Mend it.", ["out"], "left behind: ['out']"),
    ],
)
def test_what_counts_as_wrong(code: int, err: str, left: list[str], fault: str) -> None:
    assert wrong(SHOWN, Ended(code, "", err, 0.1), left) == fault


def test_a_hang_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def wait() -> None:
        try:
            while True:
                pass
        except Exception:
            raise SystemExit(0) from None

    monkeypatch.setattr("fuzz_play.program.main", wait)
    monkeypatch.setattr("fuzz_play.run", lambda words: run(words, seconds=0.05))
    ended, fault = play(SHOWN, tmp_path)
    assert (ended.code, fault) == (-1, "more than 0.05 s of processor time")
