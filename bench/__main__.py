"""Measure figures and print them: `python -m bench [NAME …] [--json FILE]`. Nothing is asserted."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figure import Figure

NAMES = ("calls", "delay", "throughput", "idle", "gap", "writer", "ingest", "listing", "importing")
MARKS = {True: "✓", False: "✗", None: ""}


class Module(Protocol):
    """A module of this package that measures figures."""

    def measure(self) -> list[Figure]:
        """Measure them; takes up to some minutes."""
        ...


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    figures: list[Figure] = []
    for name in arguments.names or NAMES:
        found = cast("Module", import_module(f"bench.{name}")).measure()
        Console(width=150).print(table(name, found))
        figures += found
    if arguments.json is not None:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2))


def table(name: str, figures: list[Figure]) -> Table:
    """One line per figure of a module."""
    result = Table()
    for heading in (name, "measured", "peer or limit", "ratio", "goal", ""):
        result.add_column(heading, justify="left" if heading == name else "right")
    for one in figures:
        result.add_row(
            one.name,
            f"{_number(one.measured)} {one.unit}",
            "" if one.peer is None else f"{one.peer_name}: {_number(one.peer)}",
            "" if one.ratio is None else _number(one.ratio),
            "" if one.goal is None else str(one.goal),
            MARKS[one.is_met],
        )
    return result


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
