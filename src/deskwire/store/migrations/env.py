"""Alembic's entry: runs the migrations on the connection that `store.schema` hands it."""

from __future__ import annotations

from alembic import context

from deskwire.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
