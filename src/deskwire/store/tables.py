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
    # By which people know it; None: only its ids.
    Column("number", Integer),
    # From here on derived from the facts, to be listed, searched and counted by.
    Column("channel", Text),
    Column("customer", String(255)),  # the provider's id
    Column("customer_name", Text),
    Column("customer_email", Text),
    _instant("handle_started_at"),
    Column("participant_count", Integer, nullable=False, server_default="0"),
    _instant("last_message_at"),
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
    _instant("rated_at"),
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
    Index("ix_conversations_of_customer", "workspace", "account", "customer"),
)

segments = Table(
    "segments",  # who had a conversation when: its assignments as the view has them
    metadata,
    _workspace(),
    Column("conversation_id", String(36), nullable=False),
    Column("position", Integer, nullable=False),
    Column("account", String(100), nullable=False),
    Column("agent", String(255)),  # the provider's id; None: unassigned, or only a team
    Column("previous_agent", String(255)),  # from whom it was taken over; None: from nobody
    Column("team", Text),
    _instant("from_at", nullable=False),
    _instant("to_at"),  # None while it lasts
    # Whether the conversation began to be handled, and is over.
    Column("is_handled", Boolean(create_constraint=False), nullable=False),
    PrimaryKeyConstraint("workspace", "conversation_id", "position"),
    _of_conversation(),
    # All that reports read: they go through all of it.
    Index(
        "ix_segments_agent",
        *("workspace", "account", "agent", "is_handled"),
        *("conversation_id", "from_at", "to_at"),
    ),
    Index("ix_segments_to_at", "workspace", "to_at"),
)

responses = Table(
    "responses",  # a customer's waits that an agent's message ended; the first is number 0
    metadata,
    _workspace(),
    Column("conversation_id", String(36), nullable=False),
    Column("position", Integer, nullable=False),
    Column("account", String(100), nullable=False),
    Column("agent", String(255), nullable=False),
    _instant("asked_at", nullable=False),
    _instant("answered_at", nullable=False),
    PrimaryKeyConstraint("workspace", "conversation_id", "position"),
    _of_conversation(),
    Index("ix_responses_answered_at", "workspace", "answered_at"),
)

customers = Table(
    "customers",  # what is known of customers beside their conversations
    metadata,
    _workspace(),
    Column("account", String(100), nullable=False),
    Column("external_id", String(255), nullable=False),
    *_stamp(),
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
    _workspace(),
    _instant("from_at", nullable=False),
    _instant("to_at", nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("topic", Text),
    PrimaryKeyConstraint("workspace", "from_at"),
)

spellings = Table(
    "spellings",  # how words that differ in case only are shown: as they were spelt first
    metadata,
    _workspace(),
    Column("kind", String(20), nullable=False),  # channel, customer_type
    Column("key", String(255), nullable=False),  # case-folded
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),  # the first that was met is number 0
    PrimaryKeyConstraint("workspace", "kind", "key"),
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
    Column("email_key", Text),  # case-folded: whoever bears it is one person
    PrimaryKeyConstraint("workspace", "account", "external_id"),
    Index("ix_agents_email_key", "workspace", "email_key"),
)

agent_numbers = Table(
    "agent_numbers",  # every agent that was ever named; one person has one number
    metadata,
    _workspace(),
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
    _workspace(),
    Column("number", Integer, nullable=False),
    Column("to_number", Integer, nullable=False),
    PrimaryKeyConstraint("workspace", "number"),
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
    _instant("closing"),  # the end that the trigger "ended" fired for; None: it has not
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

counters = Table(
    "counters",  # numbers that steps take, as of files in a directory
    metadata,
    _workspace(),
    Column("destination", String(100), nullable=False),
    Column("name", String(1000), nullable=False),
    Column("last", Integer, nullable=False),  # the last that was confirmed
    Column("holder", String(36)),  # the conversation whose intent has the next one
    PrimaryKeyConstraint("workspace", "destination", "name"),
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
