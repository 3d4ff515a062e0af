"""JSON and rows to typed values, safely from any thread.

msgspec builds what it knows of a type at the type's first use, and crashes the process when two
threads do so at once (0.22: a segmentation fault within seconds of a stress). Here it is built
under a lock, once.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

from deskwire.core.errors import Unreadable
from deskwire.core.text import storable_json

T = TypeVar("T")

_LOCK = threading.Lock()
_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}  # noqa: TID251


def decode(body: bytes | str | msgspec.Raw, kind: type[T]) -> T:
    """JSON as a value of a type; msgspec.DecodeError or UnicodeDecodeError when it is none."""
    value: T = _decoder(kind).decode(body)
    return value


def decode_body(body: bytes, kind: type[T]) -> T:
    """A body that was received, as a value of a type; Unreadable when it is none.

    A lone surrogate costs no more than its character: strict readers refuse the whole for one.
    """
    try:
        try:
            return decode(body, kind)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            return decode(storable_json(body), kind)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not {kind.__name__}: {error}") from error


def convert(value: object, kind: type[T], *, from_attributes: bool = False) -> T:
    """Plain values, or an object's attributes, as a value of a type."""
    _decoder(kind)
    return msgspec.convert(value, kind, from_attributes=from_attributes)  # noqa: TID251 - just here


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401, TID251 - any type
    decoder = _DECODERS.get(kind)
    if decoder is None:
        with _LOCK:
            decoder = _DECODERS.setdefault(kind, msgspec.json.Decoder(kind))  # noqa: TID251
    return decoder
