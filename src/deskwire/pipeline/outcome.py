"""What an outcome means, and how it is told."""

from __future__ import annotations

import msgspec
from structlog.typing import FilteringBoundLogger as BoundLogger

from deskwire.core.destination import Learned, Ledger, Outcome, Refused, Sent, Step, Unclear
from deskwire.core.errors import GiveUp, RetryLater
from deskwire.store.deliveries import Attempt


def lost(ledger: Ledger, learned: Learned) -> list[str]:
    """Lines that were confirmed and are not there any more."""
    return [
        key
        for key, one in learned.changes.items()
        if one is None and key in ledger and ledger[key].refused is None
    ]


def found(learned: Learned) -> Learned:
    """Of a look only what is there."""
    there = {key: one for key, one in learned.changes.items() if one is not None}
    return Learned(changes=dict(there), warning=learned.warning)


def refusal(intent: Step, ledger: Ledger, outcome: Refused) -> Learned:
    """The line that remembers a refusal, so that the same is not asked again and again."""
    if intent.key not in ledger:
        line = msgspec.structs.replace(intent.sent, refused=outcome.reason)
        return Learned(changes={intent.key: line})
    line = Sent(payload=intent.changes, refused=outcome.reason)
    return Learned(changes={f"{intent.key}#refused": line})


def shows(learned: Outcome, step: Step | None) -> bool:
    """Whether a look found what the step was to make."""
    if step is None or not isinstance(learned, Learned):
        return step is None
    found = learned.changes.get(step.key)
    return found is not None and found.payload == step.sent.payload


def seen(outcome: Outcome | RetryLater | GiveUp, intent: Step | None) -> str:
    """What a look came to, in a word or two."""
    if not isinstance(outcome, Learned) or intent is None:
        return "seen" if isinstance(outcome, Learned) else word(outcome)
    return "found" if shows(outcome, intent) else "not found"


def tell(log: BoundLogger, outcome: Learned, attempt: Attempt, gone: list[str]) -> None:
    """The lines of the log for what was confirmed, found, or found gone."""
    log.info(
        "looked" if attempt.action == "read_back" else "delivered",
        action=attempt.action,
        key=attempt.key,
        milliseconds=attempt.milliseconds,
        found=[key for key, one in outcome.changes.items() if one is not None][:5],
    )
    if outcome.warning is not None:
        log.warning("look at this", warning=outcome.warning)
    if gone:
        log.warning("the destination forgot", lost=gone[:5], lines=len(gone))


def word(outcome: Outcome | RetryLater | GiveUp) -> str:
    match outcome:
        case Learned():
            return "confirmed"
        case Refused():
            return "refused"
        case Unclear():
            return "unclear"
        case GiveUp():
            return "given up"
        case _:
            return "not done"


def detail(outcome: Outcome | RetryLater | GiveUp) -> str | None:
    match outcome:
        case Learned():
            return outcome.warning
        case Refused() | Unclear():
            return outcome.reason
        case _:
            return str(outcome)
