"""Text that any database and any JSON can hold."""

from __future__ import annotations

import json
import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


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
