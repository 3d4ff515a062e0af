"""What a record says, and what is known from all records; values with stamps."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

from deskwire.core.model import Attachment, Kind, Rating, Role, Status


class Stamp(Struct, frozen=True, order=True):
    """When something was said; of two sayings the greater stamp is believed."""

    as_of: int  #: µs since 1970 UTC, the provider's clock
    received_at: int  #: µs since 1970 UTC, our clock
    record: str  #: id of the record that says it
    position: int  #: which of the record's statements it is


class Head(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Said of the conversation itself; UNSET: this record says nothing of it."""

    channel: str | UnsetType = UNSET
    subject: str | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET
    started_at: datetime | UnsetType = UNSET
    handle_started_at: datetime | UnsetType | None = UNSET
    ended_at: datetime | UnsetType | None = UNSET  #: None: it was reopened
    customer: str | UnsetType | None = UNSET  #: external id of a participant
    rating: Rating | UnsetType | None = UNSET
    topic: str | UnsetType | None = UNSET
    merged_into: str | UnsetType | None = UNSET
    reopens: int | UnsetType = UNSET  #: how often it was opened again after an end
    #: Its source does not hold it any more: it is neither listed nor counted.
    withdrawn: bool | UnsetType = UNSET


class ParticipantFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Said of someone."""

    role: Role | UnsetType = UNSET
    name: str | UnsetType = UNSET  #: nobody's name is taken away by a record that has none
    email: str | UnsetType = UNSET


class MessageFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Said of one message. Redaction is sticky: no later saying brings the text back."""

    author: str | UnsetType = UNSET  #: external id of a participant
    author_role: Role | UnsetType = UNSET  #: where only this is told: "agent" = who handled it then
    sent_at: datetime | UnsetType = UNSET
    text: str | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    attachments: tuple[Attachment, ...] | UnsetType = UNSET
    redacted: bool | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET  #: desks restore, so this can be said either way


class AssignmentFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Said of one hand-over."""

    agent: str | None = None  #: external id; None: unassigned
    previous_agent: str | UnsetType = UNSET
    team: str | UnsetType = UNSET
    from_at: datetime | UnsetType = UNSET  #: UNSET on the initial one: since the start
    initial: bool = False


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tag or an attribute; a value of None takes it away."""

    value: str | None = None


class ConversationFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one place of a record says of one conversation, as of one instant."""

    at: str  #: JSON pointer into the record's body
    external_id: str
    as_of: datetime
    number: int | None = None  #: the small number by which people know it; None: it has none
    head: Head = Head()
    participants: dict[str, ParticipantFacts] = {}
    messages: dict[str, MessageFacts] = {}
    assignments: dict[str, AssignmentFacts] = {}
    tags: dict[str, Entry] = {}
    attributes: dict[str, Entry] = {}
    erased: bool = False


class PersonFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one place of a record says of an agent, whatever conversation they are in."""

    at: str
    external_id: str
    as_of: datetime
    number: int | None = None  #: the small number by which people know them; None: the next free
    said: ParticipantFacts


class CustomerFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one place of a record says of a customer, whatever conversation they are in."""

    at: str
    external_id: str
    as_of: datetime
    said: ParticipantFacts = ParticipantFacts()
    attributes: dict[str, Entry] = {}


class TopicFacts(Struct, frozen=True, kw_only=True):
    """What conversations that began in a stretch of time, such as a month, were about."""

    at: str
    from_at: datetime
    to_at: datetime  #: the stretch ends before it
    as_of: datetime
    topic: str | None  #: None: nothing is known any more


class Note(Struct, frozen=True, kw_only=True):
    """A place that was read otherwise than it is written, for whoever imports it."""

    at: str
    text: str


class SetAside(Struct, frozen=True, kw_only=True):
    """A place of a record that could not be understood; the rest of the record goes on."""

    at: str
    reason: str
    external_id: str | None = None  #: of the conversation it belongs to, where that is clear


Said = ConversationFacts | PersonFacts | CustomerFacts | TopicFacts | SetAside | Note

Value = TypeVar("Value", bound=Struct)


class Item(Struct, Generic[Value], frozen=True, kw_only=True):
    """A merged value: each field as the greatest stamp has it."""

    value: Value
    stamp: Stamp  #: the greatest of all that was said of it
    stamps: dict[str, Stamp] = {}  #: of fields whose stamp is another

    def stamp_of(self, field: str) -> Stamp:
        """The stamp under which a field was said."""
        return self.stamps.get(field, self.stamp)


class Customer(Struct, frozen=True, kw_only=True):
    """All that is known of a customer beside their conversations."""

    said: Item[ParticipantFacts]
    attributes: dict[str, Item[Entry]] = {}

    def values(self) -> dict[str, str]:
        """The attributes as they are now."""
        told = {name: item.value.value for name, item in sorted(self.attributes.items())}
        return {name: value for name, value in told.items() if value is not None}


class Facts(Struct, frozen=True, kw_only=True):
    """All that is known of one conversation, ready to be merged with more."""

    head: Item[Head]
    participants: dict[str, Item[ParticipantFacts]] = {}
    messages: dict[str, Item[MessageFacts]] = {}
    assignments: dict[str, Item[AssignmentFacts]] = {}
    tags: dict[str, Item[Entry]] = {}
    attributes: dict[str, Item[Entry]] = {}
    erased: bool = False  #: final: nothing said before or after counts

    def agents(self) -> list[str]:
        """External ids of everybody who had it, in no particular order."""
        told = [one.value for one in self.assignments.values()]
        named = {one.agent for one in told} | {one.previous_agent for one in told}
        return sorted(one for one in named if isinstance(one, str))

    def people(self) -> list[str]:
        """External ids of all agents in it: who had it, and who only wrote."""
        wrote = {key for key, one in self.participants.items() if one.value.role == "agent"}
        return sorted(wrote.union(self.agents()))
