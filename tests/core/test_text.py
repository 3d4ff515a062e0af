import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire.core.text import storable, storable_json

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("", ""),
        ("Grüße 👋\n", "Grüße 👋\n"),
        ("a\x00b", "a\ufffdb"),
        ("cut \ud83d", "cut \ufffd"),
    ],
)
def test_only_what_no_database_takes_is_replaced(text: str, stored: str) -> None:
    assert storable(text) == stored


@given(st.text(st.characters(), max_size=20))
def test_storable_text_can_be_encoded_and_stays_as_it_is(text: str) -> None:
    stored = storable(text)

    assert (storable(stored), len(stored.encode()) > 0) == (stored, bool(text))


def test_half_an_emoji_costs_a_body_only_that_character() -> None:
    assert json.loads(storable_json(b'["cut \\ud83d", "whole"]')) == ["cut \ufffd", "whole"]


@given(anything)
def test_json_without_halves_keeps_its_meaning(value: object) -> None:
    assert json.loads(storable_json(json.dumps(value).encode())) == value


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5_000])
def test_what_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        storable_json(body)
