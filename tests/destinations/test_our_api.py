import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire import destinations
from deskwire.core.destination import Learned, Ledger, Refused, Sent, Step, Target, Unclear
from deskwire.core.errors import NoAnswer, NotSent
from deskwire.core.exchange import Answer, Http, Request
from deskwire.core.instants import parse_instant
from deskwire.core.model import Assignment, Conversation, Kind, Message, Participant
from deskwire.pipeline.http import Caller
from deskwire.sandbox.ourapi import Agent, Chat, OurAPI
from deskwire.sandbox.run import serve

Identity = tuple[str, str, bool]
OUR_API = destinations.load("our_api")
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
TARGET = Target(name="our-api", source="bigchat")
ANA = Participant(external_id="7", role="agent", name="Ana", email="Ana@example.org")
BEN = Participant(external_id="8", role="agent", name="Ben", email="ben@example.org")
CUSTOMER = Participant(external_id="customer", role="customer")
ANA_STEP = Step(
    action="agent",
    key="agent:ana@example.org",
    sent=Sent(payload={"name": "Ana", "email": "Ana@example.org"}, is_shared=True),
)


def wrote(
    key: str,
    text: str,
    author: Participant | None = None,
    second: int = 1,
    kind: Kind = "public",
    *,
    is_redacted: bool = False,
) -> Message:
    return Message(
        external_id=key,
        author=author,
        sent_at=START + timedelta(seconds=second),
        text=text,
        kind=kind,
        is_redacted=is_redacted,
    )


def chat(
    *messages: Message, agent: Participant | None = None, ended_at: datetime | None = None
) -> Conversation:
    handled = Assignment(agent=agent, team=None, from_at=START, to_at=ended_at)
    return Conversation(
        provider="bigchat",
        account="bigchat",
        external_id="101",
        channel="chat",
        subject=None,
        status="open" if ended_at is None else "closed",
        started_at=START,
        handle_started_at=None,
        ended_at=ended_at,
        updated_at=START,
        customer=None,
        participants=(),
        messages=messages,
        assignments=() if agent is None else (handled,),
        tags=(),
        topic=None,
        rating=None,
        attributes={},
        merged_into=None,
    )


class Courier:
    """Carries as the pipeline would, with its ledger in memory."""

    def __init__(self, http: Caller, target: Target, ledger: Ledger | None = None) -> None:
        self.http, self.target, self.ledger = http, target, dict(ledger or {})
        self.warnings: list[str] = []

    async def deliver(self, view: Conversation) -> None:
        """Until nothing is missing; what is unclear is looked at."""
        for _ in range(100):
            step = OUR_API.plan(view, self.ledger, self.target)
            if not isinstance(step, Step):
                return
            try:
                outcome = await OUR_API.perform(step, TARGET, self.http)
            except NoAnswer as error:
                outcome = Unclear(reason=str(error))
            match outcome:
                case Learned():
                    self.learn(outcome)
                case Refused():
                    self.ledger[step.key] = msgspec.structs.replace(
                        step.sent, refused=outcome.reason
                    )
                case Unclear():
                    await self.look(view, step)
        raise AssertionError(f"it goes on for ever: {step}")

    async def look(self, view: Conversation, step: Step | None = None) -> Learned:
        assert OUR_API.read_back is not None
        learned = await OUR_API.read_back(view, self.ledger, self.target, step, self.http)
        self.learn(learned)
        return learned

    def learn(self, learned: Learned) -> None:
        self.warnings += [learned.warning] if learned.warning else []
        for key, sent in learned.changes.items():
            self.ledger.pop(key, None)
            if sent is not None:
                self.ledger[key] = sent


Scene = Callable[[Courier], Awaitable[object]]


def play(
    api: OurAPI, scene: Scene, target: Target = TARGET, ledger: Ledger | None = None
) -> Courier:
    """A scene in which a courier meets OurAPI over a real socket."""

    async def run() -> Courier:
        async with serve(api.app()) as url, aiohttp.ClientSession() as session:
            courier = Courier(Caller(session, url, {}, timeout_seconds=2), target, ledger)
            await scene(courier)
            return courier

    return asyncio.run(run())


def delivered(
    api: OurAPI, *views: Conversation, target: Target = TARGET, ledger: Ledger | None = None
) -> Courier:
    """Each view in its turn, as a conversation goes on."""

    async def scene(courier: Courier) -> None:
        for view in views:
            await courier.deliver(view)

    return play(api, scene, target, ledger)


def posted(api: OurAPI) -> list[str]:
    """The texts that are there, in the order they came in."""
    return [one.text for messages in api.messages.values() for one in messages]


def authors(api: OurAPI) -> list[str | None]:
    names = {key: agent.name for key, agent in api.agents.items()}
    stored = [one.agent_id for messages in api.messages.values() for one in messages]
    return [names[one] if one is not None else None for one in stored]


def agents(api: OurAPI) -> list[tuple[str, str]]:
    return [(one.name, one.email) for one in api.agents.values()]


def the_chat(api: OurAPI) -> Chat:
    [only] = api.chats.values()
    return only


def with_agents(*there: tuple[str, str]) -> OurAPI:
    api = OurAPI()
    api.agents = {f"id-{name}": Agent(f"id-{name}", name, email) for name, email in there}
    return api


def notes(courier: Courier) -> dict[str, str]:
    return {key: sent.note for key, sent in courier.ledger.items() if sent.note is not None}


def breaking(api: OurAPI, kind: str) -> None:
    """From now on every call goes wrong in this way."""
    api.faults.probability, api.faults.kinds = 1.0, (kind,)


def mended(api: OurAPI) -> None:
    api.faults.probability = 0.0


def test_a_chat_arrives_with_its_agent_and_its_messages() -> None:
    api = OurAPI()
    end = START + timedelta(seconds=9)

    delivered(api, chat(wrote("a", "Hi"), wrote("b", "Yes?", ANA), agent=ANA, ended_at=end))

    [agent_id] = api.agents
    assert the_chat(api) == Chat(
        chat_id=the_chat(api).chat_id,
        external_id="101",
        started_at="2026-11-01T12:00:00",
        ended_at="2026-11-01T12:00:09",
        agent_id=agent_id,
    )
    assert (agents(api), posted(api)) == ([("Ana", "Ana@example.org")], ["Hi", "Yes?"])
    assert authors(api) == [None, "Ana"]


def test_what_was_delivered_is_not_delivered_again() -> None:
    api, view = OurAPI(), chat(wrote("a", "Hi"), agent=ANA)

    delivered(api, view, view)

    assert len(api.log) == 3


def test_a_prefix_keeps_the_chats_of_two_sources_apart() -> None:
    api = OurAPI()

    delivered(api, chat(), target=Target(name="our-api", source="bigchat", external_id_prefix="b-"))

    assert the_chat(api).external_id == "b-101"


def test_an_agent_is_found_by_the_email_in_whatever_case() -> None:
    api = with_agents(("Anna", "ANA@example.ORG"))

    delivered(api, chat(agent=ANA))

    assert agents(api) == [("Anna", "ANA@example.ORG")]
    assert the_chat(api).agent_id == "id-Anna"


def test_a_name_that_another_email_bears_is_another_person() -> None:
    api = with_agents(("ana", "other@example.org"))

    courier = delivered(api, chat(agent=ANA))

    assert agents(api)[1] == ("Ana (Ana@example.org)", "Ana@example.org")
    assert notes(courier) == {
        "agent:ana@example.org": "'Ana' is somebody else there; sent as 'Ana (Ana@example.org)'"
    }


def test_two_agents_of_one_name_stay_two() -> None:
    api = OurAPI()
    other = Participant(external_id="9", role="agent", name="Ana", email="other@example.org")

    delivered(api, chat(agent=ANA), chat(agent=other))

    assert agents(api) == [
        ("Ana", "Ana@example.org"),
        ("Ana (other@example.org)", "other@example.org"),
    ]


@pytest.mark.parametrize(
    ("name", "sent"), [(None, "42"), ("A", "A (42@bigchat.invalid)"), ("Al", "Al")]
)
def test_an_agent_without_an_email_gets_one_that_nobody_can_have(
    name: str | None, sent: str
) -> None:
    api = OurAPI()

    delivered(api, chat(agent=Participant(external_id="42", role="agent", name=name)))

    assert agents(api) == [(sent, "42@bigchat.invalid")]


def test_agents_of_two_sources_with_one_id_and_no_email_are_two() -> None:
    api, view = OurAPI(), chat(agent=Participant(external_id="42", role="agent", name="Al"))
    shop = Target(name="our-api", source="shop", external_id_prefix="s-")

    first = delivered(api, view)
    shared = {key: sent for key, sent in first.ledger.items() if sent.is_shared}
    delivered(api, view, target=shop, ledger=shared)

    assert agents(api) == [
        ("Al", "42@bigchat.invalid"),
        ("Al (42@shop.invalid)", "42@shop.invalid"),
    ]


def test_of_two_agents_there_with_one_email_the_exact_one_is_taken_and_noted() -> None:
    api = with_agents(("One", "ana@EXAMPLE.org"), ("Two", "Ana@example.org"))

    courier = delivered(api, chat(agent=ANA))

    assert the_chat(api).agent_id == "id-Two"
    assert notes(courier) == {
        "agent:ana@example.org": "2 agents there bear Ana@example.org; took Ana@example.org"
    }


def test_a_taken_external_id_is_adopted_with_the_messages_that_are_there() -> None:
    api, view = OurAPI(), chat(wrote("a", "Hi"), wrote("b", "?"), agent=ANA)
    delivered(api, view)

    courier = delivered(api, chat(*view.messages, wrote("c", "New"), agent=ANA))

    assert (len(api.chats), posted(api)) == (1, ["Hi", "[?]", "New"])
    assert notes(courier) == {"message:b": "'?' sent as '[?]'"}


@pytest.mark.parametrize("there", [0, 1, 2, 3])
def test_a_chat_is_adopted_with_the_messages_of_its_agents_by_an_empty_ledger(there: int) -> None:
    view = chat(wrote("a", "Hi"), wrote("b", "Yes?", BEN), wrote("c", "No", ANA), agent=ANA)
    api = OurAPI()
    delivered(api, chat(agent=BEN), chat(*view.messages[:there], agent=ANA))

    courier = delivered(api, view)

    assert (len(api.chats), posted(api)) == (1, ["Hi", "Yes?", "No"])
    assert authors(api) == [None, "Ben", "Ana"]
    assert courier.ledger["agent:ben@example.org"].is_shared


def test_a_customers_message_is_not_taken_for_that_of_an_agent_who_is_not_there() -> None:
    api = OurAPI()
    delivered(api, chat(wrote("a", "Hi")))

    courier = delivered(api, chat(wrote("b", "Hi", ANA), wrote("a", "Hi")))

    assert sorted(authors(api), key=str) == ["Ana", None]
    assert courier.ledger["message:a"].payload["agent_id"] is None


@pytest.mark.parametrize("status", [404, 409])
def test_a_refusal_that_contradicts_what_we_believe_is_looked_into(status: int) -> None:
    assert answered(status) == Unclear(reason=f"{status} Taken", may_be_done=False)


@pytest.mark.parametrize("status", [408, 500, 502])
def test_a_failure_over_there_may_have_had_its_effect(status: int) -> None:
    assert answered(status) == Unclear(reason=f"{status} Taken")


@pytest.mark.parametrize(
    ("text", "sent", "note"),
    [
        ("k", "[k]", "'k' sent as '[k]'"),
        (" ? ", "[?]", "'?' sent as '[?]'"),
        ("👋", "[👋]", "'👋' sent as '[👋]'"),
        ("", "[no text]", "'' sent as '[no text]'"),
        (" \n", "[no text]", "'' sent as '[no text]'"),
        (" ok ", "ok", None),
    ],
)
def test_a_text_that_is_too_short_is_sent_in_brackets(
    text: str, sent: str, note: str | None
) -> None:
    api = OurAPI()

    courier = delivered(api, chat(wrote("a", text)))

    assert (posted(api), courier.ledger["message:a"].note) == ([sent], note)


def test_two_equal_messages_in_one_second_are_two() -> None:
    api = OurAPI()

    delivered(api, chat(wrote("a", "ok"), wrote("b", "ok")))

    assert posted(api) == ["ok", "ok"]


@pytest.mark.parametrize("there", [0, 1, 2])
def test_reading_back_counts_equal_messages(there: int) -> None:
    api, view = OurAPI(), chat(wrote("a", "ok"), wrote("b", "ok"))

    async def scene(courier: Courier) -> None:
        await courier.deliver(view)
        del api.messages[the_chat(api).chat_id][there:]
        await courier.look(view)

    courier = play(api, scene)

    assert [key for key in courier.ledger if key != "chat"] == ["message:a", "message:b"][:there]


@pytest.mark.parametrize("fault", ["cut_after", "error_after", "half"])
def test_a_message_whose_answer_was_lost_is_found_and_not_sent_again(fault: str) -> None:
    api, view = OurAPI(), chat(wrote("a", "Hi"), wrote("b", "k"))

    courier = play(api, lambda courier: with_a_lost_answer(api, courier, view, fault))

    assert posted(api) == ["Hi", "[k]"]
    assert courier.ledger["message:a"].payload["text"] == "Hi"


def test_a_message_that_was_edited_after_its_answer_was_lost_is_found_as_it_was_sent() -> None:
    api, edited = OurAPI(), chat(wrote("a", "Hello"))

    courier = play(
        api, lambda courier: with_a_lost_answer(api, courier, chat(wrote("a", "Hi")), view=edited)
    )

    assert posted(api) == ["Hi"]
    assert differing(edited, courier) == ["message:a was edited after it was sent"]


def test_a_message_that_never_arrived_is_sent_again() -> None:
    api, view = OurAPI(), chat(wrote("a", "Hi"))

    play(api, lambda courier: with_a_lost_answer(api, courier, view, "cut_before"))

    assert posted(api) == ["Hi"]


async def with_a_lost_answer(
    api: OurAPI,
    courier: Courier,
    sent: Conversation,
    fault: str = "cut_after",
    view: Conversation | None = None,
) -> None:
    """The chat is there; the answer to its first message is lost; then `view` is delivered."""
    await courier.deliver(chat())
    step = OUR_API.plan(sent, courier.ledger, courier.target)
    assert isinstance(step, Step)
    breaking(api, fault)
    with nullcontext() if fault == "error_after" else pytest.raises(NoAnswer):
        await OUR_API.perform(step, TARGET, courier.http)
    mended(api)
    await courier.look(view or sent, step)
    await courier.deliver(view or sent)


def test_an_agent_whose_answer_was_lost_is_found() -> None:
    api = OurAPI()

    async def scene(courier: Courier) -> None:
        breaking(api, "error_after")
        with pytest.raises(Exception, match="500"):
            await OUR_API.perform(ANA_STEP, TARGET, courier.http)
        mended(api)
        await courier.deliver(chat(agent=ANA))

    play(api, scene)

    assert agents(api) == [("Ana", "Ana@example.org")]


def test_what_was_forgotten_is_learned_and_built_again() -> None:
    api, view = OurAPI(), chat(wrote("a", "ok", BEN), wrote("b", "ok"), agent=ANA)
    learned: list[Learned] = []

    async def scene(courier: Courier) -> None:
        await courier.deliver(view)
        api.forget()
        learned.append(await courier.look(view))
        await courier.deliver(view)

    play(api, scene)

    gone = ["agent:ana@example.org", "agent:ben@example.org", "chat", "message:a", "message:b"]
    assert learned == [Learned(changes=dict.fromkeys(gone))]
    assert (posted(api), authors(api)) == (["ok", "ok"], ["Ben", None])
    assert the_chat(api).agent_id == next(iter(api.agents))


def test_a_message_for_a_forgotten_chat_builds_it_all_again() -> None:
    api, view = OurAPI(), chat(wrote("a", "Hi"), agent=ANA)

    async def scene(courier: Courier) -> None:
        await courier.deliver(view)
        api.forget()
        await courier.deliver(chat(*view.messages, wrote("b", "There?"), agent=ANA))

    play(api, scene)

    assert (agents(api), posted(api)) == ([("Ana", "Ana@example.org")], ["Hi", "There?"])


def test_an_agent_who_is_gone_is_created_again() -> None:
    api, view = OurAPI(), chat(wrote("a", "Hi", ANA), agent=ANA)

    async def scene(courier: Courier) -> None:
        await courier.deliver(chat(agent=ANA))
        api.agents.clear()
        await courier.deliver(view)

    courier = play(api, scene)

    assert (posted(api), authors(api)) == (["Hi"], ["Ana"])
    assert the_chat(api).agent_id == next(iter(api.agents))
    detail = '400 {"detail":"That agent does not exist."}'
    assert courier.warnings == [f"the agent is gone: {detail}"]


def test_an_end_is_delivered_and_taken_back() -> None:
    api, ends = OurAPI(), []
    end = START + timedelta(seconds=9)

    async def scene(courier: Courier) -> None:
        for view in (chat(), chat(ended_at=end), chat()):
            await courier.deliver(view)
            ends.append(the_chat(api).ended_at)

    play(api, scene)

    assert ends == [None, "2026-11-01T12:00:09", None]


def test_a_transfer_changes_the_chats_agent_only() -> None:
    api = OurAPI()

    delivered(api, chat(agent=ANA), chat(agent=BEN))

    effects = [(one.method, one.route) for one in api.log[2:]]
    assert effects == [("POST", "/agents"), ("PATCH", "/chats/{chat_id}")]
    assert api.agents[str(the_chat(api).agent_id)].name == "Ben"


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (chat(wrote("a", "Hello")), ["message:a was edited after it was sent"]),
        (
            chat(wrote("a", "[redacted]", is_redacted=True)),
            ["message:a was redacted after it was sent"],
        ),
        (chat(), ["message:a was deleted after it was sent"]),
        (chat(wrote("a", " Hi ")), []),
    ],
)
def test_a_message_that_changed_after_it_was_sent_differs_and_is_not_posted_again(
    after: Conversation, said: list[str]
) -> None:
    api = OurAPI()

    courier = delivered(api, chat(wrote("a", "Hi")), after)

    assert (differing(after, courier), posted(api)) == (said, ["Hi"])


def differing(view: Conversation, courier: Courier) -> list[str]:
    assert OUR_API.differs is not None
    return OUR_API.differs(view, courier.ledger, courier.target)


@pytest.mark.parametrize(("with_notes", "there"), [(False, ["Hi"]), (True, ["Hi", "Psst"])])
def test_notes_leave_only_when_they_are_wanted(with_notes: bool, there: list[str]) -> None:
    api = OurAPI()
    view = chat(wrote("a", "Hi"), wrote("b", "Psst", ANA, kind="note"))

    delivered(api, view, target=Target(name="our-api", source="bigchat", with_notes=with_notes))

    assert posted(api) == there


@pytest.mark.parametrize(
    ("author", "there"),
    [
        (None, None),
        (CUSTOMER, None),
        (Participant(external_id="5"), None),
        (ANA, "Ana"),
        (Participant(external_id="6", role="bot", name="Robo"), "Robo"),
    ],
)
def test_only_our_side_is_an_agent_there(author: Participant | None, there: str | None) -> None:
    api = OurAPI()

    delivered(api, chat(wrote("a", "Hi", author)))

    assert authors(api) == [there]


def test_a_message_waits_until_its_author_is_known() -> None:
    api = OurAPI()
    stranger = Participant(external_id="7", role="agent", is_known=False)

    delivered(api, chat(wrote("a", "Hi"), wrote("b", "Yes?", stranger), wrote("c", "Hello?")))

    assert posted(api) == ["Hi"]


def test_a_chat_does_not_wait_for_its_agent_to_be_known() -> None:
    api = OurAPI()

    delivered(api, chat(agent=Participant(external_id="7", role="agent", is_known=False)))

    assert the_chat(api).agent_id is None


@pytest.mark.parametrize("status", [301, 401, 403, 429])
def test_a_status_that_may_go_away_was_certainly_not_done(status: int) -> None:
    with pytest.raises(NotSent, match=str(status)) as raised:
        answered(status, {"retry-after": "30"})

    assert raised.value.retry_after_seconds == 30


@pytest.mark.parametrize("status", [400, 405, 413, 422])
def test_a_status_that_judges_the_body_is_a_refusal(status: int) -> None:
    assert answered(status) == Refused(reason=f"{status} Taken")


def answered(status: int, headers: dict[str, str] | None = None) -> object:
    """What is made of an answer to the creation of a chat."""

    async def http(request: Request) -> Answer:
        return Answer(status=status, body=b"Taken", headers=headers or {})

    step = OUR_API.plan(chat(), {}, TARGET)
    assert isinstance(step, Step)
    return asyncio.run(_outcome(step, http))


async def _outcome(step: Step, http: Http) -> object:
    return await OUR_API.perform(step, TARGET, http)


def test_a_message_that_was_refused_is_not_tried_again_and_holds_up_no_other() -> None:
    api = OurAPI()
    refused = Sent(payload={"text": "Hi"}, refused="422 No")

    delivered(api, chat(wrote("a", "Hi"), wrote("b", "There?")), ledger={"message:a": refused})

    assert posted(api) == ["There?"]


def test_whether_a_chat_is_still_there_can_be_asked() -> None:
    api, found = OurAPI(), []

    async def scene(courier: Courier) -> None:
        assert OUR_API.remembers is not None
        await courier.deliver(chat())
        line = courier.ledger["chat"]
        found.append(await OUR_API.remembers("chat", line, courier.http))
        api.forget()
        found.append(await OUR_API.remembers("chat", line, courier.http))

    play(api, scene)

    assert found == [True, False]


message_lists = st.lists(
    st.builds(
        lambda text, second, author: (text, second, author),
        st.sampled_from(["ok", "k", ""]),
        st.integers(0, 1),
        st.sampled_from([None, ANA]),
    ),
    max_size=6,
)


@given(message_lists, st.data())
def test_whatever_the_other_side_holds_it_ends_with_exactly_what_is_wanted(
    wanted: list[tuple[str, int, Participant | None]], data: st.DataObject
) -> None:
    view = chat(*[wrote(str(n), t, a, s) for n, (t, s, a) in enumerate(wanted)], agent=ANA)
    keep = data.draw(st.lists(st.booleans(), min_size=len(wanted), max_size=len(wanted)))
    know = data.draw(st.lists(st.booleans(), min_size=len(wanted), max_size=len(wanted)))

    forgets_agents = data.draw(st.booleans())
    api = OurAPI()

    async def scene(courier: Courier) -> None:
        """OurAPI lost what is not kept; the ledger has no line of what is not known."""
        await courier.deliver(view)
        everything, there = identities(api), api.messages.get(the_chat(api).chat_id, [])
        there[:] = [one for one, stays in zip(there, keep, strict=True) if stays]
        for number in range(len(wanted)):
            if not know[number]:
                del courier.ledger[f"message:{number}"]
        if forgets_agents:
            courier.ledger.pop("agent:ana@example.org")
        await courier.look(view)
        await courier.deliver(view)
        assert Counter(identities(api)) == Counter(everything)
        assert is_in_order(identities(api)[sum(keep) :], everything)

    play(api, scene)


def identities(api: OurAPI) -> list[Identity]:
    return [
        (one.text, one.sent_at, one.agent_id is not None)
        for messages in api.messages.values()
        for one in messages
    ]


def is_in_order(some: list[Identity], everything: list[Identity]) -> bool:
    """Whether they are in the same order as there, with others between them."""
    rest = iter(everything)
    return all(one in rest for one in some)


def test_instants_without_a_zone_are_read_as_utc() -> None:
    api = OurAPI()

    courier = play(api, looked_up)

    started_at = courier.ledger["chat"].payload["started_at"]
    assert parse_instant(str(started_at)) == START


async def looked_up(courier: Courier) -> None:
    await courier.deliver(chat())
    courier.ledger.clear()
    await courier.look(chat())
