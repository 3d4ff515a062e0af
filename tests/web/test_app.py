"""The web application, over HTTP."""

from __future__ import annotations

from pathlib import Path

import uvloop

from deskwire.pipeline.hub import Hub
from tests.web.serving import error, served

INTERCOM = (
    "/integrations/intercom/conversations",
    b'{"id": "1", "created_at": 1, "source": {"body": "Hello", "author": {"id": "u"}}}',
)


def test_a_hub_says_that_it_is_well_and_ready(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as client:
            assert await client.ask("/health") == (200, {"status": "ok"})
            assert await client.ask("/ready") == (200, {"status": "ready"})

    uvloop.run(story())


def test_a_hub_without_its_database_is_well_but_not_ready(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as client:
            replace_by_folder(client.hub, tmp_path / "deskwire.db")

            assert await client.ask("/health") == (200, {"status": "ok"})
            for path, body in (("/ready", None), ("/internal/conversations", None), INTERCOM):
                status, answer = await client.ask(path, body)
                assert (status, answer["error_code"]) == (503, "unavailable")

    uvloop.run(story())


def replace_by_folder(hub: Hub, file: Path) -> None:
    """Take the database away, and leave no place for a new one."""
    hub.database.engine.dispose()
    for one in file.parent.glob(f"{file.name}*"):
        one.unlink()
    file.mkdir()


def test_an_unknown_route_and_method_are_errors_of_the_usual_shape(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as client:
            assert await client.ask("/nowhere") == (404, error("not_found", "Not Found"))
            assert await client.ask("/health/") == (404, error("not_found", "Not Found"))
            not_allowed = error("method_not_allowed", "Method Not Allowed")
            assert await client.ask("/health", b"") == (405, not_allowed)
            path = "/integrations/intercom/conversations"
            assert await client.ask(path) == (405, not_allowed)

    uvloop.run(story())
