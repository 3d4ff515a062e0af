"""status, show: how everything is, and what is known of one conversation."""

from __future__ import annotations

from typing import Annotated

import typer
from msgspec import Struct
from rich.markup import escape
from rich.table import Table

from deskwire import settings
from deskwire.cli.common import (
    Config,
    Json,
    ago,
    console,
    moment,
    open_hub,
    print_json,
    show,
    span,
)
from deskwire.core.destination import Sent
from deskwire.core.errors import Misconfigured
from deskwire.core.model import Conversation, Participant
from deskwire.core.view import view
from deskwire.pipeline.hub import Hub
from deskwire.pipeline.status import Status, status
from deskwire.store import agents, conversations, deliveries, records
from deskwire.store.conversations import Stored
from deskwire.store.db import Connection
from deskwire.store.deliveries import Attempt


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(name="status")(print_status)
    group = typer.Typer(no_args_is_help=True, help="Look at one thing closely.")
    group.command()(conversation)
    group.callback()(lambda: None)
    app.add_typer(group, name="show")


def print_status(config: Config = settings.DEFAULT_FILE, as_json: Json = False) -> None:
    """Sources, destinations, what waits; exit 1 when something needs a person.

    Example: deskwire status --json
    """
    with open_hub(config) as hub:
        now = hub.database.read(lambda c: status(c, hub))
    if as_json:
        print_json(now)
    else:
        _print(now)
    if now.problems:
        raise typer.Exit(1)


def _print(now: Status) -> None:
    sources = _table("source", "last poll", "open", "closed", "messages", "waiting", "set aside")
    for source in now.sources:
        sources.add_row(
            f"{source.name} (paused)" if source.is_paused else source.name,
            ago(source.polled_seconds_ago) if source.is_polled else "–",
            str(source.conversations_open),
            str(source.conversations_closed),
            str(source.messages),
            str(source.records_waiting + source.fetches_waiting),
            str(source.set_aside),
        )
    outlets = _table("destination", "last confirmed", "complete", "waiting", "oldest", "dead")
    for outlet in now.destinations:
        outlets.add_row(
            f"{outlet.name} (paused)" if outlet.is_paused else outlet.name,
            ago(outlet.confirmed_seconds_ago),
            str(outlet.conversations_complete),
            str(outlet.waiting),
            span(outlet.oldest_waiting_seconds or 0.0),
            str(outlet.dead),
        )
    console.print(sources, outlets)
    for problem in now.problems:
        console.print(f"[red]needs you[/] {escape(problem)}", soft_wrap=True)
    for warning in now.warnings:
        console.print(f"[yellow]note[/] {escape(warning)}", soft_wrap=True)
    if not now.problems:
        console.print("[green]nothing needs you[/]")


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


class Delivered(Struct, frozen=True, kw_only=True):
    """Where the delivery to one destination stands."""

    complete_at: int | None  #: µs; when nothing was missing last
    intent: str | None  #: what was begun and whose end is not known yet
    differs: str | None
    ledger: dict[str, Sent]


class Shown(Struct, frozen=True, kw_only=True):
    """All that `show conversation` shows."""

    id: str
    source: str
    conversation: Conversation
    records: list[tuple[str, str, str, int, list[str]]]  #: id, kind, origin, µs, places
    set_aside: list[tuple[str, str, str]]  #: record, place, reason
    deliveries: dict[str, Delivered]
    attempts: list[tuple[str, Attempt]]  #: destination, attempt


def conversation(
    conversation_id: Annotated[str, typer.Argument(metavar="ID", help="Ours or the provider's.")],
    config: Config = settings.DEFAULT_FILE,
    attempts: Annotated[bool, typer.Option("--attempts", help="Every call, too.")] = False,
    as_json: Json = False,
) -> None:
    """One conversation: what was said, the records that say it, and its deliveries.

    Example: deskwire show conversation 4711 --attempts
    """
    with open_hub(config) as hub:
        found = hub.database.read(lambda c: _find(c, hub, conversation_id))
        aside = hub.database.read(lambda c: _set_aside(c, hub, conversation_id))
    if not found and aside:
        _print_set_aside(conversation_id, aside, as_json=as_json)
    elif not found:
        raise Misconfigured(
            f"no conversation has the id {conversation_id!r}, ours or a provider's; nothing of it "
            "was set aside either"
        )
    for one in found:
        if as_json:
            print_json(one)
        else:
            _print_shown(one, with_attempts=attempts)


def _find(connection: Connection, hub: Hub, text: str) -> list[Shown]:
    found = []
    for workspace in hub.workspaces:
        for one in conversations.find_ids(connection, workspace, text):
            stored = conversations.load(connection, workspace, one)
            if stored is not None:
                found.append(_shown(connection, workspace, stored))
    return found


def _set_aside(connection: Connection, hub: Hub, text: str) -> list[tuple[str, str, str, str]]:
    return [
        one
        for workspace in hub.workspaces
        for one in records.set_aside_of(connection, workspace, text)
    ]


def _print_set_aside(
    conversation_id: str, places: list[tuple[str, str, str, str]], *, as_json: bool
) -> None:
    """Of a conversation of which nothing could be understood."""
    if as_json:
        print_json({"external_id": conversation_id, "set_aside": places})
        return
    lines = [f"{conversation_id} is known by what was set aside only"]
    lines += [f"  {source} {record} {at}: {reason}" for source, record, at, reason in places]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _shown(connection: Connection, workspace: str, stored: Stored) -> Shown:
    origin = stored.origin
    named = stored.facts.agents()
    people = agents.load(connection, workspace, origin.account, named)
    sent = {}
    found = deliveries.of_conversation(connection, workspace, stored.id)
    for destination, (delivery, differs, complete_at) in found.items():
        ledger = deliveries.ledger(connection, workspace, destination, stored.id)
        sent[destination] = Delivered(
            complete_at=complete_at,
            intent=delivery.intent.action if delivery.intent is not None else None,
            differs=differs,
            ledger={key: line for key, line in ledger.items() if not line.is_shared},
        )
    aside = records.set_aside_of(connection, workspace, origin.external_id, stored.source)
    return Shown(
        id=stored.id,
        source=stored.source,
        conversation=view(stored.facts, origin, people),
        records=records.of_conversation(connection, workspace, stored.id),
        set_aside=[(record, at, reason) for _, record, at, reason in aside],
        deliveries=sent,
        attempts=deliveries.attempts(connection, workspace, stored.id),
    )


def _print_shown(one: Shown, *, with_attempts: bool) -> None:
    seen = one.conversation
    console.print(f"[bold]{seen.external_id}[/] of {one.source}, {seen.status}; ours: {one.id}")
    lines = [f"  started {show(seen.started_at)}   ended {show(seen.ended_at)}"]
    for stretch in seen.assignments:
        until = "now" if stretch.to_at is None else show(stretch.to_at)
        lines.append(f"  {_name(stretch.agent)} from {show(stretch.from_at)} to {until}")
    lines += [f"  {show(m.sent_at)} {_name(m.author)}: {m.text}" for m in seen.messages]
    lines.append("records")
    for record_id, kind, origin, received_at, places in one.records:
        where = f"{record_id} {kind} received {moment(received_at)} {origin}"
        lines.append(f"  {where}  {' '.join(places)}")
    lines += [f"  set aside: {record} {at}: {reason}" for record, at, reason in one.set_aside]
    lines.append("deliveries")
    for destination, delivered in one.deliveries.items():
        lines += _delivery_lines(destination, delivered)
    if with_attempts:
        lines += [_attempt_line(destination, attempt) for destination, attempt in one.attempts]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _delivery_lines(destination: str, delivered: Delivered) -> list[str]:
    is_complete = delivered.complete_at is not None
    state = f"complete at {moment(delivered.complete_at)}" if is_complete else "not complete"
    if delivered.intent is not None:
        state = f"{delivered.intent} was begun, its end is not known yet"
    lines = [f"  {destination}: {state}; {len(delivered.ledger)} things sent"]
    for key, line in delivered.ledger.items():
        if line.refused is not None or line.note is not None:
            lines.append(f"    {key}: {line.refused or line.note}")
    if delivered.differs is not None:
        lines += [f"    {line}" for line in delivered.differs.splitlines()]
    return lines


def _attempt_line(destination: str, attempt: Attempt) -> str:
    return (
        f"  {moment(attempt.at)} {destination} {attempt.action} {attempt.key} "
        f"{attempt.outcome} in {attempt.milliseconds} ms {attempt.detail or ''}"
    )


def _name(person: Participant | None) -> str:
    if person is None:
        return "unknown"
    return f"{person.role} {person.name or person.email or person.external_id}"
