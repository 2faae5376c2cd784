"""`repro audit` on the built-in papers: what their own numbers say."""

import json

import pytest

from repro.commands.audit import main


@pytest.fixture(scope="module")
def told():
    from contextlib import redirect_stdout
    from io import StringIO

    out = StringIO()
    with redirect_stdout(out):
        main(None, False, True)
    return json.loads(out.getvalue())


def test_the_headline_names_the_cells_that_contradict_each_other(told):
    text = " ".join(told["headline"])
    for number in ("65.88", "65.76", "101.28", "102.78"):
        assert number in text


def test_sentences_that_the_printed_numbers_do_not_bear_out(told):
    fails = {row["id"] for row in told["rows"] if row["status"] == "fails"}
    assert fails == {"v3.t3.c2.shallow", "v3.t3.c3.doubled", "v2.f10.c1.narrow"}


def test_differences_too_small_to_tell(told):
    rows = {row["id"]: row for row in told["rows"]}
    # v3 Table 5's 76.58 against 76.46; v3+ Table 1's 48 channels against 32
    assert rows["v3.t5.c3"]["clear"] == 0
    assert rows["v3plus.t1.c2"]["clear"] == 0
    # 20.29 against 75.18 is beyond any noise
    assert rows["v3.t1.c3"]["status"] == "holds"


def test_the_text_for_people_has_the_same_headline(told, capsys):
    main(None, False, False)
    out = capsys.readouterr().out
    assert all(line in out for line in told["headline"])
