"""A Timix.AI workspace as Delta tables, orchestrated by Dagster."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timix_assets.api import TimixClient as TimixClient
    from timix_assets.component import TimixComponent as TimixComponent
    from timix_assets.workspace import Workspace as Workspace
    from timix_assets.workspace import build_definitions as build_definitions

__version__ = "0.2.0"

__all__ = ["TimixClient", "TimixComponent", "Workspace", "__version__", "build_definitions"]

_LAZY = {
    "TimixClient": "timix_assets.api",
    "TimixComponent": "timix_assets.component",
    "Workspace": "timix_assets.workspace",
    "build_definitions": "timix_assets.workspace",
}
"""Public name -> its module, imported on first use: importing the package alone stays cheap."""


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    # `dg` lists the components among the names of this module.
    return sorted({*globals(), *_LAZY})
