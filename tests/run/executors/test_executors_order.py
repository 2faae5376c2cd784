from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.run.executors.order import Work, dependents, priorities


@st.composite
def forests(draw):
    """Jobs that start from an earlier one, from nothing, or from one that is not in the run; in any order."""
    count = draw(st.integers(1, 8))
    work = []
    for number in range(count):
        after = draw(st.none() | st.sampled_from([f"k{n}" for n in range(number)] + ["stored"]))
        work.append(Work(f"k{number}", None, after, draw(st.integers(1, 9))))
    return draw(st.permutations(work))


@settings(deadline=None)
@given(forests())
def test_priority_is_the_longest_chain_that_starts_here(work):
    by_key = {one.key: one for one in work}

    def longest(key):
        return by_key[key].cost + max((longest(one.key) for one in work if one.after == key), default=0)

    assert priorities(work) == {key: longest(key) for key in by_key}


@settings(deadline=None)
@given(forests())
def test_dependents_are_all_that_lead_here(work):
    by_key = {one.key: one for one in work}

    def leads(key, to):
        after = by_key[key].after
        return after == to or (after in by_key and leads(after, to))

    for key in by_key:
        found = [one.key for one in dependents(work, key)]
        assert sorted(found) == sorted(other for other in by_key if leads(other, key))
        for first, second in itertools.pairwise(found):
            assert by_key[first].after != second


def test_jobs_that_can_not_be_ordered_are_refused():
    with pytest.raises(ValueError, match="two jobs of the key a"):
        priorities([Work("a", 1), Work("a", 2)])
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        priorities([Work("a", 1, after="b"), Work("b", 2, after="a"), Work("c", 3)])
