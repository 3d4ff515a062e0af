"""Signed messages of what happens to a conversation: standardwebhooks.com, version 1.

As read in November 2026.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from uuid import NAMESPACE_URL, uuid5

import msgspec
from standardwebhooks import Webhook

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
from deskwire.core.document import document
from deskwire.core.errors import NotSent
from deskwire.core.exchange import Http, Request, encode
from deskwire.core.instants import rfc3339
from deskwire.core.model import Conversation
from deskwire.destinations.webhook.options import CREATED, ENDED, UPDATED, Options

KEY = "state"
#: Seconds after the first attempt, and so on, as the standard has it.
SCHEDULE = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)


def plan(view: Conversation, ledger: Ledger, target: Target) -> Step | None:
    """The next message; many changes that were not told yet are one."""
    held = ledger.get(KEY)
    refused = ledger.get(f"{KEY}#refused", held)
    if (refused is not None and refused.refused is not None) or (held is None and view.is_erased):
        return None
    shown = _shown(view, target)
    fingerprint = _fingerprint(shown, target)
    event = _next_event(shown, held, fingerprint, target)
    if event is None:
        return None
    count = str(1 + int((held and held.payload["count"]) or 0))
    ended_at = None if shown.ended_at is None else rfc3339(shown.ended_at)
    payload: Payload = {
        "fingerprint": fingerprint,
        "ended_at": None if event == CREATED else ended_at,
        "count": count,
    }
    body = {
        "type": event,
        "timestamp": rfc3339(_happened_at(event, shown)),
        "data": document(shown, target.conversation_id),
    }
    # Of the body, too: one that was certainly not taken may say more in the next attempt.
    told = encode([target.name, target.conversation_id, count, encode(body)])
    message_id = f"msg_{uuid5(NAMESPACE_URL, f'deskwire:webhook:{told}').hex}"
    changes = {"id": message_id, "body": encode(body)}
    return Step(action=event, key=KEY, sent=Sent(payload=payload), changes=dict(changes))


def _shown(view: Conversation, target: Target) -> Conversation:
    if target.with_notes:
        return view
    public = tuple(one for one in view.messages if one.kind == "public")
    return msgspec.structs.replace(view, messages=public)


def _fingerprint(shown: Conversation, target: Target) -> str:
    """Of all but the instant of the last change: a note that does not leave changes that, too."""
    told = {**document(shown, target.conversation_id), "updated_at": None}
    return sha256(encode(told).encode()).hexdigest()


def _next_event(
    shown: Conversation, held: Sent | None, fingerprint: str, target: Target
) -> str | None:
    """What is to be told first; an event that is not wanted is told by the next that is."""
    wanted = _options(target).wanted
    told_end = held and held.payload["ended_at"]
    ended_at = None if shown.ended_at is None else rfc3339(shown.ended_at)
    if held is None and CREATED in wanted:
        return CREATED
    # A reopening that is not told shows in the next end.
    is_another_end = UPDATED not in wanted and told_end != ended_at
    if ended_at is not None and ENDED in wanted and (told_end is None or is_another_end):
        return ENDED
    is_new = held is None or held.payload["fingerprint"] != fingerprint
    return UPDATED if is_new and UPDATED in wanted else None


def _happened_at(event: str, shown: Conversation) -> datetime:
    if event == CREATED:
        return shown.started_at
    return shown.ended_at if event == ENDED and shown.ended_at is not None else shown.updated_at


def _options(target: Target) -> Options:
    assert isinstance(target.options, Options)
    return target.options


async def perform(step: Step, target: Target, http: Http) -> Outcome:
    """One message: the same id and bytes in every attempt, signed anew with every secret."""
    message_id, body = step.changes["id"], step.changes["body"]
    assert message_id is not None
    assert body is not None
    now = datetime.now(UTC)
    signers = [Webhook(secret) for secret in _options(target).signing_secrets]
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(one.sign(message_id, now, body) for one in signers),
    }
    request = Request(method="POST", path="", body=body.encode(), headers=headers, needs_body=False)
    answer = await http(request)
    if answer.is_success:
        return Learned(changes={KEY: step.sent})
    what = f"{answer.status} {answer.excerpt()}"
    if answer.status == 410:
        return Refused(reason=f"gone: {what}")
    if answer.status == 408 or answer.status >= 500:
        return Unclear(reason=what)
    raise NotSent(what, answer.retry_after_seconds())


destination = Destination(
    trigger="change",
    plan=plan,
    perform=perform,
    address="url",
    schedule=SCHEDULE,
    options=Options,
)
