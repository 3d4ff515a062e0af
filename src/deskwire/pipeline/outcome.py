"""What an outcome means, and how it is told."""

from __future__ import annotations

import msgspec

from deskwire.core.destination import Learned, Ledger, Outcome, Refused, Sent, Step, Unclear
from deskwire.core.errors import GiveUp, RetryLater


def lost(ledger: Ledger, learned: Learned) -> list[str]:
    """Lines that were confirmed and are not there any more."""
    return [
        key
        for key, one in learned.changes.items()
        if one is None and key in ledger and ledger[key].refused is None
    ]


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
