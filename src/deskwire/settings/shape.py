"""The shape of `deskwire.toml`: its sections, their keys and defaults."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from deskwire.reports import Unanswerable, minutes_of, zone_named


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


def _zone(name: str) -> str:
    try:
        return zone_named(name).key
    except Unanswerable as error:
        raise ValueError(str(error)) from error


def _day(told: list[str]) -> list[str]:
    stretches = sorted(minutes_of(one) for one in told)
    if any(following[0] < one[1] for one, following in pairwise(stretches)):
        raise ValueError(f"the stretches {', '.join(told)} overlap")
    return told


Zone = Annotated[str, AfterValidator(_zone)]
Day = Annotated[list[str], AfterValidator(_day)]


class ReportsSettings(BaseModel):
    """`[reports]`."""

    model_config = ConfigDict(extra="forbid")
    zone: Zone = "UTC"  #: in which days begin, unless a report is asked for another


class ScheduleSettings(BaseModel):
    """`[[schedule]]`: business hours, each day's as `09:00-17:30`."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    zone: Zone = "UTC"
    monday: Day = []
    tuesday: Day = []
    wednesday: Day = []
    thursday: Day = []
    friday: Day = []
    saturday: Day = []
    sunday: Day = []
    holidays: list[date] = []  #: closed all day

    def week(self) -> list[list[str]]:
        """Seven days, Monday first."""
        first_five = [self.monday, self.tuesday, self.wednesday, self.thursday, self.friday]
        return [*first_five, self.saturday, self.sunday]


class Settings(BaseModel):
    """All of `deskwire.toml`."""

    model_config = ConfigDict(extra="forbid")
    store: StoreSettings = StoreSettings()
    server: ServerSettings = ServerSettings()
    reports: ReportsSettings = ReportsSettings()
    schedule: list[ScheduleSettings] = []
    source: list[SourceSettings] = []
    destination: list[DestinationSettings] = []
