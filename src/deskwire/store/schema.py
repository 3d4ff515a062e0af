"""The schema's version: brought up to date by Alembic, which is loaded only when it is needed."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from deskwire.core.view import view
from deskwire.store import agents, conversations, derived, numbers
from deskwire.store.db import Database

#: Conversations that are derived anew in one write.
AT_ONCE = 20
MIGRATIONS = Path(__file__).parent / "migrations"


def newest() -> str:
    """The revision that this version of deskwire works with: the last file's number."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def current(connection: Connection) -> str | None:
    """The revision that the database has; None: it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(database: Database) -> tuple[str | None, str]:
    """Bring the schema up to date; the revisions before and after."""
    before = database.read(current)
    if before != newest():
        database.write(_upgrade)
    while database.write(_derive_some):
        pass
    return before, newest()


def _upgrade(connection: Connection) -> None:
    """In one transaction: a kill in the middle leaves the schema as it was."""
    _migrate(connection)
    agents.number_all(connection)


def _derive_some(connection: Connection) -> int:
    """Derive anew what an older version derived; how many conversations."""
    outdated = derived.outdated(connection, AT_ONCE)
    for workspace, conversation_id in outdated:
        stored = conversations.load(connection, workspace, conversation_id)
        assert stored is not None
        for agent in stored.facts.people():
            numbers.meet(connection, workspace, stored.origin.account, agent)
        seen = view(stored.facts, stored.origin, {})
        derived.derive(connection, workspace, conversation_id, stored.rows, seen)
    return len(outdated)


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - half of the start-up time, needed once a release
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
