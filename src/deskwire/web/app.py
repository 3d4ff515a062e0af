"""The web application: health and readiness, and the one place where errors get their shape."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from deskwire import __version__
from deskwire.core.errors import RetryLater
from deskwire.pipeline.hub import Hub

LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]


def create_app(hub: Hub) -> FastAPI:
    """The application of a hub. It answers to loopback names only: there are no keys yet."""
    app = FastAPI(title="deskwire", version=__version__, redoc_url=None)
    # A web page that resolves its own name to 127.0.0.1 must not read a local hub.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK, www_redirect=False)

    @app.exception_handler(RetryLater)
    async def unavailable(_request: Request, error: RetryLater) -> JSONResponse:
        body = {"error_code": "unavailable", "message": str(error), "details": None}
        return JSONResponse(body, status_code=503, headers={"Retry-After": "1"})

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
