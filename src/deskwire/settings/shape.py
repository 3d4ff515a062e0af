"""The shape of `deskwire.toml`: its sections, their keys and defaults."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class StoreSettings(BaseModel):
    """`[store]`."""

    model_config = ConfigDict(extra="forbid")
    url: str = "sqlite:///deskwire.db"  #: relative paths are beside the configuration file


class ServerSettings(BaseModel):
    """`[server]`."""

    model_config = ConfigDict(extra="forbid")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    max_body_mib: int = Field(default=8, ge=1, le=1024)  #: of one request


class _Named(BaseModel):
    """What sources and destinations have in common; further keys belong to their kind."""

    model_config = ConfigDict(extra="allow")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    workspace: str = Field(default="main", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    base_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    user: str | None = None
    token: str | None = None
    paused: bool = False
    timeout_seconds: float = Field(default=2.0, gt=0, le=60)  #: of one call


class SourceSettings(_Named):
    """`[[source]]`: an account of a provider."""

    provider: str
    account: str | None = None  #: half of a conversation's identity; None: the source's name
    poll_every_seconds: float = Field(default=10.0, ge=0.1, le=86400)
    destinations: list[str] = []


class DestinationSettings(_Named):
    """`[[destination]]`: a system that is kept in step."""

    kind: str
    concurrency: int = Field(default=1, ge=1, le=64)  #: calls at once, over all processes
    notes: bool = False  #: whether internal notes leave
    external_id_prefix: str | dict[str, str] = ""  #: for all sources, or by source
    settle_seconds: float = Field(default=6.0, ge=0, le=600)  #: from an unclear call to the look
    url: str = Field(default="", pattern=r"^(https?://\S+)?$")  #: where all is posted to
    directory: str = ""  #: where files are written; a relative path is beside the file
    headers: dict[str, str] = {}  #: sent with every call
    only: dict[Literal["channel", "tag"], list[str]] = {}  #: what leaves; empty: all
    on_unknown: Literal["retry", "park"] = "retry"  #: where nobody can look what a call did
    quiet_seconds: float = Field(default=30.0, ge=0, le=86400)  #: after an end, before it is sent
    deliver_from: date | datetime | None = None  #: what ended before it is not sent
    again: bool = False  #: whether a conversation that ends again is sent again


class Settings(BaseModel):
    """All of `deskwire.toml`."""

    model_config = ConfigDict(extra="forbid")
    store: StoreSettings = StoreSettings()
    server: ServerSettings = ServerSettings()
    source: list[SourceSettings] = []
    destination: list[DestinationSettings] = []
