from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from deskwire.store import schema, tables
from deskwire.store.db import Connection, Database


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether the metadata should know it: the search index is SQLite's own."""
    return kind != "table" or not str(name).startswith("search")


def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")

    assert schema.upgrade(database) == (None, schema.newest())
    assert schema.upgrade(database) == (schema.newest(), schema.newest())

    def difference(connection: Connection) -> object:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": is_ours}
        )
        return compare_metadata(context, tables.metadata)

    assert database.read(difference) == []
    database.close()
