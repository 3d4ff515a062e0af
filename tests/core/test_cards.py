import json
import math
import re
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum import luhn

from deskwire.core.cards import DASHES, ISSUERS, mask_cards, mask_fields
from deskwire.core.text import from_html

VISA = "4111111111111111"
NAMES = frozenset({"message"})
ZEROS = [one for one in map(chr, range(sys.maxunicode)) if unicodedata.decimal(one, None) == 0]
ARABIC = VISA.translate({ord("0") + digit: 0x0660 + digit for digit in range(10)})
WIDE = VISA.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
SEPARATORS = (
    " \t\n\r\x1f\x85\xa0\u2009\u202f\u3000\u200b\u200d\u2060\ufeff"
    "-\u2010\u2011\u2013\u2014\u2212\uff0d"
)

cards = st.sampled_from(ISSUERS).flatmap(
    lambda issuer: st.builds(
        lambda first, length, rest: (
            (number := f"{first}{rest:015}"[: length - 1]) + luhn.calc_check_digit(number)
        ),
        st.integers(issuer[0], issuer[1]),
        st.sampled_from(list(issuer[2])),
        st.integers(0, 10**15 - 1),
    )
)
gaps = st.just("") | st.text(st.sampled_from(SEPARATORS), max_size=3)
odd_numbers = st.integers() | st.floats() | st.sampled_from([10**40, -(10**400)])
card_texts = st.sampled_from([VISA, f"my {VISA}.", "x"])
texts = st.text(st.characters(), max_size=5) | card_texts
keys = st.text(st.characters(), max_size=3) | st.sampled_from(["message", "id"])
anything = st.recursive(
    st.none() | st.booleans() | odd_numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str]:
    """A card number as somebody may write it, and the same masked."""
    zeros = draw(st.lists(st.sampled_from(ZEROS), min_size=1, max_size=3))
    text = masked = ""
    for position, digit in enumerate(draw(cards)):
        gap = draw(gaps) if position else ""
        text += gap + chr(ord(zeros[position % len(zeros)]) + int(digit))
        masked += gap + "*"
    return text, masked


def masked_by_hand(value: Any, is_named: bool = False) -> Any:  # noqa: ANN401 - JSON
    match value:
        case dict():
            return {key: masked_by_hand(one, key in NAMES) for key, one in value.items()}
        case list():
            return [masked_by_hand(one, is_named) for one in value]
        case str() if is_named:
            return mask_cards(value)
        case _:
            return value


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (VISA, "*" * 16),
        ("4111 1111-1111 1111", "**** ****-**** ****"),
        ("order 12 4111 1111 1111 1111 05/27", "order 12 **** **** **** **** 05/27"),
        ("4111 1111 1111 1111 123", "**** **** **** **** 123"),
        ("Visa4111111111111111x", "Visa****************x"),
        ("4111111111111111 5500000000000004", "**************** ****************"),
        ("4111 1111\r\n1111 1111", "**** ****\r\n**** ****"),
        (ARABIC, "*" * 16),
        (f"{WIDE[:4]} {ARABIC[4:8]} {VISA[8:]}", "**** **** ********"),
        ("4222222222222", "*" * 13),
        ("3782 822463 10005", "**** ****** *****"),
        ("2223 0031 2200 3222", "**** **** **** ****"),
        ("6304 0000 0000 0000 00", "**** **** **** **** **"),
        ("2200 0000 0000 0004", "**** **** **** ****"),
    ],
)
def test_a_card_number_is_masked(text: str, masked: str) -> None:
    assert mask_cards(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # fails Luhn
        "1111111111111117",  # no issuer's
        "378282246310005 0"[:14],  # too short
        "40000000000006",  # passes Luhn, but Visa has no 14 digits
        f"{VISA}1",  # glued to another digit
        f"9{VISA}",
        f"{VISA}00000000",
        "4111    1111 1111 1111",  # four blanks
        "4111 1111/1111 1111",
        "4111 1111 1111 111",
        "**** **** **** 1111",
        "²111 1111 1111 1111",
    ],
)
def test_what_is_no_card_number_stays(text: str) -> None:
    assert mask_cards(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+49 176 10000037", "+49 176 10000037"),
        ("+4917610000037", "+4917610000037"),
        ("49 176 10000037", "** *** ********"),
        ("+49 176 10000037 4111 1111 1111 1111", "+49 176 10000037 **** **** **** ****"),
        (f"+{VISA}", f"+{'*' * 16}"),
    ],
)
def test_a_phone_number_after_a_plus_sign_stays(text: str, masked: str) -> None:
    assert mask_cards(text) == masked


def test_every_dash_of_unicode_separates() -> None:
    dashes = [one for one in map(chr, range(sys.maxunicode)) if unicodedata.category(one) == "Pd"]

    assert [one for one in dashes if not re.fullmatch(f"[{DASHES}]", one)] == []


@given(written())
def test_a_card_number_is_masked_however_it_is_written(pair: tuple[str, str]) -> None:
    assert mask_cards(pair[0]) == pair[1]


@given(
    before=st.sampled_from(["", "x", "order 12 ", "0000\n", "5 ", "№"]),
    pair=written(),
    after=st.sampled_from(["", "x", " 123", "\n0527", " / 05", "."]),
)
def test_a_card_number_is_masked_among_other_numbers(
    before: str, pair: tuple[str, str], after: str
) -> None:
    masked = mask_cards(before + pair[0] + after)

    assert masked[len(before) : len(before) + len(pair[1])] == pair[1]


@given(st.text(st.sampled_from("0123456789 -x\n")))
def test_only_what_passes_luhn_is_masked(text: str) -> None:
    groups = re.findall(r"\d+", text)
    joined = [
        "".join(groups[first:last])
        for first in range(len(groups))
        for last in range(first + 1, len(groups) + 1)
    ]
    if not any(luhn.is_valid(one) for one in joined if 13 <= len(one) <= 19):
        assert mask_cards(text) == text


@given(st.text(st.characters()))
def test_a_text_with_few_digits_stays(text: str) -> None:
    assert mask_cards(text) == text


@given(
    st.lists(written() | st.tuples(st.text("0123456789 -", max_size=9), st.just("")), max_size=4)
)
def test_masking_twice_is_masking_once(parts: list[tuple[str, str]]) -> None:
    once = mask_cards(" ".join(text for text, _ in parts))

    assert mask_cards(once) == once


@pytest.mark.parametrize(
    "part", ["4 ", "5 6 ", "4", "4   ", "444444444444x", f"{VISA}, ", " ", f"{WIDE[0]} "]
)
def test_a_long_text_comes_to_an_end(part: str) -> None:
    masked = mask_cards(part * (200_000 // len(part)))  # what backtracks takes for ever

    assert len(masked) > 100_000


def test_named_strings_are_masked_at_any_depth_and_nothing_else() -> None:
    body = json.dumps(
        {
            "id": VISA,
            "events": [
                {"message": VISA, "number": int(VISA), "data": {"message": [[VISA], {"id": VISA}]}}
            ],
        }
    )

    assert json.loads(mask_fields(body.encode(), NAMES)) == {
        "id": VISA,
        "events": [
            {
                "message": "*" * 16,
                "number": int(VISA),
                "data": {"message": [["*" * 16], {"id": VISA}]},
            }
        ],
    }


@pytest.mark.parametrize(
    "body",
    [
        b'{ "id": "4111111111111111", "message": "x" }',
        b'{"message": 4111111111111111}',
        b'"4111111111111111"',
        b'{"message": "4111111111111111"',
        b'{"message":' * 100_000 + b'"4111111111111111"' + b"}" * 100_000,
        b"4111111111111111",
        b"<p>4111 1111 1111 1111</p>",
        b"\xff" * 100,
        b"\0" * 100,
        b"",
    ],
)
def test_a_body_without_card_numbers_in_named_strings_stays_as_it_is(body: bytes) -> None:
    assert mask_fields(body, NAMES) is body


def test_without_names_nothing_is_masked() -> None:
    body = b'{"message": "4111111111111111"}'

    assert mask_fields(body, frozenset()) is body


@pytest.mark.parametrize(
    "text",
    [
        r"\u0034111111111111111",
        r"411111111111111\u0031",
        r"\u00204111\u00a01111\n1111\t1111",
        r"\uff14111 1111 1111 1111",
        r"\ud835\udfd2111 1111 1111 1111",
        f"{ARABIC[:4]}\u2009{WIDE[4:]}",
        "4111\u200b\u200b\u200b1111\u20131111\u20141111",
        r"half an emoji \ud83d 4111111111111111",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_card_number_is_masked_however_the_json_is_written(text: str, encoding: str) -> None:
    body = f'{{"message": "{text}"}}'

    masked = json.loads(mask_fields(body.encode(encoding), NAMES))

    assert (masked, masked["message"].count("*")) == (masked_by_hand(json.loads(body)), 16)


@pytest.mark.parametrize(
    "number", ["1e400", "-1E+999", "NaN", "Infinity", "9" * 5_000, "9" * 300, "-0.0", "0.1"]
)
def test_a_number_beside_a_card_number_stays_as_it_was_written(number: str) -> None:
    body = f'{{"message":"{VISA}","n":{number}}}'

    assert mask_fields(body.encode(), NAMES).decode() == body.replace(VISA, "*" * 16)


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>4111&nbsp;1111&nbsp;1111&nbsp;1111</p>", "****\u00a0****\u00a0****\u00a0****"),
        ("<p>4111 <b>1111</b> 1111 <i>1111</i> &lt;</p>", "**** **** **** **** <"),
        ("&#52;111&#160;1111&ndash;1111&#8203;1111", "****\u00a0****–****\u200b****"),
        ("4111 1111<br>1111 1111", "**** ****\n**** ****"),
        (f"<p>It is <b>{VISA}</b>.</p>", "It is ****************."),
        ("<p>2 &lt; 3 and 12&nbsp;345&nbsp;678&nbsp;901&nbsp;234</p>", None),
    ],
)
@pytest.mark.parametrize("is_escaped", [False, True])
def test_a_card_number_is_masked_as_html_shows_it(
    html: str, shown: str | None, is_escaped: bool
) -> None:
    body = json.dumps({"body": html, "id": VISA})
    if is_escaped:  # as some write JSON that may get into a page
        body = body.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")

    masked = json.loads(mask_fields(body.encode(), frozenset(), frozenset({"body"})))

    assert masked["id"] == VISA
    assert from_html(masked["body"]) == (from_html(html) if shown is None else shown)
    assert shown is not None or masked["body"] == html


@given(anything, st.booleans())
@example({"message": VISA, "n": math.nan, "half \ud83d": "\ud83d"}, False)
def test_arbitrary_json_changes_in_its_named_strings_only(value: object, is_ascii: bool) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")

    masked = json.loads(mask_fields(body, NAMES))

    assert repr(masked) == repr(masked_by_hand(json.loads(body)))


@given(st.binary() | st.text(st.sampled_from('4 1"\\u003{}[]:,')).map(str.encode))
def test_arbitrary_bytes_are_taken(body: bytes) -> None:
    assert mask_fields(body, NAMES) == body


@given(written(), st.booleans())
def test_a_card_number_in_a_body_is_masked_however_it_is_written(
    pair: tuple[str, str], is_ascii: bool
) -> None:
    body = json.dumps({"message": pair[0]}, ensure_ascii=is_ascii).encode()

    assert json.loads(mask_fields(body, NAMES)) == {"message": pair[1]}


@pytest.mark.parametrize("blank", ["&nbsp;", "&#160;", "&#xA0;"])
def test_blanks_as_html_writes_them_separate_digits_too(blank: str) -> None:
    groups = ["4111", "1111", "1111", "1111"]
    masked = blank.join(["****"] * 4)

    assert mask_cards(blank.join(groups)) == masked
    body = json.dumps({"body": f"<p>{blank.join(groups)}</p>"}).encode()
    after = json.loads(mask_fields(body, frozenset({"body"})))
    assert after == {"body": f"<p>{masked}</p>"}
