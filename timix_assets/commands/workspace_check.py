"""Checks a workspace against the contract, one page of every endpoint; for `timix-assets doctor`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import Forbidden, Invalid, NotFound, TimixError
from timix_assets.api.limits import plan_message
from timix_assets.contract.decode_report import hidden_from
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.overrides import EndpointOverride
from timix_assets.contract.records import Decoded, decode
from timix_assets.contract.schema import MONTH, Endpoint, Shape, Window
from timix_assets.contract.suggestions import suggest
from timix_assets.ingest.connection import Connection
from timix_assets.ingest.endpoint_paths import first_answer
from timix_assets.ingest.fetch import dates_between, days_between, records_in
from timix_assets.ingest.identical_months import content_hash, identical_months, identical_months_message
from timix_assets.ingest.organization import key_role
from timix_assets.ingest.report_reader import ReportReader
from timix_assets.lake.months import Months
from timix_assets.settings import Settings
from timix_assets.text.wording import count_noun
from timix_assets.vendor import ROLES_WITHOUT_COST

SAMPLE_ROWS = 50
KEY_WARNING_DAYS = 14
ME = "me"


@dataclass(slots=True)
class EndpointReport:
    """What one endpoint returned, compared with the contract.

    Args:
        status: The HTTP status, or the kind of failure.
        rows: Rows in the sample; None if it could not be read.
        total: Rows that the server says there are; None if it does not say.
        missing: Columns without a field.
        unknown: Fields without a column.
        suggestions: Lines for the overrides file.
        failures: Messages: why an asset would fail, or be wrong.
        records: The sample as it was sent.
        override: What the overrides file says about this endpoint.
    """

    endpoint: Endpoint
    path: str = ""
    status: str = "200"
    rows: int | None = None
    total: int | None = None
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    suggestions: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    sample: pl.DataFrame = field(default_factory=pl.DataFrame)
    override: EndpointOverride = field(default_factory=EndpointOverride)
    overrides_file: str = ""

    @property
    def has_failed(self) -> bool:
        return bool(self.failures)

    @property
    def overridden(self) -> list[str]:
        """What the overrides file sets here, but for the path, which is shown by itself."""
        override = self.override
        switches = [name for name in ("skip_forbidden", "end_exclusive") if getattr(override, name)]
        return [
            *(f"columns.{name}" for name in override.columns),
            *(f"parameters.{name}" for name in override.parameters),
            *switches,
        ]

    def add_failure(self, message: str, *, asset: str | None = None) -> None:
        """Adds why the endpoint's asset, or another one downstream of it, would fail."""
        self.failures.append(f"{asset or self.endpoint.name}: {message}")

    def override_key(self, *names: str) -> str:
        """A key of the overrides file, such as `endpoints.customers.path` in overrides.yaml."""
        return f"`{'.'.join(('endpoints', self.endpoint.name, *names))}` in {self.overrides_file}"


def check_workspace(timix: Connection, today: date) -> Iterator[EndpointReport]:
    """Requests one page of every endpoint.

    Yields:
        A report for each endpoint, /me first; nothing else if /me fails, because nothing else would succeed.
    """
    client = timix.client()
    overrides = timix.overrides()
    seen: dict[str, EndpointReport] = {}
    for declared in ENDPOINTS:
        override = overrides.get(declared.name, EndpointOverride())
        report = EndpointReport(timix.endpoint(declared.name), override=override, overrides_file=timix.overrides_file)
        _check_endpoint(client, report, today, seen, timix.endpoint(ME))
        seen[declared.name] = report
        yield report
        if declared.name == ME and report.rows is None:
            return


def _check_endpoint(
    client: TimixClient, report: EndpointReport, today: date, seen: dict[str, EndpointReport], me: Endpoint
) -> None:
    endpoint = report.endpoint
    month = today.replace(day=1)
    # The month before too: in the first days of a month there may be no rows yet.
    months = Months((month - timedelta(days=1)).replace(day=1), month)
    try:
        is_report = endpoint.shape is Shape.REPORT
        decoded = _report(client, report, months, seen) if is_report else _one_page(client, report, months)
        report.rows, report.sample = decoded.report.records, decoded.rows
        _compare(report, decoded, months, key_role(client, me))
        if endpoint.window is Window.RANGE:
            _test_end_date(client, report, months)
    except TimixError as error:
        _add_error(report, error)
    if endpoint.csv_path and report.rows is not None:
        try:
            client.csv(endpoint.csv_path, _params(endpoint, Months(month, month)))
        except TimixError as error:
            # Only the export asset depends on this path.
            report.add_failure(str(error), asset=f"exports/{endpoint.name}")


def _add_error(report: EndpointReport, error: TimixError) -> None:
    endpoint = report.endpoint
    report.status = str(getattr(error, "status", None) or type(error).__name__)
    if isinstance(error, Forbidden) and endpoint.skip_forbidden:
        report.notes.append(str(error))
    else:
        report.add_failure(str(error))
    overrides = _responsible_overrides(report, error)
    if overrides:
        report.notes.append(
            f"The request for {endpoint.name} uses {' and '.join(overrides)}; correct or remove the override."
        )
    if endpoint.name == ME:
        report.notes.append("No other endpoint was checked, because every run starts with /me; fix this first.")
    elif isinstance(error, Forbidden) and report.has_failed:
        report.suggestions.append("    skip_forbidden: true")
    elif isinstance(error, NotFound) and not overrides:
        report.suggestions.append(f"    path: {endpoint.path}  # replace by the path of your workspace")


def _responsible_overrides(report: EndpointReport, error: TimixError) -> list[str]:
    """The keys of the overrides file that can cause such an error."""
    override = report.override
    if isinstance(error, NotFound) and override.path is not None:
        return [report.override_key("path")]
    if isinstance(error, Invalid):
        return [report.override_key("parameters", name) for name in override.parameters]
    return []


def _params(endpoint: Endpoint, months: Months) -> dict[str, str]:
    return dates_between(endpoint, months) if endpoint.window is not Window.NONE else {}


def _first_page(endpoint: Endpoint, rows: int) -> dict[str, str]:
    names = endpoint.parameters
    return {names.get("page", "page"): "1", names.get("pageSize", "pageSize"): str(rows)}


def _one_page(client: TimixClient, report: EndpointReport, months: Months) -> Decoded:
    endpoint = report.endpoint
    params = _params(endpoint, months)
    if endpoint.shape is Shape.LIST:
        params |= _first_page(endpoint, SAMPLE_ROWS)
    path, answer = first_answer(endpoint, lambda path: client.get(path, params))
    if isinstance(answer, dict) and isinstance(answer.get("totalCount"), int):
        report.total = answer["totalCount"]
    report.path = path
    if path != endpoint.path:
        report.notes.append(
            f"{endpoint.path} returned 404; {path} is used instead, with one extra request in every run."
        )
        report.suggestions.append(f"    path: {path}")
    report.records = records_in(answer, path)
    return decode(endpoint, report.records)


def _report(client: TimixClient, report: EndpointReport, months: Months, seen: dict[str, EndpointReport]) -> Decoded:
    """Reads a report as a run does: a dated one for both months; one that requires a customer for the first customer."""
    endpoint = report.endpoint
    customers = seen["customers"]
    first = [] if customers.sample.is_empty() else customers.sample["id"].to_list()[:1]
    reader = ReportReader(client, endpoint, endpoint.path, lambda: first)
    if endpoint.window is Window.NONE:
        report.records = reader.rows({})
        decoded = decode(endpoint, report.records)
    else:
        sent = {month: reader.rows(_params(endpoint, Months(month, month))) for month in months}
        report.records = [record for rows in sent.values() for record in rows]
        of_month = {month: decode(endpoint, rows, month=month) for month, rows in sent.items()}
        same = identical_months({month: content_hash(endpoint, one.rows) for month, one in of_month.items()})
        if same:
            report.notes.append(identical_months_message(endpoint, same))
        previous, current = of_month.values()
        decoded = Decoded(
            pl.concat([previous.rows, current.rows]),
            pl.concat([previous.rejected, current.rejected]),
            previous.report + current.report,
        )
    if reader.by_customer:
        customers_total = customers.total or customers.rows
        report.notes.append(
            f"{endpoint.name} is available per customer only: a run sends one request for each of the {customers_total or 0:,} "
            "customers and month; use short month ranges."
        )
    return decoded


def _test_end_date(client: TimixClient, report: EndpointReport, months: Months) -> None:
    """Tests whether the range includes the day of endDate, by requesting a single day that is known to have rows."""
    endpoint, path = report.endpoint, report.path
    if endpoint.date_column is None:
        return
    days = report.sample.filter(pl.col(MONTH).is_between(months.first, months.last))[endpoint.date_column]
    if days.is_empty():
        return
    day = days.to_list()[0]

    def answers(*, end_exclusive: bool) -> bool:
        params = days_between(replace(endpoint, end_exclusive=end_exclusive), day, day)
        return bool(records_in(client.get(path, params | _first_page(endpoint, 1)), path))

    included = answers(end_exclusive=False)
    name = endpoint.parameters["endDate"]
    if included and endpoint.end_exclusive:
        report.add_failure(
            f"{path} includes the day of {name}, so {report.override_key('end_exclusive')} is wrong; remove it, and from the "
            "reports too."
        )
    elif not included and not endpoint.end_exclusive and answers(end_exclusive=True):
        report.suggestions.append("    end_exclusive: true")
        report.add_failure(
            f"{path} excludes the day of {name} (a request for {day} alone returns no rows, although there are some), so the "
            "last day of every range would be missing; set end_exclusive, and for the dated reports too unless their figures "
            "include the last day."
        )


def _compare(report: EndpointReport, decoded: Decoded, months: Months, role: str | None) -> None:
    endpoint = report.endpoint
    # What the key's role cannot see is not missing.
    findings = replace(decoded.report, expected=decoded.report.expected - hidden_from(role))
    report.unknown = sorted(findings.unknown_fields)
    if not findings.records:
        report.notes.append(f"{endpoint.name} has no rows here, so its fields cannot be checked.")
        return
    report.missing = sorted(findings.missing_columns)
    required = [column.name for column in endpoint.columns if column.required and column.name in report.missing]
    suggested = suggest(endpoint, findings, [record for record in report.records if isinstance(record, dict)])
    if required:
        lines = " (see the lines below)" if suggested else ""
        report.add_failure(f"cannot be read: no field matches {', '.join(required)}{lines}.")
    elif not decoded.rejected.is_empty():
        report.add_failure(
            f"{decoded.rejected.height:,} of {count_noun(findings.records, 'row')} cannot be read "
            f"({decoded.rejected['reason'][0]})."
        )
    report.notes.extend([*findings.value_messages(endpoint), *findings.spelling_messages(endpoint)])
    # Without the first two lines, which name the endpoint.
    report.suggestions.extend(_not_overridden(report, suggested[2:]))
    report.notes.extend(
        f"{report.override_key('columns', column)} computes column `{column}` of {endpoint.name}, but "
        f"{'no record has the field' if column in report.missing else 'not every value can be read'}; correct or remove it."
        for column in report.override.columns
        if column in report.missing or column in findings.unreadable
    )
    if endpoint.window is Window.RANGE:
        outside = decoded.rows.filter(~decoded.rows[MONTH].is_between(months.first, months.last)).height
        if outside:
            names = endpoint.parameters
            overrides = [
                report.override_key("parameters", name) for name in names if name in report.override.parameters
            ]
            report.notes.append(
                f"{endpoint.name}: {outside:,} of {count_noun(findings.records, 'row')} are outside the requested dates, so "
                f"the server ignores {names['startDate']} and {names['endDate']}, and every run would read the whole history. "
                + (
                    f"Correct {' and '.join(overrides)}."
                    if overrides
                    else "Set parameters.startDate and parameters.endDate."
                )
            )


def _not_overridden(report: EndpointReport, lines: Sequence[str]) -> list[str]:
    """The suggestions for columns that the overrides file does not set; a note names those that it does."""
    head, columns = lines[:1], lines[1:]
    free = [line for line in columns if line.split(":", 1)[0].split()[-1] not in report.override.columns]
    return [*head, *free] if free else []


def workspace_notes(timix: Connection, reports: Sequence[EndpointReport], settings: Settings) -> list[str]:
    """Messages about the workspace as a whole: plan, role, the key's expiry and the time zone."""
    by_name = {report.endpoint.name: report for report in reports}
    if ME not in by_name or by_name[ME].rows is None:
        return []
    limit = plan_message(timix.client().plan)
    if by_name[ME].sample.is_empty():
        return [f"The key's own record cannot be read; {limit}."]
    key = by_name[ME].sample.row(0, named=True)
    notes = [
        f"The key belongs to {key['organization_name'] or 'an organization that /me does not name'}, role "
        f"{key['role'] or 'unknown'}; {limit}."
    ]
    if key["role"] in ROLES_WITHOUT_COST:
        notes.append(
            f"The role {key['role']} cannot see cost: cost, profit and margin will be null; use a Finance key for them."
        )
    expires = key["key_expires_at"]
    if expires is not None and (expires.date() - settings.today()).days <= KEY_WARNING_DAYS:
        notes.append(f"The key expires on {expires:%Y-%m-%d}; create a new key in Timix before that.")
    return notes + _time_zone_notes(by_name.get("organization"), settings)


def _time_zone_notes(organization: EndpointReport | None, settings: Settings) -> list[str]:
    sample = pl.DataFrame() if organization is None else organization.sample
    theirs = None if sample.is_empty() else sample["time_zone"][0]
    ours = settings.timezone
    if theirs is None or not ours or theirs == ours:
        return []
    return [
        f"The organization's time zone is {theirs}, but TIMIX_TIMEZONE is {ours}; leave TIMIX_TIMEZONE empty, or set it to "
        f"{theirs}, so that the current month starts when theirs does."
    ]


def override_lines(reports: Sequence[EndpointReport]) -> list[str]:
    """The suggestions of all endpoints as YAML for the file of TIMIX_OVERRIDES; empty without any."""
    lines = []
    for report in reports:
        if report.suggestions:
            lines.append(f"  {report.endpoint.name}:")
            lines.extend(report.suggestions)
    return ["endpoints:", *lines] if lines else []
