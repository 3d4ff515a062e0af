"""The internal contract: a conversation as JSON, for whoever reads it from us or is told of it."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from deskwire.core.instants import rfc3339
from deskwire.core.model import Assignment, Conversation, Message, Participant

Json = dict[str, object]
LONGEST_PREVIEW = 120  # characters


def document(view: Conversation, conversation_id: str) -> Json:
    """All of a conversation. Ids of its parts are ours: made of the conversation's and theirs."""
    ours = UUID(conversation_id)
    return {
        "id": conversation_id,
        "provider": view.provider,
        "account": view.account,
        "external_id": view.external_id,
        "created_at": rfc3339(view.started_at),
        "updated_at": rfc3339(view.updated_at),
        "channel": view.channel,
        "subject": view.subject,
        "status": view.status,
        "handle_started_at": view.handle_started_at and rfc3339(view.handle_started_at),
        "ended_at": view.ended_at and rfc3339(view.ended_at),
        "participants": [_participant(one, ours) for one in took_part(view)],
        "messages": [_message(one, ours) for one in view.messages],
        "assignments": [_assignment(one) for one in view.assignments],
        "tags": list(view.tags),
        "topic": view.topic,
        "rating": _rating(view),
        "attributes": view.attributes,
    }


def took_part(view: Conversation) -> list[Participant]:
    """The customer and everyone who wrote; who only had it is in the assignments."""
    wrote = [one.author for one in view.messages if one.author is not None]
    people = [view.customer, *wrote] if view.customer is not None else wrote
    return list({one.external_id: one for one in people if one is not None}.values())


def preview(view: Conversation) -> str | None:
    """The beginning of the last message."""
    return view.messages[-1].text[:LONGEST_PREVIEW] if view.messages else None


def _id(ours: UUID, kind: str, external_id: str) -> str:
    return str(uuid5(uuid5(NAMESPACE_URL, f"deskwire:{kind}:{ours}"), external_id))


def _participant(one: Participant, ours: UUID) -> Json:
    return {
        "id": _id(ours, "participant", one.external_id),
        "external_id": one.external_id,
        "role": one.role,
        "name": one.name,
        "email": one.email,
    }


def _message(one: Message, ours: UUID) -> Json:
    author = one.author
    return {
        "id": _id(ours, "message", one.external_id),
        "external_id": one.external_id,
        "author_participant_id": author and _id(ours, "participant", author.external_id),
        "sent_at": rfc3339(one.sent_at),
        "content": one.text,
        "kind": one.kind,
        "is_redacted": one.is_redacted,
        "attachments": [
            {"name": file.name, "type": file.type, "size": file.size, "url": file.url}
            for file in one.attachments
        ],
    }


def _assignment(one: Assignment) -> Json:
    agent = one.agent
    return {
        "agent": agent and {"external_id": agent.external_id, "name": agent.name},
        "team": one.team,
        "from_at": rfc3339(one.from_at),
        "to_at": one.to_at and rfc3339(one.to_at),
    }


def _rating(view: Conversation) -> Json | None:
    one = view.rating
    if one is None:
        return None
    return {
        "value": one.value,
        "scale_min": one.scale_min,
        "scale_max": one.scale_max,
        "comment": one.comment,
        "rated_at": one.rated_at and rfc3339(one.rated_at),
    }
