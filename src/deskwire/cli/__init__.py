"""The commands; thin: each says what it does, calls the pipeline, and prints."""

from __future__ import annotations

import logging
import sys

import typer

from deskwire.cli import importing, looking, operating, reporting, running, setting_up
from deskwire.cli.common import configure_logs
from deskwire.core.errors import DeskwireError, Misconfigured

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Every support conversation, from any desk, in one model, and any other system in step.",
)
for module in (running, setting_up, looking, reporting, importing, operating):
    module.add_to(app)


def main() -> None:
    """Run a command; errors are one line each and no traceback. 2: wrong usage or configuration."""
    configure_logs(logging.WARNING)
    try:
        app()
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except DeskwireError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
