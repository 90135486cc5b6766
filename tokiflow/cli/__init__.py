"""The `tokiflow` command.

Its parts are imported only when they are used: `tokiflow run` wraps people's jobs and must start fast, and must
not need a database driver to do so.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

from tokiflow.errors import TokiflowError

COMMANDS: Mapping[str, str] = {
    "run": "tokiflow.cli.run:run",
    "up": "tokiflow.cli.up:up",
    "worker": "tokiflow.cli.worker:worker",
    "clock": "tokiflow.cli.clock:clock",
    "db": "tokiflow.cli.db:database",
    "api-key": "tokiflow.cli.api_key:api_key",
    "ping-key": "tokiflow.cli.ping_key:ping_key",
    "audit": "tokiflow.cli.audit:audit",
    "rollups": "tokiflow.cli.rollups:rollups",
    "secrets": "tokiflow.cli.secrets:secrets",
    "import": "tokiflow.cli.importing:restore",
    "demo": "tokiflow.cli.demo:demo",
}
"""Every command, and where it is: a module and the click command in it."""


class LazyGroup(click.Group):
    """A group that imports a command when somebody asks for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except TokiflowError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tokiflow")
def main() -> None:
    """Tokiflow watches scheduled jobs and tells the right people when one fails in silence."""
