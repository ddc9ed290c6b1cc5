"""`timix-assets doctor`: asks every endpoint for one page and says which of our assumptions held."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.text import Text

from timix_assets import environment
from timix_assets.api.client import TimixClient
from timix_assets.api.errors import Forbidden, Invalid, NotFound, SettingsError, TimixError
from timix_assets.api.limits import plan_sentence
from timix_assets.assets.alike import alike, content_of
from timix_assets.assets.alike import sentence as alike_sentence
from timix_assets.assets.fetch import dates_between, days_between, rows_of
from timix_assets.assets.reports import ReportReader
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.findings import hidden_from
from timix_assets.contract.overrides import EndpointOverride, load_overrides
from timix_assets.contract.records import RANGE_DATE, Decoded, decode
from timix_assets.contract.schema import MONTH, Endpoint, Shape, Window
from timix_assets.contract.suggestions import suggest
from timix_assets.documented import ROLES_WITHOUT_COST
from timix_assets.lake.months import Months
from timix_assets.resources import TimixResource
from timix_assets.wording import counted

SAMPLE_ROWS = 50
KEY_WARNING_DAYS = 14
ME = "me"


@dataclass(slots=True)
class Finding:
    """What one endpoint showed. failures: why an asset of it would fail, or be wrong. notes: what else is worth knowing.
    Both are whole sentences. lines: override lines to paste. sample: the rows that were seen. path: the one that answered.
    override: what the user's own file says of this endpoint.
    """

    endpoint: Endpoint
    path: str = ""
    status: str = "200"
    rows: int | None = None
    total: int | None = None
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    sample: pl.DataFrame = field(default_factory=pl.DataFrame)
    override: EndpointOverride = field(default_factory=EndpointOverride)
    overrides_file: str = ""

    @property
    def broken(self) -> bool:
        return bool(self.failures)

    def fail(self, sentence: str, *, asset: str | None = None) -> None:
        """Notes why the endpoint's asset, or another one that hangs on it, would fail."""
        self.failures.append(f"{asset or self.endpoint.name}: {sentence}")

    def entry(self, *names: str) -> str:
        """Where the user's file says that, such as `endpoints.customers.path` in overrides.yaml."""
        return f"`{'.'.join(('endpoints', self.endpoint.name, *names))}` in {self.overrides_file}"


def examine(timix: TimixResource, today: date) -> Iterator[Finding]:
    """One finding an endpoint, the key's own record first; when that does not answer, nothing else would."""
    client = timix.client()
    file = timix.overrides_file
    overrides = load_overrides(Path(file)).endpoints if file else {}
    seen: dict[str, Finding] = {}
    for declared in ENDPOINTS:
        override = overrides.get(declared.name, EndpointOverride())
        finding = Finding(timix.endpoint(declared.name), override=override, overrides_file=file)
        _examine_one(client, finding, today, seen)
        seen[declared.name] = finding
        yield finding
        if declared.name == ME and finding.rows is None:
            return


def _examine_one(client: TimixClient, finding: Finding, today: date, seen: dict[str, Finding]) -> None:
    endpoint = finding.endpoint
    month = today.replace(day=1)
    # The month before too: on the first days of a month there may be no row to learn from.
    asked = Months((month - timedelta(days=1)).replace(day=1), month)
    try:
        is_report = endpoint.shape is Shape.REPORT
        decoded = _report(client, finding, asked, seen) if is_report else _one_page(client, finding, asked)
        finding.rows, finding.sample = decoded.findings.records, decoded.rows
        _compare(finding, decoded, asked, _role(seen.get(ME)))
        if endpoint.window is Window.RANGE:
            _test_end_date(client, finding, asked)
    except TimixError as failed:
        _note_failure(finding, failed)
    if endpoint.csv_path and finding.rows is not None:
        _try_export(client, endpoint, _params(endpoint, Months(month, month)), finding)


def _note_failure(finding: Finding, failed: TimixError) -> None:
    endpoint = finding.endpoint
    finding.status = str(getattr(failed, "status", None) or type(failed).__name__)
    if isinstance(failed, Forbidden) and endpoint.skip_forbidden:
        finding.notes.append(str(failed))
    else:
        finding.fail(str(failed))
    blamed = _blamed(finding, failed)
    if blamed:
        finding.notes.append(
            f"{endpoint.name} is asked as said by {' and '.join(blamed)}; correct or remove what is wrong there."
        )
    if endpoint.name == ME:
        finding.notes.append("Nothing else was asked, since every run begins with this; put it right first.")
    elif isinstance(failed, Forbidden) and finding.broken:
        finding.lines.append("    skip_forbidden: true")
    elif isinstance(failed, NotFound) and not blamed:
        finding.lines.append(f"    path: {endpoint.path}  # write the path that your workspace uses")


def _blamed(finding: Finding, failed: TimixError) -> list[str]:
    """The user's own entries that such a failure comes from."""
    override = finding.override
    if isinstance(failed, NotFound) and override.path is not None:
        return [finding.entry("path")]
    if isinstance(failed, Invalid):
        return [finding.entry("parameters", name) for name in override.parameters]
    return []


def _params(endpoint: Endpoint, months: Months) -> dict[str, str]:
    return dates_between(endpoint, months) if endpoint.window is not Window.NONE else {}


def _first_page(endpoint: Endpoint, rows: int) -> dict[str, str]:
    names = endpoint.parameters
    return {names.get("page", "page"): "1", names.get("pageSize", "pageSize"): str(rows)}


def _one_page(client: TimixClient, finding: Finding, asked: Months) -> Decoded:
    endpoint = finding.endpoint
    params = _params(endpoint, asked)
    if endpoint.shape is Shape.LIST:
        params |= _first_page(endpoint, SAMPLE_ROWS)
    path, answer = _first_answer(client, endpoint, params)
    if isinstance(answer, dict) and isinstance(answer.get("totalCount"), int):
        finding.total = answer["totalCount"]
    finding.path = path
    if path != endpoint.path:
        finding.notes.append(f"{endpoint.path} answered 404; {path} is used instead, at one request more in every run.")
        finding.lines.append(f"    path: {path}")
    return decode(endpoint, rows_of(answer, path))


def _first_answer(client: TimixClient, endpoint: Endpoint, params: dict[str, str]) -> tuple[str, Any]:
    *earlier, last = (endpoint.path, *endpoint.fallback_paths)
    for path in earlier:
        try:
            return path, client.get(path, params)
        except NotFound:
            continue
    return last, client.get(last, params)


def _report(client: TimixClient, finding: Finding, asked: Months, seen: dict[str, Finding]) -> Decoded:
    """A report as a run reads it: a dated one for both months, one that wants a customer for the first customer."""
    endpoint = finding.endpoint
    customers = seen["customers"]
    first = [] if customers.sample.is_empty() else customers.sample["id"].to_list()[:1]
    reader = ReportReader(client, endpoint, endpoint.path, lambda: first)
    if endpoint.window is Window.NONE:
        decoded = decode(endpoint, reader.rows({}))
    else:
        of_month = {
            month: decode(endpoint, reader.rows(_params(endpoint, Months(month, month))), month=month)
            for month in asked
        }
        same = alike({month: content_of(endpoint, one.rows) for month, one in of_month.items()})
        if same:
            finding.notes.append(alike_sentence(endpoint, same))
        before, running = of_month.values()
        decoded = Decoded(
            pl.concat([before.rows, running.rows]),
            pl.concat([before.rejected, running.rejected]),
            before.findings + running.findings,
        )
    if reader.by_customer:
        several = customers.total or customers.rows
        finding.notes.append(
            f"{endpoint.name} is given for one customer at a time: a run makes a request for each of the {several or 0:,} "
            "customers in each month, so keep its ranges short."
        )
    return decoded


def _test_end_date(client: TimixClient, finding: Finding, asked: Months) -> None:
    """Whether the day of endDate is included, as we take it: asks for one day alone, of which rows are known."""
    endpoint, path = finding.endpoint, finding.path
    days = finding.sample.filter(pl.col(MONTH).is_between(asked.first, asked.last))[RANGE_DATE]
    if days.is_empty():
        return
    day = days.to_list()[0]

    def answers(*, end_exclusive: bool) -> bool:
        params = days_between(replace(endpoint, end_exclusive=end_exclusive), day, day)
        return bool(rows_of(client.get(path, params | _first_page(endpoint, 1)), path))

    included = answers(end_exclusive=False)
    name = endpoint.parameters["endDate"]
    if included and endpoint.end_exclusive:
        finding.fail(
            f"{path} includes the day of {name}, so {finding.entry('end_exclusive')} is wrong; remove it, and from the reports "
            "too."
        )
    elif not included and not endpoint.end_exclusive and answers(end_exclusive=True):
        finding.lines.append("    end_exclusive: true")
        finding.fail(
            f"{path} leaves out the day of {name} (asked for {day} alone it gives no row, though there are some), so every "
            "last day of a range would be lost; set end_exclusive, and for the dated reports too unless their own figures "
            "include the last day."
        )


def _try_export(client: TimixClient, endpoint: Endpoint, params: dict[str, str], finding: Finding) -> None:
    """The path of the CSV is an assumption of its own; its asset alone hangs on it."""
    try:
        client.csv(str(endpoint.csv_path), params)
    except TimixError as failed:
        finding.fail(str(failed), asset=f"exports/{endpoint.name}")


def _role(me: Finding | None) -> str | None:
    return None if me is None or me.sample.is_empty() else me.sample["role"][0]


def _compare(finding: Finding, decoded: Decoded, asked: Months, role: str | None) -> None:
    endpoint = finding.endpoint
    # What the key's role never sees is not missing.
    findings = replace(decoded.findings, expected=decoded.findings.expected - hidden_from(role))
    finding.unknown = sorted(findings.unknown_fields)
    if not findings.records:
        finding.notes.append(f"{endpoint.name} is empty here, so nothing is known of its fields.")
        return
    finding.missing = sorted(findings.missing_columns)
    required = [column.name for column in endpoint.columns if column.required and column.name in finding.missing]
    if required:
        finding.fail(f"it cannot be read, for no field is known for {', '.join(required)}.")
    elif not decoded.rejected.is_empty():
        finding.fail(
            f"{decoded.rejected.height:,} of {counted(findings.records, 'row')} cannot be read ({decoded.rejected['reason'][0]})."
        )
    finding.notes.extend(findings.on_values(endpoint))
    # Without the first two lines, which name the endpoint.
    finding.lines.extend(_not_overridden(finding, suggest(endpoint, findings)[2:]))
    finding.notes.extend(
        f"`{column}` of {endpoint.name} is read by {finding.entry('columns', column)}, and "
        f"{'no record has a field for it' if column in finding.missing else 'not every value can be read so'}; correct or "
        "remove that entry."
        for column in finding.override.columns
        if column in finding.missing or column in findings.unreadable
    )
    if endpoint.window is Window.RANGE:
        outside = decoded.rows.filter(~decoded.rows[MONTH].is_between(asked.first, asked.last)).height
        if outside:
            names = endpoint.parameters
            entries = [finding.entry("parameters", name) for name in names if name in finding.override.parameters]
            finding.notes.append(
                f"{endpoint.name}: {outside:,} of {counted(findings.records, 'row')} lie outside the asked dates, so "
                f"the server does not know {names['startDate']} and {names['endDate']}; every run would read the whole history. "
                + (
                    f"Correct {' and '.join(entries)}."
                    if entries
                    else "Set parameters.startDate and parameters.endDate."
                )
            )


def _not_overridden(finding: Finding, lines: Sequence[str]) -> list[str]:
    """The lines on columns without those that the user's file has an expression for; it is that one that is wrong."""
    head, columns = lines[:1], lines[1:]
    free = [line for line in columns if line.split(":", 1)[0].strip() not in finding.override.columns]
    return [*head, *free] if free else []


def advice(timix: TimixResource, findings: Sequence[Finding], today: date) -> list[str]:
    """What the workspace as a whole tells: plan, role, the key's end and the time zone, one sentence each."""
    found = {finding.endpoint.name: finding for finding in findings}
    if ME not in found or found[ME].rows is None:
        return []
    limit = plan_sentence(timix.client().plan)
    if found[ME].sample.is_empty():
        return [f"The key's own record cannot be read; {limit}."]
    key = found[ME].sample.row(0, named=True)
    said = [
        f"The key belongs to {key['organization_name'] or 'an organization that /me does not name'}, role "
        f"{key['role'] or 'unknown'}; {limit}."
    ]
    if key["role"] in ROLES_WITHOUT_COST:
        said.append(
            f"A {key['role']} never sees cost: cost, profit and margin will be null; use a Finance key for them."
        )
    expires = key["key_expires_at"]
    if expires is not None and (expires.date() - today).days <= KEY_WARNING_DAYS:
        said.append(f"The key expires on {expires:%Y-%m-%d}; make a new one in Timix before that.")
    return said + _time_zone_advice(found.get("organization"))


def _time_zone_advice(organization: Finding | None) -> list[str]:
    sample = pl.DataFrame() if organization is None else organization.sample
    theirs = None if sample.is_empty() else sample["time_zone"][0]
    ours = str(environment.time_zone())
    if theirs is None or theirs == ours:
        return []
    return [
        f"The organization's time zone is {theirs} and {environment.TIME_ZONE.name} is {ours}; set "
        f"{environment.TIME_ZONE.name}={theirs}, so that the running month begins when theirs does."
    ]


def override_lines(findings: Sequence[Finding]) -> list[str]:
    """The YAML of every line that would put something right, ready for the file of TIMIX_OVERRIDES."""
    lines = []
    for finding in findings:
        if finding.lines:
            lines.append(f"  {finding.endpoint.name}:")
            lines.extend(finding.lines)
    return ["endpoints:", *lines] if lines else []


def show_finding(finding: Finding, console: Console) -> None:
    """One line an endpoint, as soon as it has answered, and what differs below it."""
    endpoint = finding.endpoint
    rows = "" if finding.rows is None else f"{finding.rows:,}"
    if finding.total is not None:
        rows = f"{rows} of {finding.total:,}"
    basis = "documented" if endpoint.documented else "assumed"
    style = "red" if finding.broken else ""
    _line(console, endpoint.name, finding.status, rows, f"{endpoint.path} ({basis})", style=style)
    for what, names in (("columns missing", finding.missing), ("fields unknown", finding.unknown)):
        if names:
            console.print(f"    {what}: {', '.join(names)}", markup=False, highlight=False, soft_wrap=True)


def _line(console: Console, name: str, status: str, rows: str, path: str, *, style: str = "") -> None:
    """The path last, for it is the longest: so nearly every line fits a terminal of 80 columns."""
    line = Text(f"{name:{_NAME_WIDTH}}  ")
    line.append(f"{status:6}", style)
    console.print(line.append(f"  {rows:>{_ROWS_WIDTH}}  {path}"), soft_wrap=True)


_NAME_WIDTH = max(len(endpoint.name) for endpoint in ENDPOINTS)
_ROWS_WIDTH = len("50 of 99,999")


def show_advice(findings: Sequence[Finding], sentences: Sequence[str], console: Console, errors: Console) -> None:
    """What fails, on stderr; then the other sentences and the lines to paste."""
    for sentence in (failure for finding in findings for failure in finding.failures):
        _failed(sentence, errors)
    console.print()
    for sentence in [*(note for finding in findings for note in finding.notes), *sentences]:
        console.print(f"• {sentence}", markup=False, highlight=False, soft_wrap=True)
    lines = override_lines(findings)
    if lines:
        console.print(
            "\nThese lines may put it right; check each against your workspace, and name the file in "
            f"{environment.OVERRIDES.name}:\n"
        )
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _failed(sentence: str, errors: Console) -> None:
    errors.print("[red]failed[/] ", end="", highlight=False, soft_wrap=True)
    errors.print(sentence, markup=False, highlight=False, soft_wrap=True)


def run(console: Console, errors: Console) -> bool:
    """Examines the workspace that the environment names. False when an asset could not be read, or not rightly."""
    timix, today = TimixResource.configured(), environment.today()
    findings: list[Finding] = []
    sentences: list[str] = []
    try:
        _line(console, "endpoint", "status", "rows", "path")
        for finding in examine(timix, today):
            show_finding(finding, console)
            findings.append(finding)
        sentences = advice(timix, findings, today)
    except SettingsError:
        raise
    except TimixError as failed:
        _failed(str(failed), errors)
        show_advice(findings, [], console, errors)
        return False
    finally:
        timix.close()
    show_advice(findings, sentences, console, errors)
    return not any(finding.broken for finding in findings)
