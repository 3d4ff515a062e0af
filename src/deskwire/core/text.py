"""Text that any database and any JSON can hold, and the text of HTML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape

from selectolax.lexbor import LexborHTMLParser, LexborNode

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

#: Elements that stand on lines of their own, as they open and close.
_BLOCK = re.compile(
    "/?(?:address|article|aside|blockquote|caption|center|d[dlt]|details|dialog|dir|div|fieldset"
    "|figcaption|figure|footer|form|h[1-6]|header|hr|legend|li|main|menu|nav|ol|optgroup|option|p"
    "|pre|search|section|select|summary|table|tbody|tfoot|thead|tr|ul)"
)
_CELL = re.compile("/?t[dh]")
#: The parser's time grows with the square of the depth: beyond this many tags nothing is nested.
MOST_TAGS = 10_000
#: In the place of what is dropped: without it the text around could become a tag.
NOTHING = "<wbr>"

_MARKUP = re.compile(r"</?[a-z]|<!--|<!doctype|<\?", re.IGNORECASE)
_NUMBERED = re.compile(r"&#(?:[0-9]|x[0-9a-f])", re.IGNORECASE)
# Each alternative matches once it has begun, if need be to the end of the text as in a browser, and
# none has a choice to come back to: the time is linear.
_TAG = re.compile(
    r"""
    <!--(?:-?>|.*?(?:--!?>|\Z))
    | <(iframe|noembed|noframes|script|style|template|title)(?=[\s/>])
      .*?(?:</\1(?=[\s/>])|\Z)[^>]*>?
    | <(?P<name>/?[a-z][^\s/>]*)
      (?P<rest>(?:[^>=]++|=(?:\s*+(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z)))?+)*+)(?:>|\Z)
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_ALT = re.compile(r"""[\s/"']alt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))""", re.IGNORECASE)
# The parser takes longer to begin than a message to be read. Of these, which most messages consist
# of, it makes nothing that is not there already: they nest nothing, and any `</p>` ends a line.
_SIMPLE_TAG = re.compile("<(/?p|br|/?(?:a|b|em|i|span|strong|u))>")
_SIMPLE = re.compile(rf"(?:[^<&]++|&(?:amp|lt|gt|quot|nbsp|#39);|{_SIMPLE_TAG.pattern})*+")
_BLANKS = re.compile(r"[ \t\n\f\r]+")


def storable(text: str) -> str:
    """The text with NULs and lone surrogates, which no database takes, replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(body: bytes) -> bytes:
    """The JSON with lone surrogates, as of an emoji cut in two, replaced; ValueError if it is none.

    Strict readers refuse the whole of a body for one of them.
    """
    try:
        return storable(json.dumps(json.loads(body), ensure_ascii=False)).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def from_html(html: str) -> str:
    """What a browser shows of a fragment, in lines; a text without markup stays as it is.

    Items of lists begin with `- `, and an image is its alternative text in brackets.
    """
    if not _has_markup(html):
        return html
    bare = _TAG.sub(_bare, storable(html))
    if bare.count("<") > MOST_TAGS:
        bare = _TAG.sub(_flat, bare)
    is_simple = _SIMPLE.fullmatch(bare) is not None
    lines = _Lines()
    for tag, text in _split(bare) if is_simple else _walk(_parse(bare)):
        lines.take(tag, text)
    return lines.text()


def _has_markup(html: str) -> bool:
    tag = _MARKUP.search(html)
    if tag is not None and html.find(">", tag.end()) >= 0:
        return True
    # `unescape` would stumble over a number of thousands of digits.
    return _NUMBERED.search(html) is not None or unescape(html) != html


def _bare(found: re.Match[str]) -> str:
    """A tag without attributes, whose number costs its square too, and an image as text."""
    name = found["name"]
    if name is None:
        return NOTHING
    if not found[0].endswith(">"):
        return ""
    if name.lower() != "img":
        return f"<{name}>"
    alt = _ALT.search(found["rest"])
    text = next((one for one in alt.groups() if one), "") if alt else ""
    return f"[{text.strip().replace('<', '&lt;') or 'image'}]"


def _flat(found: re.Match[str]) -> str:
    """What nests nothing, and about the same lines."""
    tag = (found["name"] or "").lower()
    if tag == "li":
        return "<br>- "
    if _CELL.fullmatch(tag):
        return " "
    return "<br>" if tag == "br" or _BLOCK.fullmatch(tag) else NOTHING


def _split(html: str) -> Iterator[tuple[str, str]]:
    """The same as `_walk`, where all is simple."""
    for position, piece in enumerate(_SIMPLE_TAG.split(html)):
        yield (piece, "") if position % 2 else ("-text", unescape(piece))


def _parse(html: str) -> LexborNode | None:
    return LexborHTMLParser(html, is_fragment=True).root


def _walk(node: LexborNode | None) -> Iterator[tuple[str, str]]:
    """Tags as they open and (`/p`) close, and texts as `-text`; from a node on."""
    while node is not None:
        tag = node.tag or ""
        yield tag, node.text_content or ""
        below = node.first_child
        while below is None and node is not None:
            yield f"/{node.tag}", ""
            below = node.next
            node = node.parent if below is None else node
        node = below


class _Lines:
    """Lines of text, of pieces between tags."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._pieces: list[str] = []
        self._bullet = ""  #: for the next line that is not blank
        self._pre = 0  #: elements around that keep line breaks

    def take(self, tag: str, text: str) -> None:
        if tag == "-text":
            self._add(text)
        elif tag == "br":
            self._end(keeps_blank=True)
        elif _CELL.fullmatch(tag):
            self._pieces.append(" ")
        elif _BLOCK.fullmatch(tag):
            self._end(keeps_blank=False)
        if tag in {"li", "/li"}:
            self._bullet = "- " if tag == "li" else ""
        elif tag in {"pre", "/pre"}:
            self._pre += 1 if tag == "pre" else -1

    def text(self) -> str:
        """All of it, without blank lines around."""
        self._end(keeps_blank=False)
        return "\n".join(self._done).rstrip("\n")

    def _add(self, text: str) -> None:
        if not self._pre:
            self._pieces.append(text)
            return
        first, *others = text.split("\n")
        self._pieces.append(first)
        for line in others:
            self._end(keeps_blank=True)
            self._pieces.append(line)

    def _end(self, *, keeps_blank: bool) -> None:
        """End a line. Blank ones are kept when asked, or made of no-break spaces; one of many."""
        shown = _BLANKS.sub(" ", "".join(self._pieces)).strip(" ")
        self._pieces.clear()
        if line := shown.strip():
            self._done.append(self._bullet + line)
            self._bullet = ""
        elif (keeps_blank or shown) and self._done and self._done[-1]:
            self._done.append("")
