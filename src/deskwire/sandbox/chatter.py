"""Make up the live conversations that BigChat reports."""

from collections import deque
from random import Random

from msgspec import Struct

NEW = 0.12  # per step, while there is room
LIVE_AT_MOST = 40
BEGAN_BEFORE = 1 / 15
EARLY_MESSAGE = 0.15
EARLY_END = 0.05
TRANSFER = 0.08
END = 0.12
LINGERS = 0.25  # goes on after its END
TWICE = 0.07
ECHO = 0.5  # of a message in an earlier answer that bears a second of this window
TEXTS = (
    "?",
    "k",
    "ok",
    "Hello",
    "  Hello, is anyone there?  ",
    "My order {number} has not arrived",
    "The code is {number}\nand it does not work\n\nWhat now?",
    "Thank you! 🙏",
    "👍",
    "Let me look at {number} for you.",
    "Können Sie mir die Rechnung {number} noch einmal schicken?",
    "\tOne moment, please ",
    "Anything else?",
)


class Event(Struct, frozen=True):
    """As BigChat answers it; it has no identity but its place."""

    conversation_id: int
    event_name: str  #: START, END, MESSAGE or TRANSFER
    event_at: int  #: Unix seconds, in the window that was asked for
    data: dict[str, str | int] | None


class Conversation(Struct, kw_only=True):
    """The truth about one conversation."""

    conversation_id: int
    started_at: int  #: Unix seconds; before every window when its START is never served
    first_advisor_id: int
    advisor_id: int  #: now, after the transfers
    seen_at: int  #: Unix seconds of its last event, for events in a believable order
    ended_at: int | None = None  #: Unix seconds of its latest END


class Chatter:
    """Conversations that go on from one answer to the next."""

    def __init__(
        self, random: Random, advisor_ids: list[int], first_id: int | None, *, senders: bool
    ) -> None:
        self.conversations: dict[int, Conversation] = {}
        self._random = random
        self._advisor_ids = advisor_ids
        self._senders = senders
        self._live: list[Conversation] = []
        self._recent: deque[Event] = deque(maxlen=100)
        self._next_id = random.randint(1_000, 9_999) if first_id is None else first_id

    def events(self, seconds: range, count: int) -> list[Event]:
        """About `count` new events (a few more at times) in these Unix seconds, in no order."""
        if not seconds or not count:
            return []
        repeatable = [event for event in self._recent if event.event_at in seconds]
        page = [self._random.choice(repeatable)] if repeatable and self._chance(ECHO) else []
        while len(page) < count:
            page += self._step(seconds)
        self._random.shuffle(page)
        self._recent.extend(event for event in page if event.event_name == "MESSAGE")
        return page

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _step(self, seconds: range) -> list[Event]:
        has_room = len(self._live) < LIVE_AT_MOST
        if not self._live or (has_room and self._chance(NEW)):
            return self._begin(seconds)
        return self._go_on(self._random.choice(self._live), seconds)

    def _begin(self, seconds: range) -> list[Event]:
        began_before = self._chance(BEGAN_BEFORE)
        advisor_id = self._random.choice(self._advisor_ids)
        before, within = (
            seconds.start - self._random.randint(60, 3600),
            self._random.choice(seconds),
        )
        conversation = Conversation(
            conversation_id=self._next_id,
            started_at=before if began_before else within,
            first_advisor_id=advisor_id,
            advisor_id=advisor_id,
            seen_at=seconds.start if began_before else within,
        )
        self._next_id += 1
        self.conversations[conversation.conversation_id] = conversation
        self._live.append(conversation)
        if began_before:
            return self._go_on(conversation, seconds)
        early = range(seconds.start, within)
        page = [Event(conversation.conversation_id, "START", within, None)]
        if early and self._chance(EARLY_MESSAGE):
            page.append(self._message(conversation, self._random.choice(early)))
        if early and self._chance(EARLY_END):
            page.append(self._end(conversation, self._random.choice(early)))
        return page

    def _go_on(self, conversation: Conversation, seconds: range) -> list[Event]:
        last = seconds[-1]
        rest = range(max(seconds.start, min(conversation.seen_at, last)), last + 1)
        conversation.seen_at = self._random.choice(rest)
        draw = self._random.random()
        if draw < TRANSFER:
            return [self._transfer(conversation)]
        if draw < TRANSFER + END:
            if not self._chance(LINGERS):
                self._live.remove(conversation)
            times = self._random.choices((1, 2, 3), (80, 15, 5))[0]
            return [self._end(conversation, self._random.choice(rest)) for _ in range(times)]
        return [self._message(conversation, conversation.seen_at)] * (
            2 if self._chance(TWICE) else 1
        )

    def _message(self, conversation: Conversation, at: int) -> Event:
        text = self._random.choice(TEXTS).format(number=self._random.randint(1_000, 99_999))
        message: dict[str, str | int] = {"message": text}
        if self._senders:
            message["sender"] = self._random.choice(("agent", "customer"))
        return Event(conversation.conversation_id, "MESSAGE", at, message)

    def _transfer(self, conversation: Conversation) -> Event:
        old, new = conversation.advisor_id, self._random.choice(self._advisor_ids)
        conversation.advisor_id = new
        advisors: dict[str, str | int] = {"old_advisor_id": old, "new_advisor_id": new}
        return Event(conversation.conversation_id, "TRANSFER", conversation.seen_at, advisors)

    def _end(self, conversation: Conversation, at: int) -> Event:
        conversation.ended_at = max(at, conversation.ended_at or at)
        return Event(conversation.conversation_id, "END", at, None)
