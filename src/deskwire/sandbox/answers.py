"""Shape HTTP answers as FastAPI services do."""

from collections.abc import Mapping

import msgspec
from aiohttp import web


def as_json(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Any value msgspec can encode, as a JSON answer."""
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def refusal(status: int, detail: str) -> web.Response:
    """`{"detail": …}`."""
    return as_json({"detail": detail}, status)


def crash() -> web.Response:
    """Answer 500 in plain text, as an unhandled error does."""
    return web.Response(text="Internal Server Error", status=500)


def invalid(place: str, field: str | None, message: str, kind: str) -> web.Response:
    """Answer 422 for one field of `place` (body, query or path); no field: the whole of it."""
    loc = [place] if field is None else [place, field]
    return as_json({"detail": [{"loc": loc, "msg": message, "type": kind}]}, 422)
