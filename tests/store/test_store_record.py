from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.store.record import Damaged, OtherSchema, check, decode, encode

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
records = st.dictionaries(st.text().filter(lambda name: name != "sha256"), json_values, min_size=1, max_size=5)


@settings(deadline=None)
@given(records)
def test_what_is_encoded_is_decoded_and_plain_json(record):
    data = encode(record)
    assert decode(data) == record
    plain = json.loads(data)
    assert len(plain.pop("sha256")) == 64
    assert plain == record


@settings(deadline=None)
@given(records, st.data())
def test_any_changed_byte_is_seen(record, data):
    whole = bytearray(encode(record))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Damaged):
        decode(bytes(whole))


@settings(deadline=None)
@given(records, st.data())
def test_any_missing_end_is_seen(record, data):
    whole = encode(record)
    with pytest.raises(Damaged):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_json_lacks_are_refused(number):
    with pytest.raises(ValueError, match="JSON"):
        encode({"loss": number})


def test_check_tells_version_place_and_missing_entries_apart():
    record = {
        "schema": 1,
        "kind": "failure",
        "key": "k",
        "of": "training",
        "reason": "r",
        "traceback": "",
        "started": "",
    }
    with pytest.raises(Damaged, match="lacks environment"):
        check(record, "failure", "k")
    record["environment"] = {}
    check(record, "failure", "k")
    with pytest.raises(Damaged, match="failure k, its place of failure other"):
        check(record, "failure", "other")
    with pytest.raises(OtherSchema, match="2 is not 1"):
        check({**record, "schema": 2}, "failure", "k")
