"""Numbers of agents: small, counted per workspace, one per person over all accounts."""

from __future__ import annotations

import uuid

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select, update

from deskwire.store import tables
from deskwire.store.upserts import insert

N, R, A = tables.agent_numbers, tables.agent_redirects, tables.agents

# Built once, as it is run for every agent of every conversation that is heard of.
_KNOWN = select(N.c.number).where(
    N.c.workspace == bindparam("a_workspace"),
    N.c.account == bindparam("an_account"),
    N.c.external_id == bindparam("an_external_id"),
)


class Numbered(Struct, frozen=True, kw_only=True):
    """An agent as one account knows them."""

    account: str
    external_id: str
    id: str  #: ours
    number: int  #: of the person, whatever accounts they have


def meet(
    connection: Connection,
    workspace: str,
    account: str,
    external_id: str,
    number: int | None = None,
) -> None:
    """See to it that an agent has a number: the one they are given, unless it is taken."""
    named = {"a_workspace": workspace, "an_account": account, "an_external_id": external_id}
    if connection.execute(_KNOWN, named).first() is not None:
        return
    if number is None or _is_taken(connection, workspace, number):
        number = _next(connection, workspace)
    row = {
        "workspace": workspace,
        "account": account,
        "external_id": external_id,
        "id": _id_of(external_id),
        "number": number,
    }
    connection.execute(insert(N).on_conflict_do_nothing(), row)


def _id_of(external_id: str) -> str:
    """The id that an agent of our own was given, else a new one."""
    try:
        return str(uuid.UUID(external_id))
    except ValueError:
        return str(uuid.uuid4())


def _is_taken(connection: Connection, workspace: str, number: int) -> bool:
    taken = or_(
        select(N.c.number).where(N.c.workspace == workspace, N.c.number == number).exists(),
        select(R.c.number).where(R.c.workspace == workspace, R.c.number == number).exists(),
    )
    return bool(connection.execute(select(taken)).scalar())


def _next(connection: Connection, workspace: str) -> int:
    greatest = [
        connection.execute(select(func.max(table.c.number)).where(table.c.workspace == workspace))
        for table in (N, R)
    ]
    return max(int(found.scalar() or 0) for found in greatest) + 1


def join(connection: Connection, workspace: str, email_key: str) -> None:
    """Whoever bears one e-mail address is one person: the lowest number is theirs."""
    rows = connection.execute(
        select(N.c.number)
        .distinct()
        .join(A, _same())
        .where(N.c.workspace == workspace, A.c.email_key == email_key)
    )
    numbers = sorted(row.number for row in rows)
    for higher in numbers[1:]:
        _redirect(connection, workspace, higher, numbers[0])


def _same() -> ColumnElement[bool]:
    return and_(
        A.c.workspace == N.c.workspace,
        A.c.account == N.c.account,
        A.c.external_id == N.c.external_id,
    )


def _redirect(connection: Connection, workspace: str, number: int, to_number: int) -> None:
    for table, column in ((N, N.c.number), (R, R.c.to_number)):
        connection.execute(
            update(table)
            .where(table.c.workspace == workspace, column == number)
            .values({column.name: to_number})
        )
    row = {"workspace": workspace, "number": number, "to_number": to_number}
    connection.execute(insert(R).on_conflict_do_nothing(), row)


def find(connection: Connection, workspace: str, text: str) -> list[Numbered]:
    """A person as each account knows them, by their number or our id of one of these."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        redirect = select(R.c.to_number).where(R.c.workspace == workspace, R.c.number == int(text))
        number = connection.execute(redirect).scalar() or int(text)
    else:
        by_id = select(N.c.number).where(N.c.workspace == workspace, N.c.id == text)
        number = connection.execute(by_id).scalar()
    return _load(connection, N.c.workspace == workspace, N.c.number == number)


def get(connection: Connection, workspace: str, account: str, external_id: str) -> Numbered | None:
    """An agent as an account knows them; None: it never named them."""
    found = _load(
        connection,
        N.c.workspace == workspace,
        N.c.account == account,
        N.c.external_id == external_id,
    )
    return next(iter(found), None)


def of_account(connection: Connection, workspace: str, account: str) -> list[Numbered]:
    """Every agent of an account, by number."""
    return _load(connection, N.c.workspace == workspace, N.c.account == account)


def names(connection: Connection, workspace: str, number: int | None = None) -> dict[int, str]:
    """The name of every agent, or of one, by number; else their address or the provider's id."""
    wanted = [N.c.workspace == workspace]
    if number is not None:
        wanted.append(N.c.number == number)
    rows = connection.execute(
        select(N.c.number, N.c.external_id, A.c.name, A.c.email)
        .outerjoin(A, _same())
        .where(*wanted)
        .order_by(N.c.number, A.c.name.is_(None), N.c.account, N.c.external_id)
    )
    found: dict[int, str] = {}
    for row in rows:
        found.setdefault(row.number, row.name or row.email or row.external_id)
    return found


def _load(connection: Connection, *wanted: ColumnElement[bool]) -> list[Numbered]:
    rows = connection.execute(
        select(N).where(*wanted).order_by(N.c.number, N.c.account, N.c.external_id)
    )
    return [
        Numbered(account=row.account, external_id=row.external_id, id=row.id, number=row.number)
        for row in rows
    ]
