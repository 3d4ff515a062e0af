"""A conversation that is over as plain text, for destinations with the trigger "ended"."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from string import Formatter
from zoneinfo import ZoneInfo

from msgspec import Struct

from deskwire.core.destination import Ledger, Sent, Target
from deskwire.core.instants import rfc3339
from deskwire.core.model import Conversation, Message, Participant, handling_time

KEY = "transcript"
#: strftime's are in the language of the machine.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FOOTER = ("handling_seconds", "customer_name", "external_id", "agent_name", "message_count")


class TranscriptOptions(Struct, frozen=True, kw_only=True):
    """The keys of every destination that gets transcripts."""

    zone: str = "UTC"  #: name in the tz database
    footer: str = ""  #: one more line, with placeholders; empty: none

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:  # OSError: a folder of the tz database
            raise ValueError(
                f"zone: there is no {self.zone!r}; give a name of the tz database, as Europe/London"
            ) from error
        placeholders("footer", self.footer, FOOTER)
        if "\n" in self.footer or "\r" in self.footer:
            raise ValueError("footer: it is one line; take out the line breaks")


def transcript(view: Conversation, zone: ZoneInfo) -> str:
    """A header, an empty line and the public messages in the view's order, instants in the zone.

    No newline at the end; without messages the header is all.
    """
    at = local(begun_at(view), zone)
    header = f"Chat on {at.day:02} {MONTHS[at.month - 1]} {at.year:04} {at:%H:%M}:"
    lines = [
        f"[{local(one.sent_at, zone):%H:%M}, {_side(one)}]: {one.text}" for one in _public(view)
    ]
    return "\n".join([header, "", *lines]).rstrip("\r\n")


def begun_at(view: Conversation) -> datetime:
    """When its handling began, or where nobody knows, itself."""
    return view.handle_started_at or view.started_at


def local(instant: datetime, zone: ZoneInfo) -> datetime:
    """The instant in the zone; in UTC where the calendar has no such day there."""
    try:
        return instant.astimezone(zone)
    except OverflowError:
        return instant


def name_of(one: Participant | None) -> str | None:
    """The name of someone; None where nobody is, or nobody knows it."""
    return None if one is None else one.name


def key_of(target: Target) -> str:
    """The ledger's key of the transcript: one in all, or with `again` one of each closing."""
    return f"{KEY}:{_closing(target)}" if target.again else KEY


def due(view: Conversation, ledger: Ledger, target: Target) -> Sent | None:
    """The line of the transcript that is to be sent now; None: there is none."""
    if target.closing is None or view.is_erased or _sent(ledger, target) is not None:
        return None
    return Sent(payload={"closing": _closing(target), "content": content(view, target)})


def differs(view: Conversation, ledger: Ledger, target: Target) -> list[str]:
    """That the transcript would be another now: it is never sent again."""
    sent = _sent(ledger, target)
    if sent is None or sent.refused is not None or view.is_erased:
        return []
    is_same = sent.payload["content"] == content(view, target)
    return [] if is_same else ["changed since the transcript was sent"]


def content(view: Conversation, target: Target) -> str:
    """The transcript in the destination's zone, with its footer."""
    options = target.options
    assert isinstance(options, TranscriptOptions)
    text = transcript(view, ZoneInfo(options.zone))
    footer = _footer(options.footer, view, target)
    return f"{text}\n{footer}" if footer else text


def placeholders(key: str, template: str, known: Collection[str]) -> list[str]:
    """Names in braces, in their order; ValueError for what is no plain name of those known."""
    try:
        found = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"{key}: {error}; a brace that is meant is written twice") from error
    for name, spec, conversion in found:
        if name not in known or spec or conversion:
            names = ", ".join(f"{{{one}}}" for one in known)
            raise ValueError(
                f"{key}: {{{name}}} must be one of {names}, without more in the braces; "
                "a brace that is meant is written twice"
            )
    return [str(name) for name, _, _ in found]


def _closing(target: Target) -> str:
    assert target.closing is not None
    return rfc3339(target.closing)


def _sent(ledger: Ledger, target: Target) -> Sent | None:
    """What went of this closing; without `again`, of any: the setting may have been another."""
    lines = (one for key, one in ledger.items() if key == KEY or key.startswith(f"{KEY}:"))
    if target.again:
        closing = target.closing and rfc3339(target.closing)
        lines = (one for one in lines if one.payload["closing"] == closing)
    return next(lines, None)


def _public(view: Conversation) -> Iterator[Message]:
    return (one for one in view.messages if one.kind == "public")


def _side(message: Message) -> str:
    author = message.author
    return "Agent" if author is not None and author.role in {"agent", "bot"} else "Customer"


def _footer(template: str, view: Conversation, target: Target) -> str:
    """The footer; empty where it tells a handling time that nobody knows."""
    # Reopened meanwhile or not: this transcript is of an end.
    took = handling_time(view.handle_started_at, view.ended_at or target.closing)
    if took is None and "handling_seconds" in placeholders("footer", template, FOOTER):
        return ""
    values = {
        "handling_seconds": "" if took is None else str(took // timedelta(seconds=1)),
        "customer_name": name_of(view.customer),
        "external_id": target.external_id_prefix + view.external_id,
        "agent_name": name_of(view.agent),
        "message_count": str(len(list(_public(view)))),
    }
    # A name is one line of text here, whatever is in it.
    shown = {key: " ".join((value or "").split()) or "unknown" for key, value in values.items()}
    return template.format_map(shown)
