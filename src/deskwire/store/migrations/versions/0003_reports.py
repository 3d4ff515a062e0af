"""What reports count by: responses, customers, topics, spellings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Columns are added one by one: a copy of the table would cascade to its children."""
    for column in (
        sa.Column("responses", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("channel_key", sa.Text(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("agent", sa.String(length=255), nullable=True),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("reopens", sa.Integer(), nullable=True),
        sa.Column("rating", sa.Float(), nullable=True),
        sa.Column("rating_min", sa.Float(), nullable=True),
        sa.Column("rating_max", sa.Float(), nullable=True),
        sa.Column("rated_at", sa.BigInteger(), nullable=True),
        sa.Column("is_withdrawn", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("conversations", column)
    for instant in ("ended_at", "handle_started_at", "rated_at"):
        op.create_index(f"ix_conversations_{instant}", "conversations", ["workspace", instant])
    op.create_index(
        "ix_conversations_of_customer", "conversations", ["workspace", "account", "customer"]
    )
    op.add_column("segments", sa.Column("previous_agent", sa.String(length=255), nullable=True))
    op.create_index("ix_segments_to_at", "segments", ["workspace", "to_at"])
    _responses()
    op.create_table(
        "customers",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("stamps", sa.Text(), nullable=True),
        sa.Column("role", sa.String(length=10), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("type_key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "account", "external_id", name=op.f("pk_customers")),
    )
    op.create_table(
        "topics",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "from_at", name=op.f("pk_topics")),
    )
    op.create_table(
        "spellings",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", "key", name=op.f("pk_spellings")),
    )


def _responses() -> None:
    op.create_table(
        "responses",
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("agent", sa.String(length=255), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "conversation_id", "position", name=op.f("pk_responses")
        ),
        sa.ForeignKeyConstraint(
            ["workspace", "conversation_id"],
            ["conversations.workspace", "conversations.id"],
            name=op.f("fk_responses_conversations"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_responses_answered_at", "responses", ["workspace", "answered_at"])
