"""The web application: its routes, and what stands before all of them."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, ConfigDict

from deskwire import __version__
from deskwire.pipeline.hub import Hub
from deskwire.web import api, desk, errors, ingest, interactions, reports, upload
from deskwire.web.limits import Limits

MIB = 1 << 20


def create_app(hub: Hub, max_body_mib: int = 8) -> FastAPI:
    """The application of a hub. It answers to loopback names only: there are no keys yet."""
    app = FastAPI(
        title="deskwire",
        summary="Support conversations from any desk, in one model.",
        version=__version__,
        docs_url=None,  # its page loads a script from a CDN
        redoc_url=None,
        redirect_slashes=False,
        responses=errors.answers(*errors.ANYWHERE),
    )
    errors.add_handlers(app)
    app.add_middleware(Limits, max_body_bytes=max_body_mib * MIB)
    app.add_middleware(errors.Unexpected)  # the last that is added is the first that is asked
    ingest.add_to(app, hub)
    app.include_router(upload.router(hub))
    app.include_router(api.router(hub))
    app.include_router(reports.router(hub))
    app.include_router(desk.router(hub))
    app.include_router(interactions.router(hub))
    app.include_router(_state(hub))
    return app


class Health(BaseModel):
    """The process answers."""

    model_config = ConfigDict(extra="forbid")
    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """The database answers."""

    model_config = ConfigDict(extra="forbid")
    status: Literal["ready"] = "ready"


def _state(hub: Hub) -> APIRouter:
    router = APIRouter(tags=["state"])

    @router.get("/health", summary="Whether the process answers")
    async def health() -> Health:
        return Health()

    @router.get(
        "/ready", summary="Whether the database answers, too", responses=errors.answers(503)
    )
    async def ready() -> Ready:
        await hub.read(hub.database.ping)
        return Ready()

    return router
