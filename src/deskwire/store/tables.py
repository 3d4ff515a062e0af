"""The tables. Instants are integer microseconds UTC; every key starts with the workspace."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from deskwire.store.columns import instant, metadata, of_conversation, stamp, workspace
from deskwire.store.tables_of_work import (
    attempts,
    counters,
    deliveries,
    destinations,
    ledger,
    sources,
    work,
)

__all__ = [
    "agent_numbers",
    "agent_redirects",
    "agents",
    "assignments",
    "attempts",
    "conversations",
    "counters",
    "customers",
    "deliveries",
    "destinations",
    "ledger",
    "messages",
    "metadata",
    "participants",
    "record_conversations",
    "records",
    "responses",
    "segments",
    "set_aside",
    "sources",
    "spellings",
    "topics",
    "work",
]

records = Table(
    "records",
    metadata,
    workspace(),
    Column("id", String(32), nullable=False),
    Column("source", String(100), nullable=False),
    Column("account", String(100), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("origin", Text, nullable=False),
    instant("received_at", nullable=False),
    Column("dedupe_key", String(100)),
    Column("body", LargeBinary, nullable=False),  # zlib
    PrimaryKeyConstraint("workspace", "id"),
    UniqueConstraint("workspace", "source", "dedupe_key"),
    Index(None, "workspace", "source", "received_at"),
)

conversations = Table(
    "conversations",
    metadata,
    workspace(),
    Column("id", String(36), nullable=False),
    Column("source", String(100), nullable=False),
    Column("provider", String(50), nullable=False),
    Column("account", String(100), nullable=False),
    Column("external_id", String(255), nullable=False),
    Column("version", Integer, nullable=False),
    instant("created_at", nullable=False),  # first heard of; our clock
    Column("status", String(10), nullable=False),
    instant("started_at", nullable=False),
    instant("ended_at"),
    instant("updated_at", nullable=False),
    Column("message_count", Integer, nullable=False),
    Column("head", Text, nullable=False),  # JSON of Item[Head]
    Column("tags", Text, nullable=False),  # JSON of dict[str, Item[Entry]]
    Column("attributes", Text, nullable=False),
    Column("is_erased", Boolean(create_constraint=False), nullable=False),
    # By which people know it; None: only its ids.
    Column("number", Integer),
    # From here on derived from the facts, to be listed, searched and counted by.
    Column("channel", Text),
    Column("customer", String(255)),  # the provider's id
    Column("customer_name", Text),
    Column("customer_email", Text),
    instant("handle_started_at"),
    Column("participant_count", Integer, nullable=False, server_default="0"),
    instant("last_message_at"),
    Column("preview", Text),  # the beginning of the last message
    Column("segments", Text, nullable=False, server_default="[]"),  # JSON of its rows there
    Column("responses", Text, nullable=False, server_default="[]"),  # the same
    Column("channel_key", Text),  # case-folded; how it is spelt is in `spellings`
    Column("topic", Text),  # its own; without one its month's counts
    Column("agent", String(255)),  # who had it last
    Column("team", Text),
    Column("reopens", Integer),
    Column("rating", Float),
    Column("rating_min", Float),
    Column("rating_max", Float),
    instant("rated_at"),
    Column(
        "is_withdrawn", Boolean(create_constraint=False), nullable=False, server_default=false()
    ),
    # Which version of the code derived these; an older one's are derived again.
    Column("derived_by", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("workspace", "id"),
    UniqueConstraint("workspace", "account", "external_id"),
    Index("ix_conversations_number", "workspace", "number", unique=True),
    # The order of lists, and what they are filtered by: only what is listed is read, of 2 KB each.
    Index(
        "ix_conversations_list",
        *("workspace", "started_at", "created_at", "id"),
        *("provider", "source", "channel", "status"),
        *("customer", "customer_email", "customer_name"),
    ),
    Index("ix_conversations_derived_by", "derived_by"),
    Index("ix_conversations_ended_at", "workspace", "ended_at"),
    Index("ix_conversations_handle_started_at", "workspace", "handle_started_at"),
    Index("ix_conversations_rated_at", "workspace", "rated_at"),
    Index("ix_conversations_of_customer", "workspace", "account", "customer"),
)

segments = Table(
    "segments",  # who had a conversation when: its assignments as the view has them
    metadata,
    workspace(),
    Column("conversation_id", String(36), nullable=False),
    Column("position", Integer, nullable=False),
    Column("account", String(100), nullable=False),
    Column("agent", String(255)),  # the provider's id; None: unassigned, or only a team
    Column("previous_agent", String(255)),  # from whom it was taken over; None: from nobody
    Column("team", Text),
    instant("from_at", nullable=False),
    instant("to_at"),  # None while it lasts
    PrimaryKeyConstraint("workspace", "conversation_id", "position"),
    of_conversation(),
    # All that reports read: they go through all of it.
    Index(
        "ix_segments_agent",
        *("workspace", "account", "agent"),
        *("conversation_id", "from_at", "to_at"),
    ),
    Index("ix_segments_to_at", "workspace", "to_at"),
)

responses = Table(
    "responses",  # a customer's waits that an agent's message ended; the first is number 0
    metadata,
    workspace(),
    Column("conversation_id", String(36), nullable=False),
    Column("position", Integer, nullable=False),
    Column("account", String(100), nullable=False),
    Column("agent", String(255), nullable=False),
    instant("asked_at", nullable=False),
    instant("answered_at", nullable=False),
    PrimaryKeyConstraint("workspace", "conversation_id", "position"),
    of_conversation(),
    Index("ix_responses_answered_at", "workspace", "answered_at"),
)

customers = Table(
    "customers",  # what is known of customers beside their conversations
    metadata,
    workspace(),
    Column("account", String(100), nullable=False),
    Column("external_id", String(255), nullable=False),
    *stamp(),
    Column("role", String(10)),
    Column("name", Text),
    Column("email", Text),
    Column("attributes", Text, nullable=False),  # JSON of dict[str, Item[Entry]]
    Column("type", Text),  # the attribute
    Column("type_key", Text),  # case-folded; how it is spelt is in `spellings`
    PrimaryKeyConstraint("workspace", "account", "external_id"),
)

topics = Table(
    "topics",  # what conversations that began in a stretch of time were about
    metadata,
    workspace(),
    instant("from_at", nullable=False),
    instant("to_at", nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("topic", Text),
    PrimaryKeyConstraint("workspace", "from_at"),
)

spellings = Table(
    "spellings",  # how words that differ in case only are shown: as they were spelt first
    metadata,
    workspace(),
    Column("kind", String(20), nullable=False),  # channel, customer_type
    Column("key", String(255), nullable=False),  # case-folded
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),  # the first that was met is number 0
    PrimaryKeyConstraint("workspace", "kind", "key"),
)

record_conversations = Table(
    "record_conversations",
    metadata,
    workspace(),
    Column("record_id", String(32), nullable=False),
    Column("conversation_id", String(36), nullable=False),
    Column("at", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "record_id", "conversation_id", "at"),
    ForeignKeyConstraint(["workspace", "record_id"], ["records.workspace", "records.id"]),
    of_conversation(),
    Index(None, "workspace", "conversation_id"),
)

set_aside = Table(
    "set_aside",
    metadata,
    workspace(),
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
    workspace(),
    Column("conversation_id", String(36), nullable=False),
    Column("external_id", String(255), nullable=False),
    *stamp(),
    Column("role", String(10)),
    Column("name", Text),
    Column("email", Text),
    PrimaryKeyConstraint("workspace", "conversation_id", "external_id"),
    of_conversation(),
)

messages = Table(
    "messages",
    metadata,
    workspace(),
    Column("conversation_id", String(36), nullable=False),
    Column("external_id", String(255), nullable=False),
    *stamp(),
    Column("author", String(255)),
    Column("author_role", String(10)),
    instant("sent_at"),
    Column("text", Text),
    Column("kind", String(10)),
    Column("attachments", Text),
    Column("redacted", Boolean(create_constraint=False)),
    Column("deleted", Boolean(create_constraint=False)),
    PrimaryKeyConstraint("workspace", "conversation_id", "external_id"),
    of_conversation(),
)

assignments = Table(
    "assignments",
    metadata,
    workspace(),
    Column("conversation_id", String(36), nullable=False),
    Column("external_id", String(255), nullable=False),
    *stamp(),
    Column("agent", String(255)),
    Column("previous_agent", String(255)),
    Column("team", Text),
    instant("from_at"),
    Column("initial", Boolean(create_constraint=False), nullable=False),
    PrimaryKeyConstraint("workspace", "conversation_id", "external_id"),
    of_conversation(),
    Index(None, "workspace", "agent"),
)

agents = Table(
    "agents",
    metadata,
    workspace(),
    Column("account", String(100), nullable=False),
    Column("external_id", String(255), nullable=False),
    *stamp(),
    Column("role", String(10)),
    Column("name", Text),
    Column("email", Text),
    Column("email_key", Text),  # case-folded: whoever bears it is one person
    PrimaryKeyConstraint("workspace", "account", "external_id"),
    Index("ix_agents_email_key", "workspace", "email_key"),
)

agent_numbers = Table(
    "agent_numbers",  # every agent that was ever named; one person has one number
    metadata,
    workspace(),
    Column("account", String(100), nullable=False),
    Column("external_id", String(255), nullable=False),
    Column("id", String(36), nullable=False),  # ours
    Column("number", Integer, nullable=False),
    PrimaryKeyConstraint("workspace", "account", "external_id"),
    Index("ix_agent_numbers_id", "workspace", "id", unique=True),
    Index("ix_agent_numbers_number", "workspace", "number"),
)

agent_redirects = Table(
    "agent_redirects",  # numbers of people who turned out to be one with a lower number
    metadata,
    workspace(),
    Column("number", Integer, nullable=False),
    Column("to_number", Integer, nullable=False),
    PrimaryKeyConstraint("workspace", "number"),
)
