from __future__ import annotations

import ast
import os
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deskwire import destinations, providers, settings
from deskwire.cli import app
from deskwire.cli.setting_up import init
from deskwire.store import tables
from deskwire.web.app import create_app

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
#: Every page of ours; what tools leave behind has pages, too.
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "src/**/*.md", "bench/**/*.md")
    for page in ROOT.glob(pattern)
)
LEVELS = {"debug", "info", "warning", "error", "exception", "log"}

#: What any key takes, also those that take only secrets of Standard Webhooks.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"

FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PROOF = re.compile(r"`((?:tests|bench)/[\w/.]+)(?:::(\w+))?`")


def reference(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text()


def section(text: str, heading: str) -> str:
    """What is below a heading of the second rank."""
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"there is no section {heading}"
    return rest.partition("\n## ")[0]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the tables in a text, by the code in the first column."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {code.strip("`"): row for row in cells for code in CODE.findall(row[0])}


def sections_of_settings() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for name, field in settings.Settings.model_fields.items():
        of_list = typing.get_args(field.annotation)
        model = of_list[0] if of_list else field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        found[f"`[[{name}]]`" if of_list else f"`[{name}]`"] = model
    return found


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.default:
        case None:
            return "none"
        case bool():
            return f"`{str(field.default).lower()}`"
        case str():
            return f'`"{field.default}"`'
        case _:
            return f"`{field.default}`"


@pytest.mark.parametrize("heading", list(sections_of_settings()))
def test_every_setting_is_documented_with_its_default(heading: str) -> None:
    documented = rows(section(reference("configuration"), heading))
    fields = sections_of_settings()[heading].model_fields

    assert {name: row[1] for name, row in documented.items()} == {
        name: default_of(field) for name, field in fields.items()
    }


def kinds() -> Iterator[tuple[str, str, frozenset[str]]]:
    for name in providers.names():
        yield "Keys of a provider", name, frozenset(providers.load(name).options.__struct_fields__)
    for name in destinations.names():
        yield (
            "Keys of a destination",
            name,
            frozenset(destinations.load(name).options.__struct_fields__),
        )


@pytest.mark.parametrize(("heading", "name", "options"), list(kinds()))
def test_every_option_of_a_provider_or_destination_is_documented(
    heading: str, name: str, options: frozenset[str]
) -> None:
    item = section(reference("configuration"), heading).partition(f"- `{name}`")[2]

    assert item, f"{name} is not in {heading}"
    assert {f"`{option}`" for option in options} <= set(CODE.findall(item.partition("\n- ")[0]))


def commands() -> dict[str, set[str]]:
    """Every command's options, by its whole name."""
    found: dict[str, set[str]] = {}

    def walk(command: object, name: str) -> None:
        group: dict[str, object] = getattr(command, "commands", {})
        for word, below in group.items():
            walk(below, f"{name} {word}")
        if not group:
            options = [option for one in getattr(command, "params", []) for option in one.opts]
            found[name] = {option for option in options if option.startswith("--")}

    walk(typer.main.get_command(app), "deskwire")
    return found


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_and_option_is_documented_with_an_example(command: str) -> None:
    text = section(reference("commands"), f"`{command}`")

    assert rows(text).keys() == commands()[command]
    assert any(command in code for _, code in FENCE.findall(text))


def test_every_documented_command_is_there() -> None:
    headings = re.findall(r"^## `(deskwire [\w ]+)`$", reference("commands"), re.MULTILINE)

    assert sorted(headings) == sorted(commands())


def test_every_route_is_documented(tmp_path: Path) -> None:
    hub = settings.open_hub(
        settings.Settings(store=settings.StoreSettings(url=f"sqlite:///{tmp_path}/docs.db"))
    )
    try:
        paths = create_app(hub).openapi()["paths"]
    finally:
        hub.database.close()

    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    documented = rows(section(reference("http"), "Routes")).keys()
    assert documented == served | {"GET /openapi.json"}


def test_every_table_is_documented() -> None:
    there = {*tables.metadata.tables, "alembic_version"}

    assert rows(reference("database")).keys() == there


def events() -> set[str]:
    """What the code logs: every text that may be the first argument of a log call."""
    return {
        event
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for event in logged(node)
    }


def logged(call: ast.Call) -> list[str]:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in LEVELS:
        return []
    logger = ast.unparse(function.value)
    if logger != "log" and not logger.endswith(".log"):
        return []
    event = call.args[1 if function.attr == "log" else 0]
    names = [event.body, event.orelse] if isinstance(event, ast.IfExp) else [event]
    assert all(isinstance(name, ast.Constant) for name in names), ast.unparse(call)
    return [ast.literal_eval(name) for name in names]


def test_every_log_event_is_documented() -> None:
    assert rows(reference("logs")).keys() == events()


def anchors(page: Path) -> set[str]:
    headings = HEADING.findall(FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_relative_link_is_broken(page: Path) -> None:
    text = CODE.sub("", FENCE.sub("", page.read_text()))
    broken = []
    for link in LINK.findall(text):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        is_away = re.match(r"\w+:", link) is not None
        if not is_away and (not target.exists() or (anchor and anchor not in anchors(target))):
            broken.append(link)

    assert broken == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, found = set(), {ROOT / "README.md"}
    while found:
        page = found.pop()
        reached.add(page)
        for link in LINK.findall(FENCE.sub("", page.read_text())):
            target = (page.parent / link.partition("#")[0]).resolve()
            below = target.glob("*.md") if target.is_dir() else [target]
            found |= {one for one in below if one in PAGES} - reached

    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - reached == set()


def test_every_how_a_decision_is_enforced_is_told() -> None:
    silent = [
        page.name
        for page in ADRS
        if not re.search(r"^Enforced by\b.+", page.read_text(), re.MULTILINE)
    ]

    assert ADRS
    assert silent == []


@pytest.mark.parametrize("page", ADRS, ids=lambda page: page.stem)
def test_the_tests_that_enforce_a_decision_are_there(page: Path) -> None:
    text = page.read_text()
    proofs = PROOF.findall(text[text.rindex("Enforced by") :])
    missing = [
        f"{path}::{name}"
        for path, name in proofs
        if not (ROOT / path).exists() or (name and f"def {name}(" not in (ROOT / path).read_text())
    ]

    assert missing == []


def configurations() -> list[tuple[str, str]]:
    return [
        (str(page.relative_to(ROOT)), code)
        for page in PAGES
        if not page.is_relative_to(ROOT / "src")  # a manual shows its own table only
        for language, code in FENCE.findall(page.read_text())
        if language == "toml"
    ]


@pytest.mark.parametrize(("page", "code"), configurations())
def test_every_example_of_a_configuration_loads(
    page: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in re.findall(r"\$\{(\w+)\}", code):
        monkeypatch.setenv(variable, SECRET)
    file = tmp_path / "deskwire.toml"
    file.write_text(code)

    loaded = settings.load(file)

    assert loaded.source


def test_the_file_that_init_writes_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("DESKWIRE_")]:
        monkeypatch.delenv(variable)
    file = tmp_path / "deskwire.toml"

    init(file)

    loaded = settings.load(file)
    assert [one.provider for one in loaded.source] == ["bigchat"]
    assert [one.kind for one in loaded.destination] == ["our_api"]


def test_every_key_that_init_writes_is_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "deskwire.toml"
    init(file)
    text = file.read_text()
    known = {name for model in sections_of_settings().values() for name in model.model_fields}
    known |= {option for _, _, options in kinds() for option in options}
    optional = set(re.findall(r"^# (\w+) = ", text, re.MULTILINE))

    assert optional <= known
