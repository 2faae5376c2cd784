"""Claims: what each kind needs, and that a wrong selector is told with the claim's name."""

from __future__ import annotations

import pytest
from spec_files import TABLE, Write

from repro.errors import InputError


def with_claim(body: str) -> str:
    return TABLE + '\n[[claims]]\nid = "m.t1.c1"\ntext = "words"\n' + body


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('kind = "greater"\nleft = {}', 'claims[0]: kind "greater" needs `right`. Add it.'),
        ('kind = "text"', 'claims[0]: kind "text" needs `why`. Add it.'),
        ('kind = "gain"\nleft = {}\nright = {}', 'kind "gain" needs `low`, `high` or both. Add one.'),
        ('kind = "gain"\nleft = {}\nright = {}\nlow = 2\nhigh = 1', "low = 2.0 is above high = 1.0. Swap them."),
        ('kind = "best"\nleft = {}\namong = {}\nlow = 2', 'kind "best" does not use `low`. Remove it.'),
        (
            'kind = "monotone"\nalong = "last_block"\ndirection = "up"',
            'claims[0].direction: "up" is not one of increasing, decreasing.',
        ),
        (
            'kind = "monotone"\nalong = "last_blok"\ndirection = "increasing"',
            '(m.t1.c1): along: a cell has no "last_blok"',
        ),
        (
            'kind = "best"\nleft = { last_block = 9 }\namong = {}',
            "(m.t1.c1): selector {last_block = 9}: last_block has no value 9; it has 4, 5, 6.",
        ),
        (
            'kind = "greater"\nleft = { last_block = 4 }\nright = { last_block = 4, table = "v3/tabel3" }',
            "there is no table \"v3/tabel3\". Did you mean 'v3/table3'",
        ),
        (
            'kind = "monotone"\nalong = "last_block"\ndirection = "increasing"',
            'lacks `over`. Write over = "every" if each of them must bear it out, or over = "mean" if their mean must.',
        ),
        ('kind = "text"\nwhy = "words"\nover = "every"', 'kind "text" does not use `over`. Remove it.'),
        ('kind = "best"\nleft = {}\namong = {}\nover = "all"', 'over: "all" is not one of every, mean.'),
        (
            'kind = "best"\nleft = { last_block = 4 }\namong = { last_block = 4 }\nover = "every"',
            "(m.t1.c1): claim m.t1.c1: `among` picks no cell but `left` itself. Widen it.",
        ),
        ('kind = "greater"\nmetric = "parameters"\nleft = {}\nright = {}', "(m.t1.c1): "),
    ],
)
def test_wrong_claims_are_told(write: Write, body: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        write(with_claim(body)).find("grid")
    assert told in str(caught.value)
    assert str(caught.value).startswith("specs/grid.toml: ")


def test_a_claim_may_speak_of_another_table(write: Write) -> None:
    body = """kind = "greater"
left = { table = "v3/table3", multi_grid = [1, 2, 1], last_block = 7 }
right = { table = "mine/grid", multi_grid = [1, 2, 1], last_block = 6 }
"""
    suite = write(with_claim(body))
    spec = suite.find("grid")
    claim = spec.claims[0]
    assert claim.tables() == {"v3/table3", "mine/grid"}
    assert {c.table for c in suite.cells_of(claim, spec)} == {"v3/table3", "mine/grid"}
