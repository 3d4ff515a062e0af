"""Importing: conversations of the past, from files, as records like any other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from deskwire import providers
from deskwire.core.errors import GiveUp, Misconfigured
from deskwire.core.facts import ConversationFacts, Said, SetAside
from deskwire.core.provider import Record
from deskwire.pipeline.files import STDIN, Broken, Value, opened, values, whole
from deskwire.pipeline.hub import Hub, Source
from deskwire.pipeline.intake import new_record
from deskwire.pipeline.marking import News, ended_at, mark_deliveries
from deskwire.pipeline.normalise import apply, read
from deskwire.pipeline.noting import Change
from deskwire.store import conversations, records
from deskwire.store.db import Connection

#: What is written in one go: a running hub waits no longer for its turn than this takes.
BATCH = 20
BATCH_BYTES = 1 << 20

T = TypeVar("T")


class Line(Struct, frozen=True, kw_only=True):
    """Something about a row, for whoever imports it."""

    file: str
    sheet: str
    row: int  #: counts from 1
    text: str


class Gone(Struct, frozen=True, kw_only=True):
    """An interaction that its file does not hold any more."""

    started_at: str  #: as the clocks showed it in the source's zone
    customer: str
    channel: str


class Imported(Struct, kw_only=True):
    """What an import came to; the last four are None unless it was one of tables."""

    read: int = 0  #: values; rows of tables, without headers and empty ones
    new: int = 0  #: conversations; a value that speaks of one again counts again
    changed: int = 0  #: of tables, conversations, customers and topics
    unchanged: int = 0
    set_aside: int = 0  #: places
    errors: list[str] = []  #: files that could not be read to their end, and why
    withdrawn: int | None = None  #: conversations
    withdrawn_rows: list[Gone] | None = None
    notes: list[Line] | None = None  #: what was read otherwise than it is written
    set_aside_rows: list[Line] | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """How files are imported."""

    source: Source
    deliver: bool = False
    dry_run: bool = False
    replace: bool = False  #: what the files do not hold any more of their own time is withdrawn

    def __post_init__(self) -> None:
        """Misconfigured when the provider's files say nothing of what they do not hold."""
        if self.replace and self.source.provider.files != "table":
            raise Misconfigured(
                f"--replace is for spreadsheets: a file of {self.source.provider_name} need not "
                "hold all of its time"
            )


class Entry(Struct, frozen=True, kw_only=True):
    """A value on its way into the store."""

    record: Record
    dedupe_key: str
    said: list[Said]

    @property
    def external_ids(self) -> set[str]:
        """Of the conversations that it speaks of."""
        return {one.external_id for one in self.said if isinstance(one, ConversationFacts)}


def source_for(hub: Hub, provider: str, workspace: str | None, name: str | None) -> Source:
    """The source that imports of a provider belong to; Misconfigured when that is not clear.

    By its name; else the one that is named like the provider; else the only one.
    """
    if providers.load(provider).files is None:
        able = [one for one in providers.names() if providers.load(one).files is not None]
        raise Misconfigured(f"{provider} has no files; what can be imported: {', '.join(able)}")
    found = {
        one.name: one
        for one in hub.sources.values()
        if one.provider_name == provider and workspace in {None, one.workspace}
    }
    wanted = name or (provider if provider in found else None)
    if wanted is None and len(found) == 1:
        return next(iter(found.values()))
    if wanted in found:
        return found[wanted]
    where = "" if workspace is None else f" in workspace {workspace}"
    known = ", ".join(found) or "none"
    which = "no source" if name is None else f"no source {name!r}"
    hint = "; say which with --source" if name is None and found else ""
    raise Misconfigured(f"there is {which} of {provider}{where}; there are: {known}{hint}")


def check_files(names: list[str]) -> None:
    """Misconfigured, a line each, when one of the files is not there to be read."""
    faults = []
    for path in (Path(name) for name in names if name != STDIN):
        if not path.exists():
            faults.append(f"{path} is not there")
        elif path.is_dir():
            faults.append(f"{path} is a directory: name the files in it")
        elif not os.access(path, os.R_OK):
            faults.append(f"{path} may not be read")
    if faults:
        raise Misconfigured("\n".join(faults))


def import_files(
    hub: Hub, plan: Plan, names: list[str], progress: Callable[[int], None] = lambda _: None
) -> Imported:
    """Take in files one after another; `progress` is told how many bytes were read.

    A value that was imported before says nothing new.
    """
    imported = Imported(errors=[])
    seen: set[str] | None = set() if plan.dry_run else None
    take = _try_out if plan.dry_run else _take
    for name in names:
        try:
            for batch in _batches(_entries(hub, plan.source, name, progress)):
                taken = hub.database.write(partial(take, plan, hub.now(), batch))
                for one, changes in zip(batch, taken, strict=True):
                    _count(imported, one, changes, seen)
                    imported.errors += _unread(plan, name, one)
        except Broken as error:
            message = f"{name}: {error}; what came before counts: mend it and import it again"
            imported.errors.append(message)
    return imported


def _unread(plan: Plan, name: str, one: Entry) -> list[str]:
    """Why nothing of a whole file was understood."""
    is_whole = plan.source.provider.files == "whole"
    faults = [said.reason for said in one.said if isinstance(said, SetAside) and not said.at]
    return [f"{name}: {fault}" for fault in faults] if is_whole else []


def _entries(
    hub: Hub, source: Source, name: str, progress: Callable[[int], None]
) -> Iterator[Entry]:
    """Each value of a file with its meaning; Broken where the file cannot be read on."""
    provider, received_at, position = source.provider, 0, 0
    with opened(name) as (file, packed):
        is_whole = provider.files == "whole"
        found = whole(file) if is_whole else values(file, name, provider.listed_under)
        for value in found:
            # No two at one time: of two that are as new, the later one in the file counts.
            received_at = max(hub.now(), received_at + 1)
            yield _entry(source, name, value, received_at)
            if packed.seekable():
                progress(packed.tell() - position)
                position = packed.tell()


def _entry(source: Source, name: str, value: Value, received_at: int) -> Entry:
    shown = "standard input" if name == STDIN else name
    origin = f"{shown}, {value.place}" if value.place else shown
    record = new_record(source, "file", origin, value.body, received_at)
    return Entry(
        record=record,
        dedupe_key=f"file:{hashlib.sha256(record.body).hexdigest()}",
        said=said_of(source, record)
        if value.fault is None
        else [SetAside(at="", reason=value.fault)],
    )


def said_of(source: Source, record: Record) -> list[Said]:
    """All that a record says; it is set aside as a whole where its provider fails on it."""
    try:
        return read(source, record)
    except GiveUp as error:  # a fault of the provider's code; a replay reads the record again
        return [SetAside(at="", reason=str(error))]


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    try:
        for one in entries:
            batch.append(one)
            size += len(one.record.body)
            if len(batch) == BATCH or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    except Broken:
        yield batch
        raise
    yield batch


def _take(
    plan: Plan, now: int, batch: list[Entry], connection: Connection
) -> list[list[Change] | None]:
    """What became of each; None: it was imported before."""
    return [_take_one(plan, now, one, connection) for one in batch]


def _try_out(
    plan: Plan, now: int, batch: list[Entry], connection: Connection
) -> list[list[Change] | None]:
    """What would become of each."""
    return tried(partial(_take, plan, now, batch), connection)


def tried(write: Callable[[Connection], T], connection: Connection) -> T:
    """What a write would return; nothing is written."""
    savepoint = connection.begin_nested()
    try:
        return write(connection)
    finally:
        savepoint.rollback()


def _take_one(plan: Plan, now: int, one: Entry, connection: Connection) -> list[Change] | None:
    source = plan.source
    if records.keep(connection, source.workspace, one.record, one.dedupe_key):
        news = News(reach="deliver" if plan.deliver else "import")
        return apply(connection, now, source, one.record, one.said, news)
    if plan.deliver:
        for external_id in sorted(one.external_ids):
            deliver_known(connection, now, source, external_id)
    return None


def deliver_known(connection: Connection, now: int, source: Source, external_id: str) -> None:
    """Have sent what was imported before."""
    found = conversations.find_id(connection, source.workspace, source.account, external_id)
    known = conversations.load(connection, source.workspace, found) if found is not None else None
    if known is not None:
        news = News(reach="deliver", ended_at=ended_at(known.facts))
        mark_deliveries(connection, now, source, known.id, news)


def _count(
    imported: Imported, one: Entry, changes: list[Change] | None, seen: set[str] | None
) -> None:
    """`seen`: what came before in a dry run, which stores nothing; None: it is none."""
    imported.read += 1
    imported.set_aside += sum(isinstance(said, SetAside) for said in one.said)
    before = seen or set()
    if changes is None or one.dedupe_key in before:
        imported.unchanged += len(one.external_ids)
        return
    for change in changes:
        if change.is_new and change.external_id not in before:
            imported.new += 1
        elif change.is_new or change.is_changed:
            imported.changed += 1
        else:
            imported.unchanged += 1
    if seen is not None:
        seen |= {one.dedupe_key, *one.external_ids}
