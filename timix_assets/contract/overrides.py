"""Overrides: where a workspace differs from our assumptions, told as data and not as code.

    endpoints:
      time_reports:
        path: /time
        parameters: {startDate: from}
        columns: {hours: "durationMinutes / 60.0"}
      invoices:
        skip_forbidden: true

The same shape comes from `TimixResource` and from the YAML file that TIMIX_OVERRIDES names. A wrong name is refused
with the nearest right one: an override that is silently ignored would be a wrong table.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from .endpoints import BY_NAME
from .expressions import ExpressionError, parsed
from .schema import Endpoint

PAGING = ("page", "pageSize")
"""Parameters of every listing, which an endpoint need not declare."""

_PATH = re.compile(r"(/(?!\.+(/|$))[A-Za-z0-9._~-]+)+")
_PARAMETER = re.compile(r"[A-Za-z0-9_.\[\]$-]+")


class OverrideError(ValueError):
    """A setting that cannot be followed; the message names it and the nearest right one."""


@dataclass(frozen=True, slots=True)
class EndpointOverride:
    """path: instead of the path and its fall-backs; parameters: our name -> the one sent; columns: name -> expression.

    skip_forbidden: the key may not read it; a 403 skips the table instead of failing it.
    end_exclusive: the server leaves out the day of endDate, so the day after is sent.
    """

    path: str | None = None
    skip_forbidden: bool = False
    end_exclusive: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Overrides:
    """By the endpoint's name."""

    endpoints: Mapping[str, EndpointOverride] = field(default_factory=dict)


def load_overrides(path: Path) -> Overrides:
    """The overrides of a YAML file; OverrideError names the file when it cannot be read or followed."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OverrideError(f"The overrides in {path} cannot be read: {why_unreadable(error, path)}.") from error
    try:
        return parse_overrides({} if data is None else data)
    except OverrideError as error:
        raise OverrideError(f"In {path}: {error}") from error


def parse_overrides(data: Mapping[str, Any]) -> Overrides:
    """Checks and reads overrides as plain data; OverrideError for any name, type or expression that is not right."""
    top = _section(data, "overrides", ("endpoints",))
    named = _section(top.get("endpoints"), "endpoints", BY_NAME)
    return Overrides({name: _endpoint(BY_NAME[name], settings) for name, settings in named.items()})


def apply(endpoint: Endpoint, overrides: Overrides) -> Endpoint:
    """The endpoint as the workspace has it."""
    override = overrides.endpoints.get(endpoint.name)
    if override is None:
        return endpoint
    changed = {
        name: replace(endpoint.column(name), expression=expression) for name, expression in override.columns.items()
    }
    told = replace(
        endpoint.with_columns(changed),
        parameters={**endpoint.parameters, **override.parameters},
        skip_forbidden=endpoint.skip_forbidden or override.skip_forbidden,
        end_exclusive=endpoint.end_exclusive or override.end_exclusive,
    )
    return told if override.path is None else replace(told, path=override.path, fallback_paths=())


def _endpoint(endpoint: Endpoint, data: Any) -> EndpointOverride:
    where = f"endpoints.{endpoint.name}"
    settings = _section(data, where, [field.name for field in fields(EndpointOverride)])
    asked = _section(settings.get("parameters"), f"{where}.parameters", (*endpoint.parameters, *PAGING))
    columns = _section(settings.get("columns"), f"{where}.columns", [column.name for column in endpoint.columns])
    return EndpointOverride(
        path=_text(settings["path"], f"{where}.path", _PATH, "a path below the base URL, such as /time-reports")
        if "path" in settings
        else None,
        skip_forbidden=_switch(settings.get("skip_forbidden", False), f"{where}.skip_forbidden"),
        end_exclusive=_switch(settings.get("end_exclusive", False), f"{where}.end_exclusive"),
        parameters={
            name: _text(sent, f"{where}.parameters.{name}", _PARAMETER, "the name of a query parameter, such as from")
            for name, sent in asked.items()
        },
        columns={name: _expression(sql, f"{where}.columns.{name}") for name, sql in columns.items()},
    )


def _section(data: Any, where: str, known: Collection[str]) -> Mapping[str, Any]:
    """A mapping whose names are all known; an empty section is none."""
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise OverrideError(f"`{where}` must hold names with values, but is {_shown(data)}.")
    for name in data:
        if name not in known:
            near = get_close_matches(str(name), known, n=1, cutoff=0.4)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}."
            raise OverrideError(f"`{where}` knows no `{name}`: {hint}")
    return data


def _text(value: Any, where: str, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise OverrideError(f"`{where}` must be {what}, but is {_shown(value)}.")
    return value


def _switch(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise OverrideError(f"`{where}` must be true or false, but is {_shown(value)}.")
    return value


def _expression(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise OverrideError(f"`{where}` must be a SQL expression in quotes, but is {_shown(value)}.")
    try:
        parsed(value)
    except ExpressionError as error:
        raise OverrideError(f"`{where}` is {_shown(value)}, but {error}.") from error
    return value


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def why_unreadable(error: OSError | ValueError | yaml.YAMLError, path: Path) -> str:
    """Why a YAML file that a setting names cannot be read, and what to do next."""
    if isinstance(error, FileNotFoundError):
        where = "" if path.is_absolute() else f" (a relative path starts at {Path.cwd()})"
        return f"{error.strerror}; correct the path{where}, or leave the setting empty"
    if isinstance(error, OSError):
        return f"{error.strerror or error}; name a file that this user may read"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}; put that line right"
    return f"{' '.join(str(error).split())}; save it as YAML in UTF-8"


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which no name stands twice: of two settings of one name, plain YAML drops the first without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"`{name}` stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)
