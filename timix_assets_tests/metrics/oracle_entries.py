"""The raw tables by id, and the entries as the formulas see them (metrics.md § 0)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from timix_assets.metrics.settings import Settings
from timix_assets_tests.metrics.oracle_arithmetic import ZERO, Row, Tables, month_end, month_of

BILLABLE_TYPES = ("TM", "Fix")
MONDAY = 1
LONGEST_DAY = Decimal(24)


@dataclass(frozen=True, slots=True)
class Entry:
    """A time report with its parents, billing type and currency joined in."""

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
    invoice_id: str | None
    is_time_off: bool

    @property
    def month(self) -> date:
        return month_of(self.day)

    @property
    def is_billable(self) -> bool:
        """§ 0: billable = billing type TM or Fix."""
        return self.billing_type in BILLABLE_TYPES

    @property
    def charge(self) -> Decimal | None:
        """hours × customer rate; None without a rate. § 4: a rate of 0 is a rate."""
        return None if self.customer_rate is None else self.hours * self.customer_rate

    @property
    def cost(self) -> Decimal | None:
        """§ 4: hours × cost rate; None without a rate."""
        return None if self.cost_rate is None else self.hours * self.cost_rate


def hours_of(entries: Iterable[Entry]) -> Decimal:
    return sum((entry.hours for entry in entries), ZERO)


def by_id(rows: Iterable[Row]) -> dict[str, Row]:
    return {row["id"]: row for row in rows}


class Ledger:
    """The raw tables by id, the loaded range, and the entries sorted into those that count and where.

    sound: every entry that is not absurd, of any date and status. budgeted: the counted ones to as-of, leave included.
    worked: budgeted without leave. leave: budgeted on time-off subtasks.
    """

    def __init__(self, tables: Tables, settings: Settings) -> None:
        self.settings = settings
        self.users = by_id(tables["org_users"])
        self.holiday_profiles = by_id(tables["holiday_profiles"])
        self.customers = by_id(tables["customers"])
        self.projects = by_id(tables["projects"])
        self.tasks = by_id(tables["tasks"])
        self.subtasks = by_id(tables["subtasks"])
        self.invoices = tables["invoices"]
        self.api_statuses = {row["project_id"]: row.get("status") for row in tables["budget_health_report"]}
        self.organization: Row = next(iter(tables["organization"]), {})
        self.first_day_of_week = self._first_day_of_week()

        # § 0: the loaded range runs to the last day of the as-of month.
        self.first_day = settings.first_month
        self.last_day = month_end(settings.as_of)

        # § 0: absurd entries (hours ≤ 0 or > 24) are left out.
        self.sound = [
            self._entry(row)
            for row in tables["time_reports"]
            if row["hours"] is not None and ZERO < row["hours"] <= LONGEST_DAY
        ]
        # § 0: entries dated after as-of count only in unbilled; nothing else reaches beyond the loaded range.
        self.budgeted = [
            entry
            for entry in self.sound
            if entry.status in settings.budgets.counted_statuses and self.first_day <= entry.day <= settings.as_of
        ]
        # § 0: time-off entries count in budgets and nowhere else but in time_off.
        self.worked = [entry for entry in self.budgeted if not entry.is_time_off]
        self.leave = [entry for entry in self.budgeted if entry.is_time_off]

    def _first_day_of_week(self) -> int:
        first_day = self.organization.get("first_day_of_week")
        return MONDAY if first_day is None else int(first_day)

    def _entry(self, row: Row) -> Entry:
        """§ 0: missing parents are joined in from subtasks, tasks and projects; so is the SubTask's billing type."""
        subtask = self.subtasks.get(row["subtask_id"], {})
        task_id = _first_known(row.get("task_id"), subtask.get("task_id"))
        project_id = _first_known(row.get("project_id"), self.tasks.get(task_id or "", {}).get("project_id"))
        project = self.projects.get(project_id or "", {})
        customer_id = _first_known(row.get("customer_id"), project.get("customer_id"))
        return Entry(
            user_id=row["user_id"],
            subtask_id=row["subtask_id"],
            task_id=task_id,
            project_id=project_id,
            customer_id=customer_id,
            day=row["date"],
            hours=row["hours"],
            billing_type=_first_known(row.get("billing_type"), subtask.get("billing_type")),
            status=row.get("status"),
            customer_rate=row.get("customer_rate"),
            cost_rate=row.get("cost_rate"),
            # § 4: if the entry names no currency: the project's, the customer's, the organization's.
            currency=_first_known(row.get("currency"), project.get("currency"), self.customer_currency(customer_id)),
            invoice_id=row.get("invoice_id"),
            is_time_off=row["subtask_id"] in self.settings.calendar.time_off_subtask_ids,
        )

    def customer_currency(self, customer_id: str | None) -> str | None:
        """The customer's currency, else the organization's."""
        customer = self.customers.get(customer_id or "", {})
        return _first_known(customer.get("currency"), self.organization.get("currency"))

    def project_currency(self, project: Row) -> str | None:
        return _first_known(project.get("currency"), self.customer_currency(project.get("customer_id")))


def _first_known(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)
