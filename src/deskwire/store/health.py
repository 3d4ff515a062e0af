"""How sources and destinations fare: cursors, failures in a row, when to go on."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, select

from deskwire.core.codec import convert
from deskwire.store import tables
from deskwire.store.upserts import upsert

S, D = tables.sources, tables.destinations


class SourceHealth(Struct, frozen=True, kw_only=True):
    """How polling a source goes; instants in µs."""

    name: str
    cursor: str | None = None
    polled_at: int | None = None
    failed_at: int | None = None
    failures: int = 0
    last_error: str | None = None


class DestinationHealth(Struct, frozen=True, kw_only=True):
    """How sending to a destination goes; instants in µs."""

    name: str
    failures: int = 0
    not_before: int = 0
    confirmed_at: int | None = None
    failed_at: int | None = None
    last_error: str | None = None


def source(connection: Connection, workspace: str, name: str) -> SourceHealth:
    """How a source fares; a new one stands at the beginning."""
    row = connection.execute(select(S).where(S.c.workspace == workspace, S.c.name == name)).first()
    return convert(row, SourceHealth, from_attributes=True) if row else SourceHealth(name=name)


def destination(connection: Connection, workspace: str, name: str) -> DestinationHealth:
    """How a destination fares."""
    row = connection.execute(select(D).where(D.c.workspace == workspace, D.c.name == name)).first()
    if row is None:
        return DestinationHealth(name=name)
    return convert(row, DestinationHealth, from_attributes=True)


def sources(connection: Connection, workspace: str) -> dict[str, SourceHealth]:
    """How all sources fare that were ever polled."""
    rows = connection.execute(select(S).where(S.c.workspace == workspace))
    return {row.name: convert(row, SourceHealth, from_attributes=True) for row in rows}


def destinations(connection: Connection, workspace: str) -> dict[str, DestinationHealth]:
    """How all destinations fare that were ever sent anything."""
    rows = connection.execute(select(D).where(D.c.workspace == workspace))
    return {row.name: convert(row, DestinationHealth, from_attributes=True) for row in rows}


def save_source(connection: Connection, workspace: str, health: SourceHealth) -> None:
    """Store how a source fares."""
    upsert(connection, S, [{"workspace": workspace, **_columns(health)}])


def save_destination(connection: Connection, workspace: str, health: DestinationHealth) -> None:
    """Store how a destination fares."""
    upsert(connection, D, [{"workspace": workspace, **_columns(health)}])


def _columns(health: SourceHealth | DestinationHealth) -> dict[str, object]:
    return {name: getattr(health, name) for name in health.__struct_fields__}
