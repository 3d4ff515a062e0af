"""The ledger's lines: what OurAPI should hold of a conversation, and under which keys."""

from __future__ import annotations

from collections.abc import Iterator

from deskwire.core.destination import Ledger, Payload, Sent, Target
from deskwire.core.instants import rfc3339
from deskwire.core.model import Conversation, Message, Participant

CHAT = "chat"
SHORTEST_TEXT = 2  # characters, after trimming; OurAPI refuses less


def agent_key(agent: Participant, target: Target) -> str:
    """The case-folded e-mail address is the identity."""
    return f"agent:{_email(agent, target).casefold()}"


def message_key(message: Message) -> str:
    """One line per message."""
    return f"message:{message.external_id}"


def is_message(key: str) -> bool:
    """Whether a line is a message's."""
    return key.startswith("message:")


def agent_line(agent: Participant, target: Target) -> Sent:
    """An agent; one without an e-mail address gets one that can never be anybody's."""
    email = _email(agent, target)
    name = agent.name or agent.external_id
    if len(name.strip()) < SHORTEST_TEXT:
        name = f"{name} ({email})"
    return Sent(payload={"name": name, "email": email}, is_shared=True)


def chat_payload(
    view: Conversation, agent: Participant | None, ledger: Ledger, target: Target
) -> Payload:
    """The chat; its agent by the id that he has over there."""
    return {
        "external_id": chat_id_of(view, target),
        "started_at": rfc3339(view.started_at),
        "ended_at": None if view.ended_at is None else rfc3339(view.ended_at),
        "agent_id": _remote_id(agent, ledger, target),
    }


def chat_id_of(view: Conversation, target: Target) -> str:
    """The chat's `external_id` over there."""
    return target.external_id_prefix + view.external_id


def message_line(message: Message, ledger: Ledger, target: Target) -> Sent:
    """A message; the note says how its text had to change to be taken."""
    text, shown = sent_text(message), message.text.strip()
    payload: Payload = {
        "sent_at": rfc3339(message.sent_at),
        "text": text,
        "agent_id": _remote_id(agent_author(message), ledger, target),
    }
    return Sent(payload=payload, note=None if text == shown else f"{shown!r} sent as {text!r}")


def sent_text(message: Message) -> str:
    """The text; in brackets when it is too short to be taken."""
    text = message.text.strip() or "[no text]"
    return text if len(text) >= SHORTEST_TEXT else f"[{text}]"


def deliverable(view: Conversation, target: Target) -> Iterator[Message]:
    """The messages that leave, in their order."""
    return (one for one in view.messages if one.kind == "public" or target.with_notes)


def agent_author(message: Message) -> Participant | None:
    """Who of our side wrote it; None: the customer, or nobody knows."""
    author = message.author
    return author if author is not None and author.role in {"agent", "bot"} else None


def _email(agent: Participant, target: Target) -> str:
    email = (agent.email or "").strip()
    if len(email) >= SHORTEST_TEXT:
        return email
    return f"{agent.external_id}@{target.source}.invalid"


def _remote_id(agent: Participant | None, ledger: Ledger, target: Target) -> str | None:
    held = None if agent is None else ledger.get(agent_key(agent, target))
    return None if held is None else held.remote_id
