"""`timix-assets digest`: writes the weekly digest from the tables as they are."""

import webbrowser
from datetime import date
from pathlib import Path

import click

from timix_assets.lake.errors import WriteFailed
from timix_assets.lake.storage import is_folder
from timix_assets.lake.tables import Lake
from timix_assets.reporting.digest import read_digest
from timix_assets.reporting.digest_page import PAGE, as_html
from timix_assets.settings import SettingsError
from timix_assets.settings.firm import FirmConfig
from timix_assets.state.files import write_atomically


def run(lake: Lake, today: date, firm: FirmConfig, to: Path | None, *, opens: bool) -> None:
    """Writes the page and prints where it is.

    Args:
        to: The file; by default `reports/weekly_digest.html` in the lake.
        opens: Whether to open it in the browser.

    Raises:
        SettingsError: The page would be in an object store, where no browser can open it.
        LakeError: A table cannot be read, or the page not written.
    """
    if opens and to is None and not is_folder(lake.url):
        raise SettingsError("the lake is an object store, where no browser can open the page; add --to FILE.")
    place = write(lake, today, firm, to)
    click.echo(place)
    if opens:
        webbrowser.open(Path(place).resolve().as_uri())


def write(lake: Lake, today: date, firm: FirmConfig, to: Path | None = None) -> str:
    """Writes the page and returns where it is. LakeError as for `run`."""
    page = as_html(read_digest(lake, today, firm)).encode()
    if to is None:
        return lake.put_report(PAGE, page)
    try:
        write_atomically(to, page)
    except OSError as error:
        raise WriteFailed(f"Cannot write {to} ({error.strerror}); choose another place with --to.") from error
    return str(to)
