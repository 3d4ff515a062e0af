"""The trigger "ended": a transcript is sent once, when a chat is over and quiet."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from deskwire import settings
from deskwire.pipeline.deliver import deliver
from deskwire.pipeline.desk import Changes, Desk
from deskwire.pipeline.gate import Gate
from deskwire.pipeline.hub import Hub
from deskwire.pipeline.intake import new_record
from deskwire.pipeline.marking import News, Reach
from deskwire.pipeline.normalise import apply, read
from deskwire.pipeline.reconcile import verify_all
from deskwire.pipeline.replay import replay
from deskwire.sandbox.run import serve
from deskwire.store import backlogs, deliveries, records, schema, upkeep, work
from deskwire.store.db import Connection
from deskwire.worker import calling
from tests.receiver import Receiver
from tests.stage import FAST, running, until

T = TypeVar("T")
TEN = datetime(2026, 1, 1, 10, tzinfo=UTC)
EARLIER = "Chat on 01 Jan 2026 10:00:\n\n"

CONFIG = """
[[source]]
name = "desk"
provider = "desk"
destinations = [{names}]
[[destination]]
name = "post"
kind = "transcript_post"
url = "{url}/chats"
{keys}
"""


class Scene:
    """A hub with a desk, and a client's system that gets the transcripts."""

    def __init__(self, folder: Path, receiver: Receiver, url: str) -> None:
        self.folder, self.receiver, self.url = folder, receiver, url

    def hub(self, keys: str = "quiet_seconds = 0", *, names: str = '"post"') -> Hub:
        file = self.folder / "deskwire.toml"
        file.write_text(CONFIG.format(names=names, url=self.url, keys=keys))
        hub = settings.open_hub(settings.load(file), FAST)
        schema.upgrade(hub.database)
        return hub


def on_stage(folder: Path, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        receiver = Receiver()
        async with serve(receiver.app()) as url:
            await story(Scene(folder, receiver, url))

    asyncio.run(run())


async def at_desk(hub: Hub, what: Callable[[Desk], T]) -> T:
    done = await hub.write(lambda c: what(Desk(hub, c)))
    hub.wake.set()
    return done


async def chat(hub: Hub, external_id: str = "c-1", ended_at: datetime | None = None) -> str:
    """A chat that an agent handles; its id."""

    def add(desk: Desk) -> str:
        known = {one.name for one in desk.agents()}
        if "Ana" not in known:
            desk.add_agent("Ana", "ana@example.org")
        agent = desk.agents()[0].external_id
        changes = Changes(agent=agent, ended_at=ended_at, customer_name="Zoë")
        return desk.add_chat(external_id, TEN, changes).id

    return await at_desk(hub, add)


async def write(hub: Hub, chat_id: str, text: str, minute: int) -> None:
    at = TEN.replace(minute=minute)
    await at_desk(hub, lambda desk: desk.add_message(chat_id, text, at, None))


async def end(hub: Hub, chat_id: str) -> None:
    await at_desk(hub, lambda desk: desk.end(chat_id))


async def change(hub: Hub, chat_id: str, **told: object) -> None:
    await at_desk(hub, lambda desk: desk.change_chat(chat_id, Changes(**told)))  # type: ignore[arg-type]


async def rest(hub: Hub) -> None:
    """Until nothing waits that is due."""
    idle = "SELECT count(*) FROM work WHERE dead_at IS NULL AND kind IN ('normalise', 'deliver')"

    def waiting(connection: Connection) -> int:
        found = connection.exec_driver_sql(f"{idle} AND due_at < ?", (hub.after(3600),))
        return int(found.scalar() or 0)

    await until(lambda: hub.database.read(waiting) == 0)


@asynccontextmanager
async def worked(hub: Hub) -> AsyncIterator[Hub]:
    async with running(hub):
        yield hub
        await rest(hub)


def test_a_chat_that_ends_is_sent_once(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub()) as hub:
            chat_id = await chat(hub)
            await write(hub, chat_id, "Hello", 1)
            await rest(hub)
            assert scene.receiver.posted == []
            await end(hub, chat_id)
            await rest(hub)
            await end(hub, chat_id)

        assert scene.receiver.contents == [f"{EARLIER}[10:01, Customer]: Hello"]

    on_stage(tmp_path, story)


def test_ending_a_chat_by_hand_waits_for_nothing_more(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub("quiet_seconds = 3000")) as hub:
            await end(hub, await chat(hub))

        assert len(scene.receiver.posted) == 1

    on_stage(tmp_path, story)


def test_messages_that_come_after_the_end_are_waited_for(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub("quiet_seconds = 0.5")) as hub:
            chat_id = await chat(hub, ended_at=TEN.replace(hour=11))
            for minute in range(1, 8):
                await asyncio.sleep(0.1)
                await write(hub, chat_id, "Hello", minute)

        lines = [f"[10:0{minute}, Customer]: Hello" for minute in range(1, 8)]
        assert scene.receiver.contents == [EARLIER + "\n".join(lines)]

    on_stage(tmp_path, story)


def test_a_later_message_is_not_sent_but_shown(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub()) as hub:
            chat_id = await chat(hub)
            await end(hub, chat_id)
            await rest(hub)
            await write(hub, chat_id, "One more thing", 5)
            await rest(hub)
            found = await hub.read(lambda c: deliveries.of_conversation(c, "main", chat_id))

        assert len(scene.receiver.posted) == 1
        assert found["post"][1] == "changed since the transcript was sent"

    on_stage(tmp_path, story)


def test_a_chat_that_is_opened_again_before_it_is_sent_is_sent_at_its_next_end(
    tmp_path: Path,
) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub("quiet_seconds = 0.3")) as hub:
            chat_id = await chat(hub, ended_at=TEN.replace(hour=11))
            await change(hub, chat_id, ended_at=None)
            await rest(hub)
            assert scene.receiver.posted == []
            await change(hub, chat_id, ended_at=TEN.replace(hour=12))

        assert len(scene.receiver.posted) == 1

    on_stage(tmp_path, story)


async def end_twice(hub: Hub) -> None:
    chat_id = await chat(hub, ended_at=TEN.replace(hour=11))
    await rest(hub)
    await change(hub, chat_id, ended_at=None)
    await rest(hub)
    await change(hub, chat_id, ended_at=TEN.replace(hour=12))
    await rest(hub)


def test_a_chat_that_ends_again_just_when_its_reopening_is_noted_is_sent(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        hub, held = scene.hub(), threading.Event()
        chat_id = await chat(hub, ended_at=TEN)
        await change(hub, chat_id, ended_at=None)
        [claim] = await hub.write(lambda c: work.claim(c, hub.now(), "deliver", "post", 1, 10**7))
        async with calling(hub):
            waiting = hub.write(lambda _connection: held.wait())
            noting = asyncio.create_task(deliver(hub, hub.outlets["post"], claim, Gate([], 0)))
            writing = asyncio.ensure_future(waiting)
            await asyncio.sleep(0.3)  # its view is of before the end, its commit comes after
            ending = asyncio.ensure_future(
                hub.write(lambda c: Desk(hub, c).end(chat_id), is_urgent=True)
            )
            await asyncio.sleep(0.1)
            held.set()
            await asyncio.gather(writing, noting, ending)

        async with running(hub):
            await until(lambda: len(scene.receiver.posted) == 1)

    on_stage(tmp_path, story)


def test_an_outage_that_ends_does_not_end_the_quiet_time_of_others(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        hub = scene.hub("quiet_seconds = 3600")
        chat_id = await chat(hub, ended_at=TEN)

        woken = await hub.write(lambda c: upkeep.wake_all(c, hub.now(), "deliver", "post"))

        [(due_at,)] = hub.database.read(
            lambda c: c.exec_driver_sql(
                "SELECT due_at FROM work WHERE kind = 'deliver' AND key = ?", (chat_id,)
            ).fetchall()
        )
        assert woken == 0
        assert due_at > hub.after(3500)
        hub.database.close()

    on_stage(tmp_path, story)


def test_a_chat_that_ends_again_is_not_sent_again(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub()) as hub:
            await end_twice(hub)

        assert len(scene.receiver.posted) == 1

    on_stage(tmp_path, story)


def test_with_again_every_end_is_sent_under_a_key_of_its_own(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub("quiet_seconds = 0\nagain = true")) as hub:
            await end_twice(hub)

        assert len({key for key, _ in scene.receiver.posted}) == 2

    on_stage(tmp_path, story)


def test_neither_a_replay_nor_a_reconcile_sends_it_again(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub()) as hub:
            await chat(hub, ended_at=TEN.replace(hour=11))
            await rest(hub)
            await asyncio.to_thread(replay, hub, hub.sources["desk"])
            await verify_all(hub, hub.outlets["post"])

        assert len(scene.receiver.posted) == 1

    on_stage(tmp_path, story)


def test_a_new_destination_is_not_sent_what_ended_before_it(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub(names="")) as hub:
            chat_id = await chat(hub, ended_at=TEN.replace(hour=11))
        async with worked(scene.hub()) as hub:
            await write(hub, chat_id, "One more thing", 5)
            await asyncio.to_thread(replay, hub, hub.sources["desk"])
            await chat(hub, "c-2", ended_at=TEN.replace(hour=11))

        assert scene.receiver.contents == [EARLIER.rstrip()]

    on_stage(tmp_path, story)


def test_what_ended_before_deliver_from_is_not_sent(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub("quiet_seconds = 0\ndeliver_from = 2026-01-02")) as hub:
            await chat(hub, "c-1", ended_at=datetime(2026, 1, 1, 23, 59, tzinfo=UTC))
            await chat(hub, "c-2", ended_at=datetime(2026, 1, 2, tzinfo=UTC))

        assert len(scene.receiver.posted) == 1

    on_stage(tmp_path, story)


def test_only_what_passes_the_filter_is_sent(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        keys = 'quiet_seconds = 0\nonly = {{ {} = ["email", "{}"] }}'
        async with worked(scene.hub(keys.format("channel", "sms"))) as hub:
            await chat(hub, ended_at=TEN)
        assert scene.receiver.posted == []
        async with worked(scene.hub(keys.format("channel", "chat"))) as hub:
            await chat(hub, "c-2", ended_at=TEN)

        assert len(scene.receiver.posted) == 1

    on_stage(tmp_path, story)


EXPORT = msgspec.json.encode(
    {
        "chats": [
            {
                "chat_id": 1,
                "customer_name": "Zoë",
                "created": "2026-01-01 10:00:00",
                "handle_start": "2026-01-01 10:00:00",
                "handle_end": "2026-01-01 11:00:00",
                "user_id": 1,
            }
        ]
    }
)


async def take_in(hub: Hub, reach: Reach) -> None:
    source = hub.sources["desk"]

    def keep(connection: Connection) -> None:
        record = new_record(source, "file", "a test", EXPORT, hub.now())
        records.keep(connection, source.workspace, record)
        said = read(source, record)
        apply(connection, hub.now(), source, record, said, News(reach=reach))

    await hub.write(keep)
    await rest(hub)


def test_an_import_sends_nothing_unless_it_is_told_to(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with worked(scene.hub()) as hub:
            await take_in(hub, "import")
            await take_in(hub, "replay")
            assert scene.receiver.posted == []
            await take_in(hub, "deliver")
            await take_in(hub, "deliver")

        assert len(scene.receiver.posted) == 1

    on_stage(tmp_path, story)


def test_an_attempt_that_failed_is_made_again_with_the_same_key(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.receiver.faults.probability, scene.receiver.faults.kinds = 1.0, ["error_after"]
        async with running(scene.hub()) as hub:
            chat_id = await chat(hub, ended_at=TEN)
            await until(lambda: len(scene.receiver.posted) > 2)
            await write(hub, chat_id, "Too late for this one", 5)
            await change(hub, chat_id, ended_at=TEN.replace(hour=12))
            scene.receiver.faults.probability = 0.0
            await rest(hub)

        assert len(set(scene.receiver.posted)) == 1

    on_stage(tmp_path, story)


def test_with_park_nobody_is_told_twice_before_a_person_says_so(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.receiver.faults.probability, scene.receiver.faults.kinds = 1.0, ["error_after"]
        keys = 'quiet_seconds = 0\non_unknown = "park"'
        async with running(scene.hub(keys)) as hub:
            await chat(hub, ended_at=TEN)
            await rest(hub)
            letters = await hub.read(lambda c: backlogs.dead_letters(c, "main", None))
            assert [one.target for one in letters] == ["post"]
            assert "'deskwire dead replay' sends it again" in str(letters[0].error)
            assert len(scene.receiver.posted) == 1

            scene.receiver.faults.probability = 0.0
            await write(hub, letters[0].key, "Too late", 5)  # no person says so
            await rest(hub)
            assert len(scene.receiver.posted) == 1

            await hub.write(lambda c: allow(c, hub, letters[0].key))
            hub.wake.set()
            await rest(hub)

        assert len(scene.receiver.posted) == 2
        assert len(set(scene.receiver.posted)) == 1

    on_stage(tmp_path, story)


def allow(connection: Connection, hub: Hub, key: str) -> None:
    deliveries.allow(connection, "main", "post", key)
    work.mark(connection, hub.now(), "main", "deliver", "post", key)


def test_with_park_a_person_allows_one_attempt(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        faults = scene.receiver.faults
        keys = 'quiet_seconds = 0\non_unknown = "park"'
        faults.probability, faults.kinds = 1.0, ["error_after"]
        async with running(scene.hub(keys)) as hub:
            chat_id = await chat(hub, ended_at=TEN)
            await rest(hub)

            faults.kinds = ["throttle"]  # certainly not done: it is still allowed
            await hub.write(lambda c: allow(c, hub, chat_id))
            hub.wake.set()
            await until(lambda: faults.injected["throttle"] > 0)
            faults.kinds, faults.delay_seconds = ["delay_after"], 60.0
            await until(lambda: len(scene.receiver.posted) == 2)
            [one] = await hub.read(lambda c: begun(c, chat_id))
            faults.probability = 0.0

        assert one is None  # whoever finds it after a kill asks again

    on_stage(tmp_path, story)


def begun(connection: Connection, chat_id: str) -> list[int | None]:
    query = "SELECT settle_until FROM deliveries WHERE conversation_id = ?"
    return [row[0] for row in connection.exec_driver_sql(query, (chat_id,))]


def test_what_is_refused_is_a_dead_letter(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.receiver.status = 422
        async with running(scene.hub()) as hub:
            await chat(hub, ended_at=TEN)
            await rest(hub)
            letters = await hub.read(lambda c: backlogs.dead_letters(c, "main", None))

        assert [one.error for one in letters] == ["refused: transcript"]

    on_stage(tmp_path, story)
