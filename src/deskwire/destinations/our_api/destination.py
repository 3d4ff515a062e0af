"""OurAPI: agents, chats and messages kept in step; an API where no call is idempotent.

Facts from OurAPI's contract as read in November 2026, see doc.md.
"""

from __future__ import annotations

import msgspec

from deskwire.core.destination import (
    Blocked,
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
from deskwire.core.exchange import Answer, Http, Request
from deskwire.core.model import Conversation, Participant
from deskwire.destinations.our_api.lines import (
    CHAT,
    agent_author,
    agent_key,
    agent_line,
    chat_payload,
    deliverable,
    is_message,
    message_key,
    message_line,
    sent_text,
)
from deskwire.destinations.our_api.look import adopted, read_back, remembers
from deskwire.destinations.our_api.wire import (
    RemoteAgent,
    RemoteChat,
    decode,
    get,
    raise_if_not_now,
)


def plan(view: Conversation, ledger: Ledger, target: Target) -> Step | Blocked | None:
    """The agent, then the chat, then its messages in their order."""
    agent = view.agent if view.agent is not None and view.agent.is_known else None
    uses = None if agent is None else agent_key(agent, target)
    if agent is not None and uses not in ledger:
        return _agent_step(agent, target)
    held = ledger.get(CHAT)
    wanted = chat_payload(view, agent, ledger, target)
    if held is None:
        return Step(action="create_chat", key=CHAT, sent=Sent(payload=wanted), uses=uses)
    if held.refused is not None:
        return Blocked(reason=f"the chat was refused: {held.refused}", needs_person=True)
    changes = _changes(held, wanted, ledger)
    if changes:
        return Step(
            action="patch_chat",
            key=CHAT,
            sent=Sent(payload={**held.payload, **changes}, remote_id=held.remote_id),
            remote_id=held.remote_id,
            changes=changes,
            uses=uses,
        )
    step = _next_message(view, ledger, target, held.remote_id)
    return _refused_agent(uses, ledger) if step is None else step


def _changes(held: Sent, wanted: Payload, ledger: Ledger) -> Payload:
    """What of the chat is another now; not what was refused before, nor an agent unknown yet."""
    changes = {name: value for name, value in wanted.items() if held.payload.get(name) != value}
    if wanted["agent_id"] is None:
        changes.pop("agent_id", None)
    refused = ledger.get(f"{CHAT}#refused")
    return {} if refused is not None and refused.payload == changes else changes


def _next_message(
    view: Conversation, ledger: Ledger, target: Target, chat_id: str | None
) -> Step | Blocked | None:
    message = next((o for o in deliverable(view, target) if message_key(o) not in ledger), None)
    if message is None:
        return None
    author = agent_author(message)
    uses = None if author is None else agent_key(author, target)
    if author is not None and not author.is_known:
        # A message cannot be given its author later.
        reason = f"messages wait until it is known who agent {author.external_id} is"
        return Blocked(reason=reason, needs_person=False)
    if author is not None and uses not in ledger:
        return _agent_step(author, target)
    return _refused_agent(uses, ledger) or Step(
        action="post_message",
        key=message_key(message),
        sent=message_line(message, ledger, target),
        remote_id=chat_id,
        uses=uses,
    )


def _refused_agent(uses: str | None, ledger: Ledger) -> Blocked | None:
    """OurAPI has no such agent and will not have him; his messages are nobody else's."""
    if uses is None or ledger[uses].refused is None:
        return None
    return Blocked(reason=f"{uses} was refused: {ledger[uses].refused}", needs_person=True)


def _agent_step(agent: Participant, target: Target) -> Step:
    return Step(action="agent", key=agent_key(agent, target), sent=agent_line(agent, target))


def differs(view: Conversation, ledger: Ledger, target: Target) -> list[str]:
    """Messages that were edited, redacted or deleted after they were sent: nothing can be done."""
    now = {message_key(one): one for one in deliverable(view, target)}
    found = []
    for key, sent in ledger.items():
        if not is_message(key) or sent.refused is not None:
            continue
        if key not in now:
            found.append(f"{key} was deleted after it was sent")
        elif sent_text(now[key]) != sent.payload["text"]:
            what = "redacted" if now[key].is_redacted else "edited"
            found.append(f"{key} was {what} after it was sent")
    return found


async def perform(step: Step, target: Target, http: Http) -> Outcome:
    """One step."""
    match step.action:
        case "agent":
            return await _perform_agent(step, http)
        case "create_chat":
            answer = await http(_post("/chats", step.sent.payload))
            if answer.is_success:
                return _done(step, decode(answer, RemoteChat).chat_id)
        case "patch_chat":
            path = f"/chats/{step.remote_id}"
            answer = await http(Request(method="PATCH", path=path, json=step.changes))
            if answer.status == 204:
                done = _done(step, step.remote_id)
                return Learned(changes={**done.changes, f"{CHAT}#refused": None})
        case _:
            answer = await http(_post(f"/chats/{step.remote_id}/messages", step.sent.payload))
            if answer.is_success and decode(answer, RemoteChat).chat_id == step.remote_id:
                return _done(step, step.sent.remote_id)
    return _outcome(step, answer)


def _post(path: str, payload: Payload) -> Request:
    body = {name: value for name, value in payload.items() if value is not None}
    return Request(method="POST", path=path, json=body)


async def _perform_agent(step: Step, http: Http) -> Outcome:
    agents = await get(http, "/agents", list[RemoteAgent])
    found = adopted(step.sent, agents)
    if found is not None:
        return Learned(changes={step.key: found})
    email, name = step.sent.payload["email"], step.sent.payload["name"] or ""
    # A name that is taken by another e-mail address is another person.
    is_taken = any(one.name.strip().casefold() == name.strip().casefold() for one in agents)
    payload: Payload = {"name": f"{name} ({email})" if is_taken else name, "email": email}
    answer = await http(_post("/agents", payload))
    if not answer.is_success:
        return _outcome(step, answer)
    note = f"{name!r} is somebody else there; sent as {payload['name']!r}" if is_taken else None
    remote_id = decode(answer, RemoteAgent).agent_id
    return Learned(
        changes={step.key: Sent(payload=payload, remote_id=remote_id, note=note, is_shared=True)}
    )


def _outcome(step: Step, answer: Answer) -> Outcome:
    what = f"{answer.status} {answer.excerpt()}"
    if answer.is_success:  # a proxy's page, or half of the truth
        return Unclear(reason=f"not what OurAPI answers: {what}")
    if answer.status == 400 and step.uses is not None and "agent" in what.casefold():
        return Learned(changes={step.uses: None}, warning=f"the agent is gone: {what}")
    # 404 says "taken" on a POST of a chat, and "forgotten" on everything else: look which.
    if answer.status in {404, 409}:
        return Unclear(reason=what, may_be_done=False)
    if answer.status == 408 or answer.status >= 500:
        return Unclear(reason=what)
    raise_if_not_now(answer)
    return Refused(reason=what)


def _done(step: Step, remote_id: str | None) -> Learned:
    return Learned(changes={step.key: msgspec.structs.replace(step.sent, remote_id=remote_id)})


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
