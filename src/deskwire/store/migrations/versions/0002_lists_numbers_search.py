"""What lists, searches and reports read, numbers of people and chats, and the trigger "ended"."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Columns are added one by one: a copy of the table would cascade to its children."""
    for column in (
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("customer", sa.String(length=255), nullable=True),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("customer_email", sa.Text(), nullable=True),
        sa.Column("handle_started_at", sa.BigInteger(), nullable=True),
        sa.Column("participant_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_message_at", sa.BigInteger(), nullable=True),
        sa.Column("preview", sa.Text(), nullable=True),
        sa.Column("segments", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("derived_by", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("conversations", column)
    op.create_index(
        "ix_conversations_number", "conversations", ["workspace", "number"], unique=True
    )
    op.create_index(
        "ix_conversations_list",
        "conversations",
        [
            *("workspace", "started_at", "created_at", "id"),
            *("provider", "source", "channel", "status"),
            *("customer", "customer_email", "customer_name"),
        ],
    )
    op.create_index("ix_conversations_derived_by", "conversations", ["derived_by"])
    op.add_column("agents", sa.Column("email_key", sa.Text(), nullable=True))
    op.create_index("ix_agents_email_key", "agents", ["workspace", "email_key"])
    op.add_column("deliveries", sa.Column("closing", sa.BigInteger(), nullable=True))
    _tables()
    if op.get_bind().dialect.name == "sqlite":
        _search()


def _tables() -> None:
    op.create_table(
        "segments",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("agent", sa.String(length=255), nullable=True),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(
            "workspace", "conversation_id", "position", name=op.f("pk_segments")
        ),
        sa.ForeignKeyConstraint(
            ["workspace", "conversation_id"],
            ["conversations.workspace", "conversations.id"],
            name=op.f("fk_segments_conversations"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_segments_agent",
        "segments",
        [
            *("workspace", "account", "agent"),
            *("conversation_id", "from_at", "to_at"),
        ],
    )
    op.create_table(
        "agent_numbers",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "account", "external_id", name=op.f("pk_agent_numbers")
        ),
    )
    op.create_index("ix_agent_numbers_id", "agent_numbers", ["workspace", "id"], unique=True)
    op.create_index("ix_agent_numbers_number", "agent_numbers", ["workspace", "number"])
    op.create_table(
        "agent_redirects",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("to_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "number", name=op.f("pk_agent_redirects")),
    )
    op.create_table(
        "counters",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=1000), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "destination", "name", name=op.f("pk_counters")),
    )


def _search() -> None:
    """Full text of the messages. The index holds no text of its own: triggers keep it in step.

    `search_rows` gives each message a row number that stays: those of `messages` may change with
    a VACUUM, as it has no integer key.
    """
    op.execute(
        "CREATE TABLE search_rows (id INTEGER PRIMARY KEY, workspace TEXT NOT NULL, "
        "conversation_id TEXT NOT NULL, external_id TEXT NOT NULL, "
        "UNIQUE (workspace, conversation_id, external_id))"
    )
    op.execute(
        "CREATE VIEW search_texts AS SELECT r.id AS id, "
        "CASE WHEN m.deleted THEN NULL ELSE m.text END AS text FROM search_rows r JOIN messages m "
        "ON m.workspace = r.workspace AND m.conversation_id = r.conversation_id "
        "AND m.external_id = r.external_id"
    )
    op.execute(
        "CREATE VIRTUAL TABLE search USING fts5(text, content='search_texts', content_rowid='id', "
        "tokenize='unicode61 remove_diacritics 2')"
    )
    op.execute(
        "INSERT INTO search_rows (workspace, conversation_id, external_id) "
        "SELECT workspace, conversation_id, external_id FROM messages"
    )
    op.execute("INSERT INTO search (rowid, text) SELECT id, text FROM search_texts")
    op.execute(f"CREATE TRIGGER search_insert AFTER INSERT ON messages BEGIN {_ROW} {_IN} END")
    op.execute(
        "CREATE TRIGGER search_update AFTER UPDATE ON messages "
        f"WHEN {_TEXT_OF.format('old')} IS NOT {_TEXT_OF.format('new')} BEGIN {_OUT} {_IN} END"
    )
    op.execute(
        f"CREATE TRIGGER search_delete AFTER DELETE ON messages BEGIN {_OUT} "
        f"DELETE FROM search_rows WHERE {_IS.format('old')}; END"
    )


_TEXT_OF = "(CASE WHEN {0}.deleted THEN NULL ELSE {0}.text END)"
_IS = (
    "workspace = {0}.workspace AND conversation_id = {0}.conversation_id "
    "AND external_id = {0}.external_id"
)
_ROW = (
    "INSERT INTO search_rows (workspace, conversation_id, external_id) "
    "VALUES (new.workspace, new.conversation_id, new.external_id);"
)
_IN = (
    f"INSERT INTO search (rowid, text) SELECT id, {_TEXT_OF.format('new')} FROM search_rows "
    f"WHERE {_IS.format('new')};"
)
_OUT = (
    "INSERT INTO search (search, rowid, text) "
    f"SELECT 'delete', id, {_TEXT_OF.format('old')} FROM search_rows WHERE {_IS.format('old')};"
)
