"""The tree of errors in `timix_assets/errors.py` is the tree of the classes."""

import importlib
import pkgutil
import re

import timix_assets
from timix_assets import errors
from timix_assets.errors import TimixAssetsError


def test_docstring_draws_every_error_class() -> None:
    for module in pkgutil.walk_packages(timix_assets.__path__, "timix_assets."):
        importlib.import_module(module.name)

    assert sorted(_drawn(errors.__doc__ or "")) == sorted(_children(TimixAssetsError))


def _children(parent: type[Exception]) -> list[tuple[str, str]]:
    """(class, its parent) of every class below `parent`."""
    below = [child for child in parent.__subclasses__() if child.__module__.startswith("timix_assets.")]
    return [pair for child in below for pair in [(child.__name__, parent.__name__), *_children(child)]]


def _drawn(docstring: str) -> list[tuple[str, str]]:
    """(class, its parent) of every line of the drawing."""
    pairs: list[tuple[str, str]] = []
    path: list[str] = []
    for line in docstring.splitlines():
        if found := re.match(r"([│├└─ ]*)(\w+)", line):
            depth = len(found[1]) // 4
            path = [*path[:depth], found[2]]
            if depth:
                pairs.append((found[2], path[-2]))
    return pairs
