"""The raw tables by id, and the entries as the formulas see them (docs/metrics.md, § 0)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from timix_assets.metrics.params import RollupParams
from timix_assets_tests.metrics.oracle_arithmetic import (
    ZERO,
    Row,
    Tables,
    at_most,
    days,
    first_known,
    grouped,
    month_end,
    month_of,
    months,
)
from timix_assets_tests.metrics.oracle_invoices import Invoice

BILLABLE_TYPES = ("TM", "Fix")
APPROVED_STATUSES = ("Approved", "Invoiced")
CLOSED_STATUSES = ("Completed", "Cancelled")
MONDAY = 1
LONGEST_DAY = Decimal(24)


@dataclass(frozen=True, slots=True)
class Entry:
    """A time report with its parents, billing type and currencies joined in."""

    user_id: str
    subtask_id: str
    task_id: str | None
    project_id: str | None
    customer_id: str | None
    day: date
    hours: Decimal
    billing_type: str | None
    status: str | None
    customer_rate: Decimal | None
    cost_rate: Decimal | None
    currency: str | None
    cost_currency: str | None
    invoice_id: str | None
    created_at: datetime | None
    is_time_off: bool

    @property
    def month(self) -> date:
        return month_of(self.day)

    @property
    def is_billable(self) -> bool:
        """§ 0: billable = billing type TM or Fix."""
        return self.billing_type in BILLABLE_TYPES

    @property
    def is_approved(self) -> bool:
        """§ 0: approved = Approved and Invoiced."""
        return self.status in APPROVED_STATUSES

    @property
    def charge(self) -> Decimal | None:
        """hours × customer rate; None without a rate. § 4: a rate of 0 is a rate."""
        return None if self.customer_rate is None else self.hours * self.customer_rate

    @property
    def cost(self) -> Decimal | None:
        """§ 4: hours × cost rate; None without a rate, or with one in another currency than the entry."""
        return None if self.cost_rate is None or self.cost_currency != self.currency else self.hours * self.cost_rate


def hours_of(entries: Iterable[Entry]) -> Decimal:
    return sum((entry.hours for entry in entries), ZERO)


def of_type(entries: Iterable[Entry], billing_type: str) -> list[Entry]:
    return [entry for entry in entries if entry.billing_type == billing_type]


def by_id(rows: Iterable[Row]) -> dict[str, Row]:
    return {row["id"]: row for row in rows}


class Ledger:
    """The raw tables by id, the loaded months, and the entries sorted into those that count and where.

    sound: every entry with valid hours, of any date and status. budgeted: the counted ones of loaded days to as-of, leave
    included. leave: budgeted on time-off subtasks. worked: budgeted without leave. entered: as worked, of any status.
    """

    def __init__(self, tables: Tables, params: RollupParams) -> None:
        self.params = params
        self.users = by_id(tables["org_users"])
        self.holiday_profiles = by_id(tables["holiday_profiles"])
        self.customers = by_id(tables["customers"])
        self.projects = by_id(tables["projects"])
        self.tasks = by_id(tables["tasks"])
        self.subtasks = by_id(tables["subtasks"])
        self.api_statuses = {row["project_id"]: row.get("status") for row in tables["budget_health_report"]}
        self.organization: Row = next(iter(tables["organization"]), {})
        self.first_day_of_week = self._first_day_of_week()
        max_amount = params.firm.money_policy.max_amount
        self.invoices = {row["id"]: Invoice.of(row, self.customer_currency, max_amount) for row in tables["invoices"]}

        # § 0: entries with invalid hours (≤ 0 or > 24) do not count.
        self.sound = [
            self._entry(row)
            for row in tables["time_reports"]
            if row["hours"] is not None and ZERO < row["hours"] <= LONGEST_DAY
        ]
        # § 0: entries dated after as-of count only in unbilled.
        to_as_of = [entry for entry in self.sound if entry.day <= params.as_of]
        self.months = self._loaded_months(min((e.day for e in to_as_of if self._counts(e)), default=None))
        loaded = [entry for entry in to_as_of if self.is_loaded(entry.day)]
        self.budgeted = [entry for entry in loaded if self._counts(entry)]
        # § 0: time-off entries count in budgets and nowhere else but in time_off.
        self.leave = [entry for entry in self.budgeted if entry.is_time_off]
        self.worked = [entry for entry in self.budgeted if not entry.is_time_off]
        self.entered = [entry for entry in loaded if not entry.is_time_off]
        self.days_used = {
            project_id: [entry.day for entry in entries]
            for project_id, entries in grouped(self.budgeted, lambda entry: entry.project_id).items()
        }

    def _first_day_of_week(self) -> int:
        first_day = self.organization.get("first_day_of_week")
        return MONDAY if first_day is None else int(first_day)

    def _counts(self, entry: Entry) -> bool:
        return entry.status in self.params.firm.budget_policy.counted_statuses

    def _loaded_months(self, first_counted: date | None) -> tuple[date, ...]:
        """§ 0: the months that were read, from that of the first counted entry (without any: the first read) to as-of's."""
        first = date.min if first_counted is None else month_of(first_counted)
        return tuple(month for month in self.params.months if first <= month <= self.params.as_of)

    def is_loaded(self, day: date) -> bool:
        return month_of(day) in self.months

    def loaded_days(self) -> Iterator[date]:
        """§ 0: from the first to the last day of loaded months, without those of months that were never read."""
        return (day for month in self.months for day in days(month, month_end(month)))

    def is_partial(self, first: date, last: date) -> bool:
        """§ 2: a day of the period comes after as-of or is in no loaded month."""
        return last > self.params.as_of or not all(self.is_loaded(day) for day in days(first, last))

    def history_complete(self, project: Row) -> bool | None:
        """§ 3: every month from the project's start to as-of was read; null without a start date."""
        start = project.get("start_date")
        return None if start is None else all(m in self.params.months for m in months(start, self.params.as_of))

    def counts_as_running(self, project: Row, month: date) -> bool:
        """§ 6: a Completed or Cancelled project counts up to the month of its last counted entry only."""
        used = self.days_used.get(project["id"])
        return project.get("status") not in CLOSED_STATUSES or (used is not None and month <= max(used))

    def _entry(self, row: Row) -> Entry:
        """§ 0: missing parents are joined in from subtasks, tasks and projects; so is the SubTask's billing type."""
        subtask = self.subtasks.get(row["subtask_id"], {})
        task_id = first_known(row.get("task_id"), subtask.get("task_id"))
        project_id = first_known(row.get("project_id"), self.tasks.get(task_id or "", {}).get("project_id"))
        project = self.projects.get(project_id or "", {})
        customer_id = first_known(row.get("customer_id"), project.get("customer_id"))
        # § 0: the entry's own currency, else the project's, the customer's, the organization's.
        currency = first_known(row.get("currency"), project.get("currency"), self.customer_currency(customer_id))
        # § 4: the entry's costRateCurrency, else the user's, else the entry's currency.
        cost_currency_of_user = self.users.get(row["user_id"], {}).get("cost_rate_currency")
        return Entry(
            user_id=row["user_id"],
            subtask_id=row["subtask_id"],
            task_id=task_id,
            project_id=project_id,
            customer_id=customer_id,
            day=row["date"],
            hours=row["hours"],
            billing_type=first_known(row.get("billing_type"), subtask.get("billing_type")),
            status=row.get("status"),
            customer_rate=at_most(row.get("customer_rate"), self.params.firm.money_policy.max_rate),
            cost_rate=at_most(row.get("cost_rate"), self.params.firm.money_policy.max_rate),
            currency=currency,
            cost_currency=first_known(row.get("cost_rate_currency"), cost_currency_of_user, currency),
            invoice_id=row.get("invoice_id"),
            created_at=row.get("created_at"),
            is_time_off=row["subtask_id"] in self.params.firm.work_calendar.time_off_subtask_ids,
        )

    def customer_currency(self, customer_id: str | None) -> str | None:
        """The customer's currency, else the organization's."""
        customer = self.customers.get(customer_id or "", {})
        return first_known(customer.get("currency"), self.organization.get("currency"))

    def project_currency(self, project: Row) -> str | None:
        return first_known(project.get("currency"), self.customer_currency(project.get("customer_id")))

    def invoice_status(self, entry: Entry) -> str | None:
        """None without an invoice, and of one that is not listed."""
        invoice = self.invoices.get(entry.invoice_id or "")
        return None if invoice is None else invoice.status
