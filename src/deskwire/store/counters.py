"""Counters: numbers that steps take one after another, without gaps."""

from __future__ import annotations

from sqlalchemy import Connection, or_, update

from deskwire.store import tables
from deskwire.store.upserts import insert

N = tables.counters


def take(
    connection: Connection, workspace: str, destination: str, name: str, holder: str
) -> int | None:
    """The next number, for the conversation whose step takes it; None: another one has it now."""
    key = {"workspace": workspace, "destination": destination, "name": name}
    connection.execute(insert(N).values(**key, last=0).on_conflict_do_nothing())
    last = connection.execute(
        update(N)
        .where(
            *(N.c[column] == value for column, value in key.items()),
            or_(N.c.holder.is_(None), N.c.holder == holder),
        )
        .values(holder=holder)
        .returning(N.c.last)
    ).scalar()
    return None if last is None else int(last) + 1


def give_back(connection: Connection, workspace: str, destination: str, holder: str) -> None:
    """Let the next one have the number: nothing came of the step."""
    _free(connection, workspace, destination, holder, {"holder": None})


def confirm(
    connection: Connection, workspace: str, destination: str, holder: str, number: int
) -> None:
    """The step took this number; the next one may have its own."""
    _free(connection, workspace, destination, holder, {"holder": None, "last": number})


def _free(
    connection: Connection,
    workspace: str,
    destination: str,
    holder: str,
    values: dict[str, object],
) -> None:
    connection.execute(
        update(N)
        .where(N.c.workspace == workspace, N.c.destination == destination, N.c.holder == holder)
        .values(values)
    )
