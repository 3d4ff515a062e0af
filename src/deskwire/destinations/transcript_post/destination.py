"""The transcript of a chat that is over, posted once to a URL."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from deskwire.core.destination import (
    Destination,
    Learned,
    Ledger,
    Outcome,
    Refused,
    Step,
    Target,
    Unclear,
)
from deskwire.core.errors import NotSent
from deskwire.core.exchange import Http, Request, encode
from deskwire.core.model import Conversation
from deskwire.core.transcript import TranscriptOptions, differs, due, key_of


def plan(view: Conversation, ledger: Ledger, target: Target) -> Step | None:
    """One POST for each closing that is to be told."""
    line = due(view, ledger, target)
    if line is None:
        return None
    told = [target.name, view.account, view.external_id, line.payload["closing"]]
    key = uuid5(NAMESPACE_URL, f"deskwire:transcript:{encode(told)}")
    return Step(action="post", key=key_of(target), sent=line, changes={"idempotency_key": str(key)})


async def perform(step: Step, target: Target, http: Http) -> Outcome:
    """The POST; any 2xx is success, whatever its body."""
    key = step.changes["idempotency_key"]
    assert key is not None
    answer = await http(
        Request(
            method="POST",
            path="",
            json={"content": step.sent.payload["content"]},
            headers={"Idempotency-Key": key},
            needs_body=False,
        )
    )
    if answer.is_success:
        return Learned(changes={step.key: step.sent})
    what = f"{answer.status} {answer.excerpt()}"
    if answer.status == 408 or answer.status >= 500:
        return Unclear(reason=what)
    if answer.status in {401, 403, 429} or answer.status < 400:
        raise NotSent(what, answer.retry_after_seconds())
    return Refused(reason=what)


destination = Destination(
    trigger="ended",
    plan=plan,
    perform=perform,
    differs=differs,
    address="url",
    options=TranscriptOptions,
)
