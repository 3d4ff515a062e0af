"""The tables of what is under way: sources, destinations, work, deliveries."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    false,
)

from deskwire.store.columns import instant, metadata, of_conversation, workspace

sources = Table(
    "sources",
    metadata,
    workspace(),
    Column("name", String(100), nullable=False),
    Column("cursor", Text),
    instant("polled_at"),  # the last poll that went well
    instant("failed_at"),  # the last that did not
    Column("failures", Integer, nullable=False),  # since the last that went well
    Column("last_error", Text),
    PrimaryKeyConstraint("workspace", "name"),
)

destinations = Table(
    "destinations",
    metadata,
    workspace(),
    Column("name", String(100), nullable=False),
    Column("failures", Integer, nullable=False),  # in a row; the breaker counts them
    instant("not_before", nullable=False),  # nothing is sent earlier: breaker or Retry-After
    instant("confirmed_at"),
    instant("failed_at"),
    Column("last_error", Text),
    PrimaryKeyConstraint("workspace", "name"),
)

work = Table(
    "work",
    metadata,
    workspace(),
    Column("kind", String(10), nullable=False),
    Column("target", String(100), nullable=False),  # the source or destination it is for
    Column("key", String(255), nullable=False),
    Column("seq", Integer, nullable=False),
    instant("marked_at", nullable=False),
    instant("due_at", nullable=False),
    Column("attempts", Integer, nullable=False),
    instant("failing_since"),
    instant("dead_at"),
    Column("lease_id", String(36)),
    instant("lease_until"),
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
    workspace(),
    Column("destination", String(100), nullable=False),
    Column("conversation_id", String(36), nullable=False),
    Column("intent", Text),  # JSON of a Step that was begun and whose end is not known
    instant("settle_until"),  # when to look what became of it
    Column("patience", BigInteger, nullable=False),  # µs that the begun call may take
    # Read back all of it first.
    Column("verify", Boolean(create_constraint=False), nullable=False, server_default=false()),
    instant("closing"),  # the end that the trigger "ended" fired for; None: it has not
    Column("differs", Text),  # what cannot be delivered any more, for people
    instant("delivered_at"),
    PrimaryKeyConstraint("workspace", "destination", "conversation_id"),
    of_conversation(),
)

ledger = Table(
    "ledger",
    metadata,
    workspace(),
    Column("destination", String(100), nullable=False),
    Column("conversation_id", String(36), nullable=False),  # empty: of the whole destination
    Column("key", String(300), nullable=False),
    Column("remote_id", String(255)),
    Column("payload", Text, nullable=False),
    Column("note", Text),
    Column("refused", Text),
    instant("at", nullable=False),
    PrimaryKeyConstraint("workspace", "destination", "conversation_id", "key"),
)

counters = Table(
    "counters",  # numbers that steps take, as of files in a directory
    metadata,
    workspace(),
    Column("destination", String(100), nullable=False),
    Column("name", String(1000), nullable=False),
    Column("last", Integer, nullable=False),  # the last that was confirmed
    Column("holder", String(36)),  # the conversation whose intent has the next one
    PrimaryKeyConstraint("workspace", "destination", "name"),
)

attempts = Table(
    "attempts",
    metadata,
    workspace(),
    Column("destination", String(100), nullable=False),
    Column("conversation_id", String(36), nullable=False),
    instant("at", nullable=False),
    Column("action", String(30), nullable=False),
    Column("key", String(300), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("detail", Text),
    Column("milliseconds", Integer, nullable=False),
    of_conversation(),
    Index(None, "workspace", "conversation_id", "at"),
)
