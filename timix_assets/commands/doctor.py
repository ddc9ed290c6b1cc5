"""`timix-assets doctor`: asks every endpoint for one page and says which of our assumptions held."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from timix_assets import environment
from timix_assets.api.client import TimixClient
from timix_assets.api.errors import Forbidden, NotFound, TimixError, Unauthorized
from timix_assets.api.limits import requests_per_minute
from timix_assets.assets.fetch import dates_between, rows_of
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.records import Decoded, decode
from timix_assets.contract.schema import MONTH, Endpoint, Shape, Window
from timix_assets.contract.suggestions import suggest
from timix_assets.lake.months import Months
from timix_assets.resources import TimixResource

SAMPLE_ROWS = 50
KEY_WARNING_DAYS = 14
ROLES_WITHOUT_COST = ("Member", "Viewer")


@dataclass(slots=True)
class Finding:
    """What one endpoint showed. broken: its asset would fail. notes: whole sentences. lines: override lines to paste."""

    endpoint: Endpoint
    status: str = "200"
    rows: int | None = None
    total: int | None = None
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    broken: bool = False


def examine(timix: TimixResource, today: date) -> Iterator[Finding]:
    """One finding an endpoint, the key first; a key that is refused ends it, since nothing else would answer."""
    client = timix.client()
    for declared in ENDPOINTS:
        finding = _examine_one(client, timix.endpoint(declared.name), today)
        yield finding
        if finding.status == "401":
            return


def _examine_one(client: TimixClient, endpoint: Endpoint, today: date) -> Finding:
    finding = Finding(endpoint)
    month = today.replace(day=1)
    # The month before too: on the first days of a month there may be no row to learn from.
    asked = (
        Months((month - timedelta(days=1)).replace(day=1), month)
        if endpoint.window is Window.RANGE
        else Months(month, month)
    )
    params = dates_between(endpoint, asked) if endpoint.window is not Window.NONE else {}
    if endpoint.shape is Shape.LIST:
        names = endpoint.parameters
        params |= {names.get("page", "page"): "1", names.get("pageSize", "pageSize"): str(SAMPLE_ROWS)}
    try:
        path, answer = _first_answer(client, endpoint, params)
        records = rows_of(answer, path)
        decoded = decode(endpoint, records, month=month if endpoint.window is Window.MONTH else None)
    except Unauthorized as refused:
        finding.status, finding.broken = "401", True
        finding.notes.append(str(refused))
        return finding
    except TimixError as failed:
        finding.status = str(getattr(failed, "status", None) or type(failed).__name__)
        finding.broken = not (isinstance(failed, Forbidden) and endpoint.skip_forbidden)
        finding.notes.append(str(failed))
        if isinstance(failed, Forbidden) and finding.broken:
            finding.lines.append("    skip_forbidden: true")
        return finding
    finding.rows = len(records)
    if endpoint.csv_path:
        _try_export(client, endpoint, params, finding)
    if isinstance(answer, dict) and isinstance(answer.get("totalCount"), int):
        finding.total = answer["totalCount"]
    if path != endpoint.path:
        finding.notes.append(f"{endpoint.path} answered 404; {path} is used instead, at one request more in every run.")
        finding.lines.append(f"    path: {path}")
    _compare(finding, decoded, asked)
    return finding


def _first_answer(client: TimixClient, endpoint: Endpoint, params: dict[str, str]) -> tuple[str, Any]:
    *earlier, last = (endpoint.path, *endpoint.fallback_paths)
    for path in earlier:
        try:
            return path, client.get(path, params)
        except NotFound:
            continue
    return last, client.me() if last == "/me" else client.get(last, params)


def _try_export(client: TimixClient, endpoint: Endpoint, params: dict[str, str], finding: Finding) -> None:
    """The path of the CSV is an assumption of its own; its asset alone hangs on it."""
    try:
        client.csv(str(endpoint.csv_path), params)
    except TimixError as failed:
        finding.broken = True
        finding.notes.append(f"exports/{endpoint.name} will fail: {failed}")


def _compare(finding: Finding, decoded: Decoded, asked: Months) -> None:
    endpoint, findings = finding.endpoint, decoded.findings
    finding.unknown = sorted(findings.unknown_fields)
    if not findings.records:
        finding.notes.append(f"{endpoint.name} is empty here, so nothing is known of its fields.")
        return
    finding.missing = sorted(findings.missing_columns)
    required = [column.name for column in endpoint.columns if column.required and column.name in finding.missing]
    if required:
        finding.broken = True
        finding.notes.append(f"{endpoint.name} cannot be read: no field is known for {', '.join(required)}.")
    elif not decoded.rejected.is_empty():
        finding.broken = True
        finding.notes.append(
            f"{endpoint.name}: {decoded.rejected.height} of {findings.records} rows cannot be read "
            f"({decoded.rejected['reason'][0]})."
        )
    finding.notes.extend(findings.on_values(endpoint))
    # Without the first two lines, which name the endpoint.
    finding.lines.extend(suggest(endpoint, findings)[2:])
    if endpoint.window is Window.RANGE:
        outside = decoded.rows.filter(~decoded.rows[MONTH].is_between(asked.first, asked.last)).height
        if outside:
            names = endpoint.parameters
            finding.notes.append(
                f"{endpoint.name}: {outside} of {findings.records} rows lie outside the asked dates, so the server does not "
                f"know {names['startDate']} and {names['endDate']}; every run would read the whole history. "
                "Set parameters.startDate and parameters.endDate."
            )


def advice(timix: TimixResource, findings: list[Finding], today: date) -> list[str]:
    """What the workspace as a whole tells: plan, role, the key's end and the time zone, one sentence each."""
    if any(finding.status == "401" for finding in findings):
        return []
    client = timix.client()
    me = decode(timix.endpoint("me"), rows_of(client.me(), "/me")).rows
    if me.is_empty():
        return []
    key = me.row(0, named=True)
    limit = requests_per_minute(str(key["plan"]))
    said = [
        f"The key belongs to {key['organization_name'] or 'an organization that /me does not name'}, plan "
        f"{key['plan'] or 'unknown'}, role {key['role'] or 'unknown'}; at most {limit} requests a minute are made."
    ]
    if key["role"] in ROLES_WITHOUT_COST:
        said.append(
            f"A {key['role']} never sees cost: cost, profit and margin will be null; use a Finance key for them."
        )
    expires = key["key_expires_at"]
    if expires is not None and (expires.date() - today).days <= KEY_WARNING_DAYS:
        said.append(f"The key expires on {expires:%Y-%m-%d}; make a new one in Timix before that.")
    return said + _time_zone_advice(timix, client)


def _time_zone_advice(timix: TimixResource, client: TimixClient) -> list[str]:
    endpoint = timix.endpoint("organization")
    try:
        rows = decode(endpoint, rows_of(client.get(endpoint.path), endpoint.path)).rows
    except TimixError:
        return []
    theirs = None if rows.is_empty() else rows["time_zone"][0]
    ours = str(environment.time_zone())
    if theirs is None or theirs == ours:
        return []
    return [
        f"The organization's time zone is {theirs} and {environment.TIME_ZONE.name} is {ours}; set "
        f"{environment.TIME_ZONE.name}={theirs}, so that the running month begins when theirs does."
    ]


def override_lines(findings: list[Finding]) -> list[str]:
    """The YAML of every line that would put something right, ready for the file of TIMIX_OVERRIDES."""
    lines = []
    for finding in findings:
        if finding.lines:
            lines.append(f"  {finding.endpoint.name}:")
            lines.extend(finding.lines)
    return ["endpoints:", *lines] if lines else []


def show(findings: list[Finding], sentences: list[str], console: Console) -> None:
    """The table of endpoints, then the sentences, then the lines to paste."""
    table = Table(header_style="bold", pad_edge=False)
    for heading, justify in (("endpoint", "left"), ("path", "left"), ("path is", "left"), ("status", "left")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("rows", justify="right")
    table.add_column("columns missing", overflow="fold")
    table.add_column("fields unknown", overflow="fold")
    for finding in findings:
        endpoint = finding.endpoint
        rows = "" if finding.rows is None else f"{finding.rows:,}"
        if finding.total is not None:
            rows = f"{rows} of {finding.total:,}"
        table.add_row(
            endpoint.name,
            endpoint.path,
            "documented" if endpoint.documented else "assumed",
            f"[red]{finding.status}[/]" if finding.broken else finding.status,
            rows,
            ", ".join(finding.missing),
            ", ".join(finding.unknown),
        )
    console.print(table)
    for sentence in [note for finding in findings for note in finding.notes] + sentences:
        console.print(f"• {sentence}", markup=False, highlight=False, soft_wrap=True)
    lines = override_lines(findings)
    if lines:
        console.print(
            "\nThese lines may put it right; check each against your workspace, and name the file in "
            f"{environment.OVERRIDES.name}:\n"
        )
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def run(console: Console) -> bool:
    """Examines the workspace that the environment names. False when an asset could not be read."""
    timix, today = TimixResource.configured(), environment.today()
    try:
        findings = list(examine(timix, today))
        sentences = advice(timix, findings, today)
    finally:
        timix.close()
    show(findings, sentences, console)
    return not any(finding.broken for finding in findings)
