"""What `import timix_assets` offers, and what it costs."""

import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files

import pytest

import timix_assets


def test_import_is_cheap() -> None:
    code = "import sys, timix_assets; print([name for name in ('httpx', 'polars', 'dagster') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_client_needs_neither_dagster_nor_polars() -> None:
    code = "import sys; from timix_assets import TimixClient; print([n for n in ('polars', 'dagster') if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_commands_that_need_no_dagster_do_not_import_it() -> None:
    commands = ("doctor", "summary", "settings_check", "init", "ui")
    imports = ", ".join(f"timix_assets.commands.{name}" for name in commands)
    code = f"import sys, {imports}; print([name for name in ('dagster', 'sqlalchemy') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_version_is_the_distributions() -> None:
    assert timix_assets.__version__ == version("timix_assets")


def test_package_is_typed() -> None:
    assert files("timix_assets").joinpath("py.typed").is_file()


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        timix_assets.Nothing  # noqa: B018
