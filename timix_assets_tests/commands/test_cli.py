"""The command line as a whole: its help and its version."""

import pytest
from click.testing import CliRunner

import timix_assets
from timix_assets.cli import main


@pytest.mark.parametrize("width", [80, 120])
def test_help_lists_every_command_uncut(width: int) -> None:
    shown = CliRunner().invoke(main, ["--help"], terminal_width=width).output
    for name, command in main.commands.items():
        assert f"{name} " in shown
        assert command.short_help in shown


def test_prints_version() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"timix-assets, version {timix_assets.__version__}\n"
