"""Sheets: importing workbooks and CSV files, with a report on every row that is not plain."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Struct

from deskwire.core.facts import (
    ConversationFacts,
    CustomerFacts,
    Note,
    Said,
    SetAside,
    TopicFacts,
)
from deskwire.core.instants import from_micros, to_micros
from deskwire.core.provider import Record
from deskwire.core.table import Workbook, rows_at, whereabouts
from deskwire.pipeline.files import STDIN, Broken, opened
from deskwire.pipeline.hub import Hub
from deskwire.pipeline.importing import (
    BATCH,
    Gone,
    Imported,
    Line,
    Plan,
    deliver_known,
    said_of,
    tried,
)
from deskwire.pipeline.intake import new_record
from deskwire.pipeline.marking import News
from deskwire.pipeline.normalise import Told, gather, take_in
from deskwire.pipeline.noting import Change, know
from deskwire.pipeline.workbook import LIMITS, parse
from deskwire.store import listing, records
from deskwire.store.db import Connection


class Taken(Struct, frozen=True, kw_only=True):
    """What a file held of conversations."""

    stated: set[str]  #: external ids
    span: tuple[int, int] | None  #: µs: the first start and the last; None: it held none


def contents(name: str) -> bytes:
    """A file, unpacked where it is packed, up to what is too much; Broken where it cannot be."""
    with opened(name) as (file, _):
        try:
            return file.read(LIMITS.file_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise Broken(f"it cannot be read: {error}") from error


def import_sheets(
    hub: Hub,
    plan: Plan,
    names: list[str],
    read: Callable[[str], bytes] = contents,
    progress: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Take in workbooks and CSV files one after another; of one that is broken, nothing.

    What changes nothing is not stored again. `progress` is told how many bytes were read.
    """
    imported = Imported(errors=[], withdrawn=0, withdrawn_rows=[], notes=[], set_aside_rows=[])
    taken = []
    for name in names:
        try:
            content = read(name)
            taken.append(_take(hub, plan, name, content, imported))
            progress(len(content))
        except Broken as error:
            imported.errors.append(f"{name}: {error}")
    if plan.replace and imported.errors:
        imported.errors.append("nothing was taken out, as not every file could be read")
    elif plan.replace:
        _replace(hub, plan, names, taken, imported)
    return imported


def _take(hub: Hub, plan: Plan, name: str, content: bytes, imported: Imported) -> Taken:
    shown = "standard input" if name == STDIN else name
    workbook = parse(content, PurePath(shown).name, _zone(plan))
    body = msgspec.json.encode(workbook)
    record = new_record(plan.source, "file", shown, body, hub.now())
    said = said_of(plan.source, record)
    _check(said)
    changes = _merge(hub, plan, record, said)
    _count(imported, changes)
    _report(imported, workbook, said)
    starts = [
        to_micros(one.head.started_at)
        for one in said
        if isinstance(one, ConversationFacts) and one.head.started_at is not UNSET
    ]
    return Taken(
        stated={one.external_id for one in said if isinstance(one, ConversationFacts)},
        span=(min(starts), max(starts)) if starts else None,
    )


def _zone(plan: Plan) -> str:
    return str(getattr(plan.source.access.options, "zone", "UTC"))


def _check(said: list[Said]) -> None:
    """Broken when nothing at all of a file is known."""
    reasons = [one.reason for one in said if isinstance(one, SetAside) and "/rows/" not in one.at]
    if reasons and len(reasons) == len(said):
        raise Broken("; ".join(reasons))


def _merge(hub: Hub, plan: Plan, record: Record, said: list[Said]) -> list[Change]:
    """Store a file's record and what it says, unless it was stored and would change nothing."""
    source = plan.source
    key = f"file:{hashlib.sha256(record.body).hexdigest()}"
    is_kept = hub.database.read(lambda c: records.is_kept(c, source.workspace, source.name, key))
    if plan.dry_run or is_kept:
        changes = _write(hub, plan, record, said, None, is_trial=True)
        if plan.dry_run or not any(one.is_new or one.is_changed for one in changes):
            if plan.deliver and not plan.dry_run:
                _deliver(hub, plan, changes)
            return changes
    return _write(hub, plan, record, said, key, is_trial=False)


def _write(
    hub: Hub, plan: Plan, record: Record, said: list[Said], key: str | None, *, is_trial: bool
) -> list[Change]:
    """What changed, or would; a running hub gets its turn between batches."""
    told = gather(record, said)
    known = [
        (position, one)
        for position, one in enumerate(said)
        if isinstance(one, CustomerFacts | TopicFacts)
    ]
    if is_trial:
        record = msgspec.structs.replace(record, body=b"")
    steps: list[Callable[[Connection], list[Change]]] = [partial(_begin, plan, record, said, key)]
    steps += [
        partial(_know, plan, hub.now(), record, known[first : first + BATCH])
        for first in range(0, len(known), BATCH)
    ]
    steps += [
        partial(_take_in, plan, hub.now(), record, told[first : first + BATCH])
        for first in range(0, len(told), BATCH)
    ]
    changes: list[Change] = []
    for number, step in enumerate(steps):
        if not is_trial:
            changes += hub.database.write(step)
            continue
        # What the first step stores is not there for the others.
        again = step if number == 0 else partial(_kept_before, plan, record, step)
        changes += hub.database.write(partial(tried, again))
    return changes


def _begin(
    plan: Plan, record: Record, said: list[Said], key: str | None, connection: Connection
) -> list[Change]:
    workspace = plan.source.workspace
    if not records.keep(connection, workspace, record, key):
        records.keep(connection, workspace, record)
    asides = [one for one in said if isinstance(one, SetAside)]
    records.replace_set_aside(connection, workspace, record, asides)
    return []


def _know(
    plan: Plan,
    now: int,
    record: Record,
    numbered: list[tuple[int, CustomerFacts | TopicFacts]],
    connection: Connection,
) -> list[Change]:
    return know(connection, now, plan.source, record, numbered, "import")


def _take_in(
    plan: Plan, now: int, record: Record, told: list[Told], connection: Connection
) -> list[Change]:
    news = News(reach="deliver" if plan.deliver else "import")
    return take_in(now, plan.source, record, told, news, connection)


def _kept_before(
    plan: Plan,
    record: Record,
    step: Callable[[Connection], list[Change]],
    connection: Connection,
) -> list[Change]:
    records.keep(connection, plan.source.workspace, record)
    return step(connection)


def _deliver(hub: Hub, plan: Plan, changes: list[Change]) -> None:
    known = [one.external_id for one in changes if one.kind == "conversation"]
    for first in range(0, len(known), BATCH):
        batch = known[first : first + BATCH]
        hub.database.write(partial(_deliver_batch, hub.now(), plan, batch))


def _deliver_batch(now: int, plan: Plan, external_ids: list[str], connection: Connection) -> None:
    for external_id in external_ids:
        deliver_known(connection, now, plan.source, external_id)


def _count(imported: Imported, changes: list[Change]) -> None:
    for one in changes:
        if one.is_new:
            imported.new += 1
        elif one.is_changed:
            imported.changed += 1
        else:
            imported.unchanged += 1


def _report(imported: Imported, workbook: Workbook, said: list[Said]) -> None:
    assert imported.notes is not None
    assert imported.set_aside_rows is not None
    imported.read += rows_at(workbook, {one.at for one in said})
    for one in said:
        sheet, row = whereabouts(workbook, one.at)
        if isinstance(one, Note):
            line = Line(file=workbook.file, sheet=sheet, row=row, text=one.text)
            imported.notes.append(line)
        elif isinstance(one, SetAside):
            line = Line(file=workbook.file, sheet=sheet, row=row, text=one.reason)
            imported.set_aside_rows.append(line)
    imported.set_aside = len(imported.set_aside_rows)


def _replace(
    hub: Hub, plan: Plan, names: list[str], taken: list[Taken], imported: Imported
) -> None:
    """Withdraw what lies within a file's own time and is in none of the files."""
    source, zone = plan.source, ZoneInfo(_zone(plan))
    stated = {external_id for one in taken for external_id in one.stated}
    gone: dict[str, tuple[int, Gone]] = {}
    for first, last in (one.span for one in taken if one.span is not None):
        there = partial(
            listing.started_between,
            workspace=source.workspace,
            account=source.account,
            first=first,
            last=last,
        )
        for external_id, started_at, customer, channel in hub.database.read(there):
            if external_id not in stated:
                shown = f"{from_micros(started_at).astimezone(zone):%Y-%m-%d %H:%M}"
                gone[external_id] = (
                    started_at,
                    Gone(started_at=shown, customer=customer or "", channel=channel or ""),
                )
    imported.withdrawn = len(gone)
    imported.withdrawn_rows = [row for _, row in sorted(gone.values(), key=lambda one: one[0])]
    if gone and not plan.dry_run:
        body = msgspec.json.encode(Workbook(withdrawn=list(gone)))
        origin = f"no longer in {', '.join(names)}"
        record = new_record(source, "file", origin, body, hub.now())
        _write(hub, plan, record, said_of(source, record), None, is_trial=False)
