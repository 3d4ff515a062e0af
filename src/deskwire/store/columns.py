"""Columns and keys that many tables have."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, MetaData, String, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def workspace() -> Column[str]:
    """The beginning of every key."""
    return Column("workspace", String(64), nullable=False)


def instant(name: str, *, nullable: bool = True) -> Column[int]:
    """µs since 1970 UTC."""
    return Column(name, BigInteger, nullable=nullable)


def stamp() -> list[Column[int] | Column[str]]:
    """The stamp of a row's fields; `stamps` (JSON) has the fields with another one."""
    return [
        Column("as_of", BigInteger, nullable=False),
        Column("received_at", BigInteger, nullable=False),
        Column("record", String(32), nullable=False),
        Column("position", Integer, nullable=False),
        Column("stamps", Text),
    ]


def of_conversation() -> ForeignKeyConstraint:
    """Rows of a conversation go with it."""
    return ForeignKeyConstraint(
        ["workspace", "conversation_id"],
        ["conversations.workspace", "conversations.id"],
        ondelete="CASCADE",
    )
