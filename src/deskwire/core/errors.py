"""What can go wrong, classed by what to do next.

DeskwireError
├── RetryLater       back off, then try again
│   ├── NotSent      certainly not done: refused, unresolved, no TLS, throttled
│   └── NoAnswer     may have been done: time-out, reset, half an answer
├── GiveUp           trying again is useless: set aside, tell someone
│   └── Unreadable   an answer that is not what the contract says
├── LeaseLost        the work is somebody else's now: drop the result
└── Misconfigured    a person must mend the configuration; exit code 2
"""

from __future__ import annotations


class DeskwireError(Exception):
    """Anything deskwire raises on purpose; its text says what happened and what to do."""


class RetryLater(DeskwireError):
    """Back off, then try again."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds  #: the other side's wish; None: none


class NotSent(RetryLater):
    """The call certainly had no effect."""


class NoAnswer(RetryLater):
    """The call may have had its effect; nobody can tell without looking."""


class GiveUp(DeskwireError):
    """Trying again is useless."""


class Unreadable(GiveUp):
    """The other side answered something that its contract does not know."""


class LeaseLost(DeskwireError):
    """The lease on this work ended; whoever holds it now does it again."""


class Misconfigured(DeskwireError):
    """The configuration is wrong; one line per fault."""
