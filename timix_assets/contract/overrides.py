"""Overrides: where a workspace differs from our assumptions, as data and not as code.

    endpoints:
      time_reports:
        path: /time
        parameters: {startDate: from}
        columns: {hours: "durationMinutes / 60.0"}
      invoices:
        skip_forbidden: true

They come from the YAML file that TIMIX_OVERRIDES names, or as plain data of the same shape. A wrong name is rejected with
the nearest valid one: an override that is silently ignored would make a wrong table.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from timix_assets.errors import TimixAssetsError
from timix_assets.text.key_mask import mask_keys
from timix_assets.text.wording import quoted, quoted_name

from .endpoints import BY_NAME
from .expressions import ExpressionError, parsed
from .schema import Endpoint

PAGING = ("page", "pageSize")
"""Parameters of every listing, which an endpoint need not declare."""

_PATH = re.compile(r"(/(?!\.+(/|$))[A-Za-z0-9._~-]+)+")
_PARAMETER = re.compile(r"[A-Za-z0-9_.\[\]$-]+")


class OverrideError(TimixAssetsError, ValueError):
    """An override that cannot be applied; the message names it and the nearest valid one, without an API key."""

    def __init__(self, message: str) -> None:
        super().__init__(mask_keys(message))


@dataclass(frozen=True, slots=True)
class EndpointOverride:
    """What differs from the contract at one endpoint.

    Attributes:
        path: Replaces the path and its fallbacks.
        skip_forbidden: The key may not read it: a 403 skips the table instead of failing it.
        end_exclusive: The server excludes the day of endDate, so the day after is sent.
        parameters: Our name of a query parameter -> the name that is sent.
        columns: Column -> a Polars SQL expression over the record, or the name of a field.
    """

    path: str | None = None
    skip_forbidden: bool = False
    end_exclusive: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


Overrides = Mapping[str, EndpointOverride]
"""Name of the endpoint -> its override."""


def parse_overrides(data: Mapping[str, Any]) -> Overrides:
    """Reads overrides from plain data.

    Raises:
        OverrideError: A name, type or expression is wrong; the message names it.
    """
    # The document can be any other file by mistake, so nothing of it is quoted.
    if not isinstance(data, Mapping) or not set(data) <= {"endpoints"}:
        raise OverrideError("`overrides` must be a mapping with `endpoints` as its one key; name another file.")
    named = _section(data.get("endpoints"), "endpoints", BY_NAME)
    return {name: _endpoint(BY_NAME[name], settings) for name, settings in named.items()}


def apply(endpoint: Endpoint, overrides: Overrides) -> Endpoint:
    """The endpoint with its override applied."""
    override = overrides.get(endpoint.name)
    if override is None:
        return endpoint
    overridden = replace(
        endpoint,
        columns=tuple(replace(c, expression=override.columns.get(c.name, c.expression)) for c in endpoint.columns),
        parameters={**endpoint.parameters, **override.parameters},
        skip_forbidden=endpoint.skip_forbidden or override.skip_forbidden,
        end_exclusive=endpoint.end_exclusive or override.end_exclusive,
    )
    return overridden if override.path is None else replace(overridden, path=override.path, fallback_paths=())


def _endpoint(endpoint: Endpoint, data: Any) -> EndpointOverride:
    where = f"endpoints.{endpoint.name}"
    settings = _section(data, where, [field.name for field in fields(EndpointOverride)])
    requested = _section(settings.get("parameters"), f"{where}.parameters", (*endpoint.parameters, *PAGING))
    columns = _section(settings.get("columns"), f"{where}.columns", [column.name for column in endpoint.columns])
    return EndpointOverride(
        path=_text(settings["path"], f"{where}.path", _PATH, "a path below the base URL, such as /time-reports")
        if "path" in settings
        else None,
        skip_forbidden=_switch(settings.get("skip_forbidden", False), f"{where}.skip_forbidden"),
        end_exclusive=_switch(settings.get("end_exclusive", False), f"{where}.end_exclusive"),
        parameters={
            name: _text(sent, f"{where}.parameters.{name}", _PARAMETER, "the name of a query parameter, such as from")
            for name, sent in requested.items()
        },
        columns={name: _expression(sql, f"{where}.columns.{name}") for name, sql in columns.items()},
    )


def _section(data: Any, where: str, known: Collection[str]) -> Mapping[str, Any]:
    """A mapping whose keys are all known; an empty section counts as a missing one."""
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise OverrideError(f"`{where}` must be a mapping, not {quoted(data)}.")
    for name in data:
        if name not in known:
            text = quoted_name(name)
            near = get_close_matches(text, known, n=1, cutoff=0.4)
            hint = f"did you mean `{near[0]}`?" if near else f"use one of {', '.join(known)}."
            raise OverrideError(f"`{where}` has no `{text}`: {hint}")
    return data


def _text(value: Any, where: str, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise OverrideError(f"`{where}` must be {what}, not {quoted(value)}.")
    return value


def _switch(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise OverrideError(f"`{where}` must be true or false, not {quoted(value)}.")
    return value


def _expression(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise OverrideError(f"`{where}` must be a SQL expression in quotes, not {quoted(value)}.")
    try:
        parsed(value)
    except ExpressionError as error:
        raise OverrideError(f"`{where}` is {quoted(value)}, but {error}.") from error
    return value
