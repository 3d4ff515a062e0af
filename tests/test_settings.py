"""The configuration file: what is read, and what is said of its faults."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from deskwire import providers, settings
from deskwire.cli.setting_up import TEMPLATE
from deskwire.core.errors import Misconfigured
from deskwire.reports import Calendar, Schedule
from deskwire.settings.shape import SourceSettings

KNOWN = ", ".join(providers.names())
WHOLE = """
[[source]]
name = "bigchat"
provider = "bigchat"
base_url = "http://127.0.0.1:1"
destinations = ["our-api"]

[[destination]]
name = "our-api"
kind = "our_api"
base_url = "http://127.0.0.1:2"
"""


def load(folder: Path, text: str) -> settings.Settings:
    file = folder / "deskwire.toml"
    file.write_text(text)
    return settings.load(file)


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(Misconfigured) as raised:
        load(folder, text)
    return [line.split("deskwire.toml: ")[1] for line in str(raised.value).splitlines()]


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    read = load(tmp_path, WHOLE)
    assert (read.source[0].poll_every_seconds, read.destination[0].concurrency) == (10.0, 1)


def test_the_database_is_beside_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, WHOLE).store.url == f"sqlite:///{tmp_path}/deskwire.db"


def test_a_path_from_the_root_stays_as_it_is(tmp_path: Path) -> None:
    text = f'[store]\nurl = "sqlite:///{tmp_path}/other/x.db"\n{WHOLE}'
    assert load(tmp_path, text).store.url == f"sqlite:///{tmp_path}/other/x.db"


def test_the_environment_overrides_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESKWIRE_SERVER__PORT", "8123")
    assert load(tmp_path, WHOLE).server.port == 8123


def test_the_environment_overrides_a_key_of_a_source_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESKWIRE_DESTINATION__OUR_API__CONCURRENCY", "3")
    assert load(tmp_path, WHOLE).destination[0].concurrency == 3


def test_a_variable_that_fits_nothing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESKWIRE_SOURCE__BIGCHATT__TOKEN", "x")
    assert faults(tmp_path, WHOLE) == [
        "DESKWIRE_SOURCE__BIGCHATT__TOKEN in the environment fits no key"
    ]


def test_a_secret_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIGCHAT_TOKEN", "s3cret")
    text = WHOLE.replace("base_url", 'token = "${BIGCHAT_TOKEN}"\nbase_url', 1)
    assert load(tmp_path, text).source[0].token == "s3cret"


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = WHOLE.replace("base_url", 'token = "${NO_SUCH_TOKEN}"\nbase_url', 1)
    assert faults(tmp_path, text) == [
        "source[1].token: the environment has no variable NO_SUCH_TOKEN"
    ]


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    text = """
        [server]
        port = 80000
        [[sorce]]
        name = "x"
        [[source]]
        name = "one"
        provider = "bigchatt"
        base_url = "http://127.0.0.1:1"
        destinations = ["nowhere"]
        [[source]]
        name = "one"
        provider = "bigchat"
        pol_every_seconds = 1
        [[destination]]
        kind = "our_api"
        base_url = "ftp://x"
    """
    assert faults(tmp_path, text) == [
        "server.port: Input should be less than or equal to 65535",
        "destination[1].name: is required",
        "destination[1].base_url: String should match pattern '^(https?://\\S+)?$'",
        "sorce: there is no such key; is it misspelt?",
        "source 'one' is there twice",
        f"source 'one': provider 'bigchatt' is unknown; there are: {KNOWN}",
        "source 'one': there is no key 'pol_every_seconds'; is it misspelt?",
        "source 'one': base_url is required",
        "source 'one': no [[destination]] defines 'nowhere'",
    ]


def test_what_is_right_beside_a_mistyped_value_is_checked_too(tmp_path: Path) -> None:
    text = """
        [server]
        host = "0.0.0.0"
        [[source]]
        name = "big chat"
        provider = "bigcat"
        base_url = "http://127.0.0.1:1"
        poll_every_seconds = -1
    """
    assert faults(tmp_path, text) == [
        "source[1].name: String should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'",
        "source[1].poll_every_seconds: Input should be greater than or equal to 0.1",
        "server.host: without API keys the hub answers on a loopback address only",
        f"source 'number-0': provider 'bigcat' is unknown; there are: {KNOWN}",
    ]


def test_what_is_no_toml_is_said_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in faults(tmp_path, "[store]\nurl = sqlite")[0]


def test_a_file_that_is_not_there_is_named_with_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="'deskwire init' writes one"):
        settings.load(tmp_path / "deskwire.toml")


SECOND_SOURCE = """
[[source]]
name = "other"
provider = "bigchat"
base_url = "http://127.0.0.1:3"
destinations = ["our-api"]
"""


def test_two_sources_into_one_destination_need_prefixes(tmp_path: Path) -> None:
    assert "need an external_id_prefix each" in faults(tmp_path, WHOLE + SECOND_SOURCE)[0]


def test_with_a_prefix_for_one_of_them_they_can_share_it(tmp_path: Path) -> None:
    text = WHOLE + 'external_id_prefix = { other = "o-" }\n' + SECOND_SOURCE
    hub = settings.open_hub(load(tmp_path, text))
    hub.database.close()
    prefixes = hub.outlets["our-api"].external_id_prefix
    assert (prefixes["bigchat"], prefixes["other"]) == ("", "o-")


SECOND_DESTINATION = """
[[destination]]
name = "again"
kind = "our_api"
base_url = "http://127.0.0.1:2/"
"""
INTO_BOTH = WHOLE.replace('["our-api"]', '["our-api", "again"]')


def test_two_destinations_that_are_one_system_need_prefixes(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, INTO_BOTH + SECOND_DESTINATION)
    assert fault == (
        "destinations 'our-api', 'again' are one system: what comes there from bigchat needs an "
        'external_id_prefix each, as in external_id_prefix = { "bigchat" = "x-" }'
    )


def test_two_destinations_that_are_one_system_can_have_prefixes(tmp_path: Path) -> None:
    second = SECOND_DESTINATION + 'external_id_prefix = "again-"\n'
    assert len(load(tmp_path, INTO_BOTH + second).destination) == 2


def test_two_destinations_on_different_systems_need_no_prefix(tmp_path: Path) -> None:
    second = SECOND_DESTINATION.replace(":2/", ":2/other")
    assert len(load(tmp_path, INTO_BOTH + second).destination) == 2


def test_a_source_and_its_destination_are_of_one_workspace(tmp_path: Path) -> None:
    text = WHOLE.replace("destinations =", 'workspace = "shop"\ndestinations =')
    [fault] = faults(tmp_path, text)
    assert fault == (
        "source 'bigchat' is of workspace 'shop', its destination 'our-api' of 'main': they must "
        "be of one"
    )


@pytest.mark.parametrize("second", ["output", "{folder}/output", "{folder}/other/../output"])
def test_two_destinations_do_not_write_into_one_directory(tmp_path: Path, second: str) -> None:
    text = "".join(
        f'[[destination]]\nname = "{name}"\nkind = "transcript_files"\ndirectory = "{where}"\n'
        for name, where in (("a", "output"), ("b", second.format(folder=tmp_path)))
    )
    assert faults(tmp_path, text) == [
        f"destinations a, b have one directory, {tmp_path}/output: each needs its own"
    ]


def test_the_template_of_init_is_a_whole_configuration(tmp_path: Path) -> None:
    assert [one.name for one in load(tmp_path, TEMPLATE).source] == ["bigchat"]


def test_a_database_that_is_not_there_yet_is_refused_by_name(tmp_path: Path) -> None:
    text = f'[store]\nurl = "postgresql://x@y/z"\n{WHOLE}'
    assert faults(tmp_path, text) == ["store.url: only sqlite:///… is there so far"]


def test_a_source_that_is_nowhere_is_asked_for_nothing() -> None:
    """BigChat can be asked; what is only handed in, as to the hub's own API, has nobody to ask."""
    handed_in = settings.Settings(
        store=settings.StoreSettings(url="sqlite:///:memory:"),
        source=[SourceSettings(name="handed-in", provider="bigchat")],
    )
    hub = settings.open_hub(handed_in)
    hub.database.close()

    provider = hub.sources["handed-in"].provider
    assert (provider.poll, provider.backfill, provider.detail, provider.people) == (None,) * 4


CLIENTS = """
[[source]]
name = "desk"
provider = "desk"
destinations = ["post", "files", "hooks"]
[[destination]]
name = "post"
kind = "transcript_post"
url = "https://crm.example.com/chats/"
headers = { X-Key = "${CRM_KEY}" }
deliver_from = 2026-11-01
[[destination]]
name = "files"
kind = "transcript_files"
directory = "output"
footer = "This chat took {handling_seconds} seconds to handle."
[[destination]]
name = "hooks"
kind = "webhook"
url = "https://crm.example.com/hooks"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
"""


def test_clients_are_configuration_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_KEY", "s3cret")
    hub = settings.open_hub(load(tmp_path, CLIENTS))
    hub.database.close()

    post, files = hub.outlets["post"], hub.outlets["files"]
    assert (post.base_url, post.headers) == ("https://crm.example.com/chats/", {"X-Key": "s3cret"})
    assert files.directory == f"{tmp_path}/output"
    ways = {way.destination: way for way in hub.sources["desk"].ways}
    assert {name: way.trigger for name, way in ways.items()} == {
        "post": "ended",
        "files": "ended",
        "hooks": "change",
    }
    assert ways["post"].deliver_from == 1_793_491_200_000_000


def test_sources_of_the_own_api_are_there_without_being_configured(tmp_path: Path) -> None:
    hub = settings.open_hub(load(tmp_path, ""))
    hub.database.close()

    assert {name: source.is_given for name, source in hub.sources.items()} == {
        "desk": True,
        "intercom": True,
        "spreadsheet": True,
    }


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('url = "https://crm.example.com/chats/"', "", "destination 'post': url is required"),
        ('"output"', '""', "destination 'files': directory is required"),
        (
            'directory = "output"',
            'directory = "output"\nurl = "https://a.example"',
            "destination 'files': url is not for transcript_files; it has directory",
        ),
        (
            "{handling_seconds}",
            "{handling_second}",
            "destination 'files': footer: {handling_second} must be one of {handling_seconds}",
        ),
        ('directory = "output"', 'directory = "output"\nzone = 3', "Expected `str`, got `int`"),
        ('"whsec_', '"', "destination 'hooks': secret, secrets: each must be whsec_"),
        ('provider = "desk"', 'provider = "intercom"', "source 'desk': this name is for what"),
        ("${CRM_KEY}", "${NO_KEY}", "destination[1].headers.X-Key: the environment has no"),
    ],
)
def test_what_is_wrong_with_a_client_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str, said: str
) -> None:
    monkeypatch.setenv("CRM_KEY", "s3cret")
    (fault,) = faults(tmp_path, CLIENTS.replace(before, after, 1))
    assert said in fault


def test_two_destinations_never_write_into_one_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_KEY", "s3cret")
    more = (
        '[[destination]]\nname = "more"\nkind = "transcript_files"\ndirectory = "./x/../output"\n'
    )
    (fault,) = faults(tmp_path, CLIENTS + more)
    assert fault.startswith("destinations files, more have one directory, ")


def test_reports_have_a_zone_and_schedules(tmp_path: Path) -> None:
    text = """
        [reports]
        zone = "Europe/London"
        [[schedule]]
        name = "uk"
        zone = "Europe/London"
        monday = ["13:00-17:30", "09:00-12:00"]
        sunday = ["22:00-24:00"]
        holidays = ["2026-12-25", 2026-12-28]
    """
    hub = settings.open_hub(load(tmp_path, text))
    hub.database.close()

    closed: tuple[tuple[int, int], ...] = ()
    assert hub.calendar == Calendar(
        zone="Europe/London",
        schedules={
            "uk": Schedule(
                zone="Europe/London",
                week=(((540, 720), (780, 1050)), *[closed] * 5, ((1320, 1440),)),
                holidays=frozenset({date(2026, 12, 25), date(2026, 12, 28)}),
            )
        },
    )


def test_every_fault_of_a_schedule_is_told(tmp_path: Path) -> None:
    text = """
        [reports]
        zone = "Europe/Nowhere"
        [[schedule]]
        name = "uk"
        zone = "../etc"
        monday = ["09:00-17:30", "17:00-18:00"]
        tuesday = ["9-5"]
        wednesday = ["09:00-12:00"]
        [[schedule]]
        name = "uk"
    """
    example = "write a name such as Europe/London or UTC"
    day = "write as in 09:00-17:30, at most to 24:00"
    assert faults(tmp_path, text) == [
        f"reports.zone: there is no time zone 'Europe/Nowhere'; {example}",
        f"schedule[1].zone: there is no time zone '../etc'; {example}",
        "schedule[1].monday: the stretches 09:00-17:30, 17:00-18:00 overlap",
        f"schedule[1].tuesday: '9-5' is no stretch of a day; {day}",
        "schedule 'uk' is there twice",
        "schedule 'uk' is open on no day; write as in monday = [\"09:00-17:30\"]",
    ]
