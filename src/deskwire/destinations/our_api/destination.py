"""OurAPI: agents, chats and messages kept in step; an API where no call is idempotent.

Facts from OurAPI's contract as read in November 2026, see doc.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from deskwire.core.destination import (
    Destination,
    Learned,
    Ledger,
    Outcome,
    Payload,
    Refused,
    Sent,
    Step,
    Target,
    Unclear,
)
from deskwire.core.errors import NoAnswer, NotSent, RetryLater
from deskwire.core.exchange import Answer, Http, Request
from deskwire.core.instants import parse_instant, rfc3339
from deskwire.core.model import Conversation, Message, Participant

CHAT = "chat"
SHORTEST_TEXT = 2  # characters, after trimming; OurAPI refuses less
T = TypeVar("T")


class RemoteAgent(Struct):
    """An agent as OurAPI shows it."""

    agent_id: str
    name: str = ""
    email: str = ""


class RemoteChat(Struct):
    """A chat as OurAPI shows it; instants without a zone are UTC."""

    chat_id: str
    external_id: str = ""
    agent_id: str | None = None
    started_at: str | int | None = None
    ended_at: str | int | None = None


class RemoteMessage(Struct):
    """A message as OurAPI shows it."""

    sent_at: str | int
    text: str
    agent_id: str | None = None


def plan(view: Conversation, ledger: Ledger, target: Target) -> Step | None:
    """The agent, then the chat, then its messages in their order."""
    agent = view.agent if view.agent is not None and view.agent.is_known else None
    if agent is not None and agent_key(agent) not in ledger:
        return _agent_step(agent, target)
    held = ledger.get(CHAT)
    wanted = _chat(view, agent, ledger, target)
    if held is None:
        uses = agent_key(agent) if agent is not None else None
        return Step(action="create_chat", key=CHAT, sent=Sent(payload=wanted), uses=uses)
    if held.refused is not None:
        return None
    changes = {name: value for name, value in wanted.items() if held.payload.get(name) != value}
    if wanted["agent_id"] is None:
        changes.pop("agent_id", None)  # not known yet, or not any more: what is there stays
    if changes:
        return Step(
            action="patch_chat",
            key=CHAT,
            sent=Sent(payload={**held.payload, **changes}, remote_id=held.remote_id),
            remote_id=held.remote_id,
            changes=changes,
            uses=agent_key(agent) if agent is not None else None,
        )
    return _next_message(view, ledger, target, held.remote_id)


def _next_message(
    view: Conversation, ledger: Ledger, target: Target, chat_id: str | None
) -> Step | None:
    for message in _deliverable(view, target):
        key = message_key(message)
        if key in ledger:
            continue
        author = _agent_author(message)
        if author is not None and not author.is_known:
            return None  # a message cannot be given its author later: it waits until he is known
        if author is not None and agent_key(author) not in ledger:
            return _agent_step(author, target)
        payload = _message(message, ledger)
        shown = message.text.strip()
        return Step(
            action="post_message",
            key=key,
            sent=Sent(
                payload=payload,
                note=None if payload["text"] == shown else f"{shown!r} sent as {payload['text']!r}",
            ),
            remote_id=chat_id,
            uses=agent_key(author) if author is not None else None,
        )
    return None


def differs(view: Conversation, ledger: Ledger, target: Target) -> list[str]:
    """Messages that were edited, redacted or deleted after they were sent: nothing can be done."""
    now = {message_key(one): one for one in _deliverable(view, target)}
    found = []
    for key, sent in ledger.items():
        if not key.startswith("message:") or sent.refused is not None:
            continue
        if key not in now:
            found.append(f"{key} was deleted after it was sent")
        elif _text(now[key]) != sent.payload["text"]:
            what = "redacted" if now[key].is_redacted else "edited"
            found.append(f"{key} was {what} after it was sent")
    return found


def _deliverable(view: Conversation, target: Target) -> Iterator[Message]:
    return (one for one in view.messages if one.kind == "public" or target.with_notes)


def agent_key(agent: Participant) -> str:
    """The ledger's key: the case-folded e-mail address is the identity."""
    return f"agent:{agent.email.casefold() if agent.email else agent.external_id}"


def message_key(message: Message) -> str:
    """The ledger's key of a message."""
    return f"message:{message.external_id}"


def _agent_author(message: Message) -> Participant | None:
    author = message.author
    return author if author is not None and author.role in {"agent", "bot"} else None


def _agent_step(agent: Participant, target: Target) -> Step:
    email = agent.email or f"{agent.external_id}@{target.source}.invalid"
    name = agent.name or agent.external_id
    if len(name.strip()) < SHORTEST_TEXT:
        name = f"{name} ({email})"
    payload: Payload = {"name": name, "email": email}
    return Step(action="agent", key=agent_key(agent), sent=Sent(payload=payload, is_shared=True))


def _chat(view: Conversation, agent: Participant | None, ledger: Ledger, target: Target) -> Payload:
    return {
        "external_id": target.external_id_prefix + view.external_id,
        "started_at": rfc3339(view.started_at),
        "ended_at": None if view.ended_at is None else rfc3339(view.ended_at),
        "agent_id": ledger[agent_key(agent)].remote_id if agent is not None else None,
    }


def _message(message: Message, ledger: Ledger) -> Payload:
    author = _agent_author(message)
    held = ledger.get(agent_key(author)) if author is not None else None
    return {
        "sent_at": rfc3339(message.sent_at),
        "text": _text(message),
        "agent_id": held.remote_id if held is not None else None,
    }


def _text(message: Message) -> str:
    text = message.text.strip() or "[no text]"
    return text if len(text) >= SHORTEST_TEXT else f"[{text}]"


async def perform(step: Step, http: Http) -> Outcome:
    """One step."""
    match step.action:
        case "agent":
            return await _perform_agent(step, http)
        case "create_chat":
            body = {name: value for name, value in step.sent.payload.items() if value is not None}
            answer = await http(Request(method="POST", path="/chats", json=body))
            if answer.is_success:
                chat = _decode(answer, RemoteChat)
                return _done(step, chat.chat_id)
        case "patch_chat":
            answer = await http(
                Request(method="PATCH", path=f"/chats/{step.remote_id}", json=step.changes)
            )
        case _:
            path = f"/chats/{step.remote_id}/messages"
            body = {name: value for name, value in step.sent.payload.items() if value is not None}
            answer = await http(Request(method="POST", path=path, json=body))
    return _outcome(step, answer)


def _outcome(step: Step, answer: Answer) -> Outcome:
    what = f"{answer.status} {answer.excerpt()}"
    if answer.is_success:
        return _done(step, step.sent.remote_id)
    if answer.status == 400 and step.uses is not None and "agent" in what.casefold():
        return Learned(changes={step.uses: None}, warning=f"the agent is gone: {what}")
    # 404 says "taken" on a POST of a chat, and "forgotten" on everything else: look which.
    if answer.status in {404, 408, 409} or answer.status >= 500:
        return Unclear(reason=what)
    _raise_if_not_now(answer)
    return Refused(reason=what)


def _raise_if_not_now(answer: Answer) -> None:
    """Statuses that certainly had no effect and may go away."""
    if answer.status in {401, 403, 429} or 300 <= answer.status < 400:
        what = f"{answer.status} {answer.excerpt()}"
        raise NotSent(what, answer.retry_after_seconds())


def _done(step: Step, remote_id: str | None) -> Learned:
    return Learned(changes={step.key: msgspec.structs.replace(step.sent, remote_id=remote_id)})


async def _perform_agent(step: Step, http: Http) -> Outcome:
    agents = await _get(http, "/agents", list[RemoteAgent])
    found = _adopt(step, agents)
    if found is not None:
        return Learned(changes={step.key: found})
    email, name = step.sent.payload["email"], step.sent.payload["name"] or ""
    # A name that is taken by another e-mail address is another person.
    is_taken = any(one.name.strip().casefold() == name.casefold() for one in agents)
    body = {"name": f"{name} ({email})" if is_taken else name, "email": email}
    answer = await http(Request(method="POST", path="/agents", json=body))
    if answer.is_success:
        return _done(step, _decode(answer, RemoteAgent).agent_id)
    return _outcome(step, answer)


def _adopt(step: Step, agents: list[RemoteAgent]) -> Sent | None:
    """The agent there who bears the e-mail address, in whatever case; never by name."""
    email = step.sent.payload["email"] or ""
    same = [one for one in agents if one.email.strip().casefold() == email.casefold()]
    if not same:
        return None
    same.sort(key=lambda one: (one.email != email, one.agent_id))
    note = f"{len(same)} agents there bear {email}; took {same[0].email}" if same[1:] else None
    return msgspec.structs.replace(step.sent, remote_id=same[0].agent_id, note=note)


async def read_back(
    view: Conversation, ledger: Ledger, target: Target, step: Step | None, http: Http
) -> Learned:
    """What is there: for a message its chat's messages, otherwise all that belongs to the chat."""
    if step is not None and step.action == "agent":
        agent = _adopt(step, await _get(http, "/agents", list[RemoteAgent]))
        return Learned(changes={} if agent is None else {step.key: agent})
    held = ledger.get(CHAT)
    if step is not None and step.action == "post_message" and held is not None:
        found = await _messages(view, ledger, target, held.remote_id or "", http)
        if found is not None:
            return Learned(changes=found)
    changes: dict[str, Sent | None] = {}
    external_id = target.external_id_prefix + view.external_id
    chats = await _get(http, f"/chats?external_id={quote(external_id, safe='')}", list[RemoteChat])
    chat = next((one for one in chats if one.external_id == external_id), None)
    if chat is None:
        agents = {one.agent_id for one in await _get(http, "/agents", list[RemoteAgent])}
        gone = [
            key for key, sent in ledger.items() if sent.is_shared and sent.remote_id not in agents
        ]
        mine = [key for key, sent in ledger.items() if not sent.is_shared and not sent.refused]
        return Learned(changes=dict.fromkeys([*gone, *mine]))
    changes[CHAT] = Sent(payload=_shown(chat), remote_id=chat.chat_id)
    return Learned(
        changes=changes | (await _messages(view, ledger, target, chat.chat_id, http) or {})
    )


async def _messages(
    view: Conversation, ledger: Ledger, target: Target, chat_id: str, http: Http
) -> dict[str, Sent | None] | None:
    """Which of our messages the chat holds, by counts of equal ones; None: no such chat.

    The ledger's come first, then those that were never confirmed, in their order.
    """
    answer = await http(Request(method="GET", path=f"/chats/{quote(chat_id, safe='')}/messages"))
    if answer.status == 404:
        return None
    there = Counter(_as_sent(one) for one in _read(answer, list[RemoteMessage]))
    changes: dict[str, Sent | None] = {}
    for key, sent in ledger.items():
        if key.startswith("message:") and not sent.refused:
            if not there[_identity(sent.payload)]:
                changes[key] = None
            there[_identity(sent.payload)] -= 1
    for message in _deliverable(view, target):
        payload = _message(message, ledger)
        if message_key(message) not in ledger and there[_identity(payload)] > 0:
            changes[message_key(message)] = Sent(payload=payload)
            there[_identity(payload)] -= 1
    return changes


async def remembers(_key: str, sent: Sent, http: Http) -> bool:
    """Whether a chat that was confirmed is still there."""
    answer = await http(Request(method="GET", path=f"/chats/{sent.remote_id}"))
    if answer.status == 404:
        return False
    _read(answer, RemoteChat)
    return True


def _identity(payload: Payload) -> tuple[str | None, str | None, str | None]:
    return payload["sent_at"], payload["text"], payload["agent_id"]


def _as_sent(message: RemoteMessage) -> tuple[str | None, str | None, str | None]:
    return _instant(message.sent_at), message.text, message.agent_id


def _shown(chat: RemoteChat) -> Payload:
    return {
        "external_id": chat.external_id,
        "started_at": _instant(chat.started_at),
        "ended_at": _instant(chat.ended_at),
        "agent_id": chat.agent_id,
    }


def _instant(shown: str | float | None) -> str | None:
    if shown is None:
        return None
    if isinstance(shown, str):
        return rfc3339(parse_instant(shown))
    return rfc3339(datetime.fromtimestamp(shown, UTC))


async def _get(http: Http, path: str, kind: type[T]) -> T:
    return _read(await http(Request(method="GET", path=path)), kind)


def _read(answer: Answer, kind: type[T]) -> T:
    """What a GET answered; RetryLater for anything but a success."""
    if not answer.is_success:
        _raise_if_not_now(answer)
        message = f"reading back: {answer.status} {answer.excerpt()}"
        raise RetryLater(message, answer.retry_after_seconds())
    return _decode(answer, kind)


def _decode(answer: Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoAnswer(f"not what OurAPI answers: {answer.excerpt()} ({error})") from error


destination = Destination(
    trigger="change",
    plan=plan,
    perform=perform,
    read_back=read_back,
    differs=differs,
    remembers=remembers,
    sentinel_key=CHAT,
    probe=Request(method="GET", path="/agents"),
)
