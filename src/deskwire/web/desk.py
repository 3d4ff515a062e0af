"""The desk API: OurAPI's contract served by us under /desk, and the routes of who handles chats."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from msgspec import UNSET, UnsetType
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from deskwire.core.instants import rfc3339
from deskwire.core.model import Message
from deskwire.pipeline.desk import Agent, Changes, Chat, Conflict, Desk, NotAllowed, NotThere
from deskwire.pipeline.hub import Hub
from deskwire.store import handling, numbers
from deskwire.store.db import Connection

T = TypeVar("T")
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
MOST_LISTED = 500


def _in_utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
