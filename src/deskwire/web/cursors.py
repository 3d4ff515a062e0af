"""Cursors: the place where a page of a list ends, as a word for whoever asks for the next."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar

import msgspec

from deskwire.core.codec import decode
from deskwire.web.errors import Detail, invalid

Place = TypeVar("Place")


def to_cursor(place: object) -> str:
    """A place, which JSON can tell, as a word."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def from_cursor(cursor: str, kind: type[Place]) -> Place:
    """The place that it was made of; 422 when it was made of none of this kind."""
    try:
        return decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), kind)
    except ValueError as error:
        message = "this is no cursor of ours; begin without one"
        raise invalid([Detail(field="query.cursor", issue="invalid", message=message)]) from error
