"""The web application: health and readiness, and the one place where errors get their shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from deskwire import __version__
from deskwire.core.errors import RetryLater
from deskwire.pipeline.hub import Hub

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def create_app(hub: Hub) -> FastAPI:
    """The application of a hub. It answers to loopback names only: there are no keys yet."""
    # FastAPI's page for /docs loads its script from a CDN.
    app = FastAPI(title="deskwire", version=__version__, docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def only_by_our_name(
        request: Request, go_on: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """A web page that resolves its own name to 127.0.0.1 must not read a local hub."""
        if request.url.hostname not in LOOPBACK:
            return _error(400, "invalid_host", "this hub answers to localhost only")
        return await go_on(request)

    @app.exception_handler(RetryLater)
    async def unavailable(_request: Request, error: RetryLater) -> JSONResponse:
        return _error(503, "unavailable", str(error), {"Retry-After": "1"})

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> JSONResponse:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return _error(error.status_code, code, str(error.detail))

    @app.get("/health")
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        """The database answers, too; 503 when it does not."""
        await hub.read(hub.database.ping)
        return {"status": "ready"}

    return app


def _error(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    body = {"error_code": code, "message": message, "details": None}
    return JSONResponse(body, status_code=status, headers=headers)
