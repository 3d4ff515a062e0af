import json
import time
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire.core.text import from_html, storable, storable_json

PIECES = ("<p>", "</p>", "<li>", "<b a=", "<!--", "<pre>", "img alt=", "&nbsp;", "<br>", "<script>")

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


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hi&nbsp;there,</p>\n<p>you &amp; me</p>", "Hi\xa0there,\nyou & me"),
        ("a<br>b<br/><br><br>\n<BR>c<br>", "a\nb\n\nc"),
        ("<div>a<div>b<br></div></div><div>c</div>", "a\nb\nc"),
        ("<p>a</p><p>&nbsp;</p><p>b</p>", "a\n\nb"),
        ("  <b>bo</b>ld \n\t and\r\n<i> more </i> ", "bold and more"),
        (
            "Ask:<ul><li>a</li><li><p>b</p><ol><li>c<br>d</ol><li></ul>z",
            "Ask:\n- a\n- b\n- c\nd\nz",
        ),
        ("<table><tr><td>a</td><td>b</td></tr><tr><th>c</table>", "a b\nc"),
        ("<pre>a\n  b\n\nc</pre>d", "a\nb\n\nc\nd"),
        ('see <a href="https://example.org/?a>b">this</a>', "see this"),
        (
            '<img src="data:,a>b" alt="a &lt; b">, <img>, <img alt="">, <IMG alt=c/>',
            "[a < b], [image], [image], [c/]",
        ),
        ("a<script>if (i<n) { x(); }</script>b<style>p > a {}</style>c", "abc"),
        ("a<!-- b <p> -->c<!-->d<!-- e", "acd"),
        ("<title>a</title><template>b</template><body>c</body>", "c"),
        ("1 &lt; 2 &#x26; 3 &gt 2", "1 < 2 & 3 > 2"),
        ("<<br>div>", "<\ndiv>"),
        ("a<p>b <c", "a\nb"),
        ("<p>a\x00b \ud83d", "a\ufffdb \ufffd"),
        ("&#" + "9" * 6_000 + ";", "\ufffd"),
        ("<p></p>", ""),
    ],
)
def test_html_is_the_lines_that_a_browser_shows(html: str, text: str) -> None:
    assert from_html(html) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " a < b\r\n\n\n b > a\t",
        "a <b and no more",
        "I <3 you > me",
        "AT&T & so on; &c",
        "\x00\ud83d <",
    ],
)
def test_a_text_without_markup_stays_as_it_is(text: str) -> None:
    assert from_html(text) == text


@given(st.text(st.characters(exclude_characters="<&")))
def test_any_text_without_tags_and_entities_stays_as_it_is(text: str) -> None:
    assert from_html(text) == text


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1))
def test_what_was_escaped_is_there_again(text: str) -> None:
    assert from_html(f"<p>{escape(text)}</p>") == text


@given(st.lists(st.sampled_from([*"<>/&;'\"= -!?#x\n\x00\ud83d", *PIECES])).map("".join))
def test_any_markup_gives_trimmed_text(html: str) -> None:
    text = from_html(f"<p>{html}")

    assert (text, "\n\n\n" in text) == (text.strip(), False)


SIMPLE = (
    *("<p>", "</p>", "<br>", "<b>", "</b>", "<i>", "</i>", "<a>", "</a>", "<span style=x>"),
    *("&amp;", "&lt;", "&gt;", "&quot;", "&nbsp;", "&#39;", *"a \n\r\xa0é>;"),
)


@given(st.lists(st.sampled_from(SIMPLE), max_size=12).map("".join))
def test_simple_markup_reads_as_the_parser_reads_it(html: str) -> None:
    assert from_html(f"<p>{html}") == from_html(f"<p>{html}<wbr>")  # which is not simple


@pytest.mark.parametrize(
    "part",
    [
        "<div>",
        "<div></x>",
        "<b a=",
        '<a "',
        "<!--",
        "<script>",
        "<img alt='",
        "<td>x",
        "<li>x",
        "&amp;",
        "<<!-- -->p ",
        "\x00",
    ],
)
def test_hostile_markup_takes_time_in_proportion(part: str) -> None:
    html = "<p>" + part * (300_000 // len(part))
    began = time.process_time()

    from_html(html)

    assert time.process_time() - began < 3  # a third on an idle machine; many with the square


def test_a_flood_of_attributes_takes_no_longer() -> None:
    flood = " ".join(f"a{number}=1" for number in range(200_000))

    assert from_html(f"<p {flood}>x") == "x"


def test_of_a_very_long_text_the_lines_stay() -> None:
    html = "<div><ul><li>a <b>b</b></li></ul><table><td>c</td><td>d</td></table></div>" * 2_000

    assert from_html(html) == "\n\n".join(["- a b\n\nc d"] * 2_000)
