"""Numbers of payment cards, which nobody may keep: masked before anything is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from html import escape
from itertools import accumulate
from typing import Any
from unicodedata import decimal

import msgspec

from deskwire.core.codec import decode
from deskwire.core.text import from_html

Mask = Callable[[str], str]

#: Issuers' ranges as first four digits, and the lengths of their numbers (ISO/IEC 7812 and the
#: networks' own pages, read in November 2026). Where two share a range, both count.
ISSUERS = (
    (2200, 2204, range(16, 20)),  # MIR
    (2221, 2720, (16,)),  # Mastercard
    (3000, 3059, range(14, 20)),  # Diners Club
    (3090, 3099, range(14, 20)),  # Diners Club
    (3400, 3499, (15,)),  # American Express
    (3528, 3589, range(16, 20)),  # JCB
    (3600, 3699, range(14, 20)),  # Diners Club
    (3700, 3799, (15,)),  # American Express
    (3800, 3999, range(14, 20)),  # Diners Club
    (4000, 4999, (13, 16, 19)),  # Visa
    (5000, 5099, range(13, 20)),  # Maestro; RuPay's 508 is in it
    (5100, 5599, (16,)),  # Mastercard
    (5600, 5899, range(13, 20)),  # Maestro
    (6000, 6099, (16,)),  # RuPay
    (6011, 6011, range(16, 20)),  # Discover
    (6200, 6299, range(16, 20)),  # UnionPay
    (6304, 6304, range(13, 20)),  # Maestro
    (6440, 6599, range(16, 20)),  # Discover; RuPay's 65 is in it
    (6759, 6759, range(13, 20)),  # Maestro
    (6761, 6763, range(13, 20)),  # Maestro
    (8100, 8199, range(16, 20)),  # UnionPay and RuPay
    (8200, 8299, (16,)),  # RuPay
)
LENGTHS = [frozenset[int]()] * 10_000
for _low, _high, _lengths in ISSUERS:
    for _first in range(_low, _high + 1):
        LENGTHS[_first] |= {*_lengths}
SHORTEST, LONGEST = 13, 19  # digits
#: Digits after a plus sign (E.164). Without this a tenth of Germany's mobile numbers would be
#: masked, as cards of 13 digits.
LONGEST_PHONE = 15

#: What people and programs put between digits: white space, Unicode's dashes (Pd) and minuses, and
#: signs without width, which come along when text is copied.
DASHES = (
    "\\-\u058a\u05be\u1400\u1806\u2010-\u2015\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u2e5d\u301c\u3030\u30a0"
    "\ufe31\ufe32\ufe58\ufe63\uff0d\U00010ead\u02d7\u2043\u207b\u208b\u2212\u2796"
)
WIDTHLESS = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
# One digit after the other and never a choice: the time is linear in the text.
BLANK = r"&(?:nbsp|#160|#[xX][aA]0);"  # as HTML writes the one that does not break a line
BETWEEN = rf"(?:[\s{DASHES}{WIDTHLESS}]|{BLANK})"
CHAIN = re.compile(rf"\d(?:{BETWEEN}{{0,3}}\d){{{SHORTEST - 1},}}")
GROUP = re.compile(rf"{BLANK}|(\d+)")
DIGIT = re.compile(rf"{BLANK}|\d")

# The same in a body of JSON that was not read yet, and anything that might turn out to be it: bytes
# beyond ASCII and escapes may be digits or separators. NULs: JSON in UTF-16 or UTF-32.
SUSPICIOUS = re.compile(
    rb"\x00|(?=[2-68\\\x80-\xff])"
    rb"(?>(?:[0-9\x80-\xff]|\\u[0-9a-fA-F]{4})(?:[\s\-]|\\[nrtf]|&(?:nbsp|#160|#[xX][aA]0);){0,3}){13}"
)

# HTML may have anything between two digits, and so may a body that has some.
ENOUGH_DIGITS = re.compile(rf"(?:\d\D*+){{{SHORTEST}}}")
MARKUP = re.compile(rb"[<&]|\\u00(?:3[cC]|26)")

#: Twice a digit, and the sum of the digits of that.
DOUBLED = bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]).ljust(256, b"\0")


def mask_cards(text: str) -> str:
    """The text with an asterisk for each digit of a card number; what separates them stays.

    A number begins and ends where a group of digits does: part of a longer id is none.
    """
    return CHAIN.sub(_masked, text)


def mask_html(html: str) -> str:
    """The same of HTML: a number counts as it is shown, whatever is written between its digits.

    One that only shows without the markup costs the text its markup.
    """
    masked = mask_cards(html)
    if ENOUGH_DIGITS.search(masked) is None:
        return masked
    shown = from_html(masked)
    hidden = mask_cards(shown)
    return masked if hidden == shown else escape(hidden, quote=False).replace("\n", "<br>")


def mask_fields(
    body: bytes, names: frozenset[str], html_names: frozenset[str] = frozenset()
) -> bytes:
    """JSON with card numbers masked in the strings below keys of these names, at any depth.

    The same bytes when there are none, when it is no JSON and when it is nested too deeply.
    """
    masks = dict.fromkeys(names, mask_cards) | dict.fromkeys(html_names, mask_html)
    may_be_html = html_names and MARKUP.search(body) is not None
    if not masks or not (may_be_html or SUSPICIOUS.search(body)):
        return body
    for read, write in WAYS:
        try:
            value = read(body)
            return write(value) if _mask_within(value, masks) else body
        except (ValueError, RecursionError):
            continue
    return body


def _masked(chain: re.Match[str]) -> str:
    groups = [digits for digits in GROUP.findall(chain[0]) if digits]
    digits = bytes(map(decimal, "".join(groups)))
    edges = [0, *accumulate(map(len, groups))]
    is_phone = chain.string[chain.start() - 1 : chain.start()] == "+"
    hidden = _hidden(digits, edges, LONGEST_PHONE if is_phone else 0)
    if not any(hidden):
        return chain[0]
    is_hidden = iter(hidden)

    def hide(one: re.Match[str]) -> str:
        return "*" if len(one[0]) == 1 and next(is_hidden) else one[0]

    return DIGIT.sub(hide, chain[0])


def _hidden(digits: bytes, edges: list[int], longest_phone: int) -> bytearray:
    """1 for each digit that is in any card number, among those that begin and end at an edge.

    What stands first and is no longer than `longest_phone` is none.
    """
    hidden = bytearray(len(digits))
    is_edge = bytearray(len(digits) + LONGEST)
    for edge in edges:
        is_edge[edge] = 1
    sums = _luhn_sums(digits)
    for start in edges:
        if start > len(digits) - SHORTEST:
            break
        a, b, c, d = digits[start : start + 4]
        for length in LENGTHS[1000 * a + 100 * b + 10 * c + d]:
            if start == 0 and length <= longest_phone:
                continue
            end = start + length
            if is_edge[end] and (sums[end % 2][end] - sums[end % 2][start]) % 10 == 0:
                hidden[start:end] = b"\1" * length
    return hidden


def _luhn_sums(digits: bytes) -> list[list[int]]:
    """Luhn's sum of all before a place, for numbers that end at even places and at odd ones.

    python-stdnum adds up each number anew: five seconds for a hostile megabyte.
    """
    sums = []
    for parity in (0, 1):
        weighted = bytearray(digits)
        weighted[parity::2] = digits[parity::2].translate(DOUBLED)
        sums.append([0, *accumulate(weighted)])
    return sums


def _mask_within(value: object, masks: Mapping[str, Mask]) -> bool:
    """Mask in place; whether anything was."""
    has_changed = False
    todo: list[tuple[Any, Mask | None]] = [(value, None)]
    while todo:
        inside, named = todo.pop()
        if isinstance(inside, dict):
            places = [(key, one, masks.get(key)) for key, one in inside.items()]
        elif isinstance(inside, list):
            places = [(position, one, named) for position, one in enumerate(inside)]
        else:
            continue
        for place, one, mask in places:
            if not isinstance(one, str):
                todo.append((one, mask))
            elif mask is not None and (masked := mask(one)) != one:
                inside[place] = masked
                has_changed = True
    return has_changed


def _read_plain(body: bytes) -> object:
    return decode(body, object)


def _read_verbatim(body: bytes) -> object:
    """Numbers as they are written, such as 1e400 and those that Python takes for too long."""
    return json.loads(body, parse_int=_raw, parse_float=_raw, parse_constant=_raw)


def _raw(number: str) -> msgspec.Raw:
    return msgspec.Raw(number.encode())


def _write_ascii(value: object) -> bytes:
    """Halves of emoji stay the escapes that they were."""
    return json.dumps(value, separators=(",", ":")).encode()


#: Ways to read and write JSON, the quick one first; each takes what the one before it cannot.
WAYS: tuple[tuple[Callable[[bytes], object], Callable[[object], bytes]], ...] = (
    (_read_plain, msgspec.json.encode),
    (_read_verbatim, msgspec.json.encode),
    (json.loads, _write_ascii),
)
