"""Records in: kept in the same transaction as the cursor, the work or the answer they belong to."""

from __future__ import annotations

import hashlib
import secrets

from deskwire.core.cards import mask_fields
from deskwire.core.facts import SetAside
from deskwire.core.instants import from_micros
from deskwire.core.provider import Record, RecordKind
from deskwire.pipeline.hub import Source
from deskwire.store import records, work
from deskwire.store.db import Connection


def new_record(source: Source, kind: RecordKind, origin: str, body: bytes, now: int) -> Record:
    """A record of something that was received just now; its id sorts by time.

    Card numbers that people wrote are masked: they get no further than here.
    """
    provider = source.provider
    return Record(
        id=f"{now:016x}{secrets.token_hex(8)}",
        source=source.name,
        account=source.account,
        kind=kind,
        origin=origin,
        received_at=from_micros(now),
        body=mask_fields(body, provider.text_fields, provider.html_fields),
    )


def accept(connection: Connection, now: int, source: Source, record: Record) -> None:
    """Keep a record and have it normalised."""
    records.keep(connection, source.workspace, record)
    work.mark(connection, now, source.workspace, "normalise", source.name, record.id)


def keep_unreadable(source: Source, record: Record, reason: str, connection: Connection) -> None:
    """Keep, once, an answer that is not what the contract says, so that a person can see it."""
    digest = hashlib.sha256(record.body).hexdigest()
    if records.keep(connection, source.workspace, record, dedupe_key=f"unreadable:{digest}"):
        places = [SetAside(at="", reason=reason)]
        records.replace_set_aside(connection, source.workspace, record, places)
