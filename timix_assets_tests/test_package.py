"""What `import timix_assets` offers, and what it costs."""

import gc
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files

import pytest

import timix_assets
from timix_assets.quick_imports import quick_imports


def test_import_is_cheap() -> None:
    code = "import sys, timix_assets; print([name for name in ('httpx', 'polars', 'dagster') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_client_needs_neither_dagster_nor_polars() -> None:
    code = "import sys; from timix_assets import TimixClient; print([n for n in ('polars', 'dagster') if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_commands_that_need_no_dagster_do_not_import_it() -> None:
    commands = ("doctor", "summary", "settings_check", "init", "ui")
    imports = ", ".join(f"timix_assets.commands.{name}" for name in commands)
    code = (
        f"import sys, {imports}; from timix_assets.settings import Settings\n"
        "timix_assets.commands.settings_check.check_definitions(Settings())\n"
        "print([name for name in ('dagster', 'sqlalchemy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_command_line_starts_without_what_only_some_commands_need() -> None:
    code = (
        "import sys; from timix_assets import cli\nwith cli._exit_code():\n"
        "    print([name for name in ('httpx', 'polars') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_quick_imports_within_others_leave_the_garbage_to_them() -> None:
    with quick_imports():
        with quick_imports():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_version_is_the_distributions() -> None:
    assert timix_assets.__version__ == version("timix_assets")


def test_package_is_typed() -> None:
    assert files("timix_assets").joinpath("py.typed").is_file()


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        timix_assets.Nothing  # noqa: B018
