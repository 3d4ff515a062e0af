"""Marking: what becomes known of a conversation makes its deliveries due."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct

from deskwire.core.facts import Facts
from deskwire.core.instants import to_micros
from deskwire.pipeline.hub import MICROS, Source, Way
from deskwire.store import deliveries, work
from deskwire.store.db import Connection

#: Why something becomes known, and so what leaves.
#: live: a desk just said it, and all that follows is sent.
#: replay: it was known before, in another reading; nothing that ended is sent for it.
#: import: it is the past; what a destination has of it is kept in step, nothing else is sent.
#: deliver: it is the past, and is to be sent.
Reach = Literal["live", "replay", "import", "deliver"]


class News(Struct, frozen=True, kw_only=True):
    """What happened to a conversation, as far as deliveries depend on it."""

    reach: Reach = "live"
    ended_at: int | None = None  #: µs; None: it is not over, or that was not looked at
    was_ended: bool = False  #: before this
    is_over: bool = False  #: a person ended it: nothing more is waited for

    @property
    def closes(self) -> bool:
        """Whether the trigger "ended" is pulled."""
        if self.ended_at is None or self.reach in {"replay", "import"}:
            return False
        return self.reach == "deliver" or not self.was_ended


def ended_at(facts: Facts) -> int | None:
    """When a conversation ended, in µs; None: it is not over."""
    told = facts.head.value.ended_at
    return None if told is UNSET or told is None else to_micros(told)


def mark_deliveries(
    connection: Connection, now: int, source: Source, conversation_id: str, news: News
) -> None:
    """Make due what must be sent of a conversation: one row per destination."""
    for way in source.ways:
        due_at = now
        if way.trigger == "ended":
            if not _is_armed(connection, source, way, conversation_id, news):
                continue
            due_at += 0 if news.is_over else int(way.quiet_seconds * MICROS)
        elif news.reach == "import" and not deliveries.is_begun(
            connection, source.workspace, way.destination, conversation_id
        ):
            continue
        row = (source.workspace, "deliver", way.destination, conversation_id)
        work.mark(connection, now, *row, due_at=due_at, postpones=way.trigger == "ended")


def _is_armed(
    connection: Connection, source: Source, way: Way, conversation_id: str, news: News
) -> bool:
    """Whether "ended" fires, now or since before; each later change lets it wait anew."""
    key = (source.workspace, way.destination, conversation_id)
    before = deliveries.closing(connection, *key)
    is_due = news.closes and (news.ended_at or 0) >= way.deliver_from
    if is_due and (before is None or way.again):
        deliveries.arm(connection, *key, news.ended_at)
        return True
    return before is not None
