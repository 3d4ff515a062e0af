"""The tables. Instants are integer microseconds UTC; every key starts with the workspace."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _workspace() -> Column[str]:
    return Column("workspace", String(64), nullable=False)


def _instant(name: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _stamp() -> list[Column[int] | Column[str]]:
    """The stamp of a row's fields; `stamps` (JSON) has the fields with another one."""
    return [
        Column("as_of", BigInteger, nullable=False),
        Column("received_at", BigInteger, nullable=False),
        Column("record", String(32), nullable=False),
        Column("position", Integer, nullable=False),
        Column("stamps", Text),
    ]


def _of_conversation() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["workspace", "conversation_id"],
        ["conversations.workspace", "conversations.id"],
        ondelete="CASCADE",
    )


records = Table(
    "records",
    metadata,
    _workspace(),
    Column("id", String(32), nullable=False),
    Column("source", String(100), nullable=False),
    Column("account", String(100), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("origin", Text, nullable=False),
    _instant("received_at", nullable=False),
    Column("dedupe_key", String(100)),
    Column("body", LargeBinary, nullable=False),  # zlib
    PrimaryKeyConstraint("workspace", "id"),
    UniqueConstraint("workspace", "source", "dedupe_key"),
    Index(None, "workspace", "source", "received_at"),
)

conversations = Table(
    "conversations",
    metadata,
    _workspace(),
    Column("id", String(36), nullable=False),
    Column("source", String(100), nullable=False),
    Column("provider", String(50), nullable=False),
    Column("account", String(100), nullable=False),
    Column("external_id", String(255), nullable=False),
    Column("version", Integer, nullable=False),
    _instant("created_at", nullable=False),  # first heard of; our clock
    Column("status", String(10), nullable=False),
    _instant("started_at", nullable=False),
    _instant("ended_at"),
    _instant("updated_at", nullable=False),
    Column("message_count", Integer, nullable=False),
    Column("head", Text, nullable=False),  # JSON of Item[Head]
    Column("tags", Text, nullable=False),  # JSON of dict[str, Item[Entry]]
    Column("attributes", Text, nullable=False),
    Column("is_erased", Boolean(create_constraint=False), nullable=False),
    PrimaryKeyConstraint("workspace", "id"),
    UniqueConstraint("workspace", "account", "external_id"),
)

record_conversations = Table(
    "record_conversations",
    metadata,
    _workspace(),
    Column("record_id", String(32), nullable=False),
    Column("conversation_id", String(36), nullable=False),
    Column("at", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "record_id", "conversation_id", "at"),
    ForeignKeyConstraint(["workspace", "record_id"], ["records.workspace", "records.id"]),
    _of_conversation(),
    Index(None, "workspace", "conversation_id"),
)

set_aside = Table(
    "set_aside",
    metadata,
    _workspace(),
    Column("record_id", String(32), nullable=False),
    Column("at", Text, nullable=False),
    Column("source", String(100), nullable=False),
    Column("external_id", String(255)),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "record_id", "at"),
    ForeignKeyConstraint(["workspace", "record_id"], ["records.workspace", "records.id"]),
    Index(None, "workspace", "source", "external_id"),
)

participants = Table(
    "participants",
    metadata,
    _workspace(),
    Column("conversation_id", String(36), nullable=False),
    Column("external_id", String(255), nullable=False),
    *_stamp(),
    Column("role", String(10)),
    Column("name", Text),
    Column("email", Text),
    PrimaryKeyConstraint("workspace", "conversation_id", "external_id"),
    _of_conversation(),
)

messages = Table(
    "messages",
    metadata,
    _workspace(),
    Column("conversation_id", String(36), nullable=False),
    Column("external_id", String(255), nullable=False),
    *_stamp(),
    Column("author", String(255)),
    Column("author_role", String(10)),
    _instant("sent_at"),
    Column("text", Text),
    Column("kind", String(10)),
    Column("attachments", Text),
    Column("redacted", Boolean(create_constraint=False)),
    Column("deleted", Boolean(create_constraint=False)),
    PrimaryKeyConstraint("workspace", "conversation_id", "external_id"),
    _of_conversation(),
)

assignments = Table(
    "assignments",
    metadata,
    _workspace(),
    Column("conversation_id", String(36), nullable=False),
    Column("external_id", String(255), nullable=False),
    *_stamp(),
    Column("agent", String(255)),
    Column("previous_agent", String(255)),
    Column("team", Text),
    _instant("from_at"),
    Column("initial", Boolean(create_constraint=False), nullable=False),
    PrimaryKeyConstraint("workspace", "conversation_id", "external_id"),
    _of_conversation(),
    Index(None, "workspace", "agent"),
)

agents = Table(
    "agents",
    metadata,
    _workspace(),
    Column("account", String(100), nullable=False),
    Column("external_id", String(255), nullable=False),
    *_stamp(),
    Column("role", String(10)),
    Column("name", Text),
    Column("email", Text),
    PrimaryKeyConstraint("workspace", "account", "external_id"),
)

sources = Table(
    "sources",
    metadata,
    _workspace(),
    Column("name", String(100), nullable=False),
    Column("cursor", Text),
    _instant("polled_at"),  # the last poll that went well
    _instant("failed_at"),  # the last that did not
    Column("failures", Integer, nullable=False),  # since the last that went well
    Column("last_error", Text),
    PrimaryKeyConstraint("workspace", "name"),
)

destinations = Table(
    "destinations",
    metadata,
    _workspace(),
    Column("name", String(100), nullable=False),
    Column("failures", Integer, nullable=False),  # in a row; the breaker counts them
    _instant("not_before", nullable=False),  # nothing is sent earlier: breaker or Retry-After
    _instant("confirmed_at"),
    _instant("failed_at"),
    Column("last_error", Text),
    PrimaryKeyConstraint("workspace", "name"),
)

work = Table(
    "work",
    metadata,
    _workspace(),
    Column("kind", String(10), nullable=False),
    Column("target", String(100), nullable=False),  # the source or destination it is for
    Column("key", String(255), nullable=False),
    Column("seq", Integer, nullable=False),
    _instant("marked_at", nullable=False),
    _instant("due_at", nullable=False),
    Column("attempts", Integer, nullable=False),
    _instant("failing_since"),
    _instant("dead_at"),
    Column("lease_id", String(36)),
    _instant("lease_until"),
    Column("host", String(255)),
    Column("pid", Integer),
    Column("last_error", Text),
    PrimaryKeyConstraint("workspace", "kind", "target", "key"),
    Index(None, "kind", "target", "due_at"),
    Index(None, "lease_id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    _workspace(),
    Column("destination", String(100), nullable=False),
    Column("conversation_id", String(36), nullable=False),
    Column("intent", Text),  # JSON of a Step that was begun and whose end is not known
    _instant("settle_until"),  # when to look what became of it
    Column("patience", BigInteger, nullable=False),  # µs that the begun call may take
    # Read back all of it first.
    Column("verify", Boolean(create_constraint=False), nullable=False, server_default=false()),
    Column("differs", Text),  # what cannot be delivered any more, for people
    _instant("delivered_at"),
    PrimaryKeyConstraint("workspace", "destination", "conversation_id"),
    _of_conversation(),
)

ledger = Table(
    "ledger",
    metadata,
    _workspace(),
    Column("destination", String(100), nullable=False),
    Column("conversation_id", String(36), nullable=False),  # empty: of the whole destination
    Column("key", String(300), nullable=False),
    Column("remote_id", String(255)),
    Column("payload", Text, nullable=False),
    Column("note", Text),
    Column("refused", Text),
    _instant("at", nullable=False),
    PrimaryKeyConstraint("workspace", "destination", "conversation_id", "key"),
)

attempts = Table(
    "attempts",
    metadata,
    _workspace(),
    Column("destination", String(100), nullable=False),
    Column("conversation_id", String(36), nullable=False),
    _instant("at", nullable=False),
    Column("action", String(30), nullable=False),
    Column("key", String(300), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("detail", Text),
    Column("milliseconds", Integer, nullable=False),
    _of_conversation(),
    Index(None, "workspace", "conversation_id", "at"),
)
