"""Invoices made from approved hours: month by month for each customer and currency, and what became of each of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, cached_property
from itertools import groupby
from random import Random
from typing import Any

from .chance import chance
from .entries import Entry
from .projects import at, customer_country, first_of, month_index

Row = dict[str, Any]

TAX = {"GB": Decimal("0.20"), "DE": Decimal("0.19"), "IL": Decimal("0.18"), "US": Decimal(0)}
CENT = Decimal("0.01")
DAYS_TO_PAY = 30
NEVER = date.max


@dataclass(frozen=True, slots=True)
class Course:
    """The days of an invoice's life, whether they have come or not."""

    issued: date
    sent: date
    paid: date
    void: date

    def status(self, today: date) -> str:
        if self.void <= today:
            return "Void"
        if today < self.issued:
            return "Draft"
        if today < self.sent:
            return "Issued"
        return "Paid" if self.paid <= today else "Sent"


@dataclass(frozen=True)
class Bill:
    """What one invoice bills: a customer's month in one currency; attempt 1 replaces an invoice that was voided."""

    customer: int
    currency: str
    month: int
    attempt: int = 0

    @cached_property
    def id(self) -> str:
        again = "-b" if self.attempt else ""
        return f"inv-{first_of(self.month):%Y%m}-{self.customer:03d}-{self.currency.lower()}{again}"


@dataclass(frozen=True)
class Billing:
    """One firm's billing from `first_month` on, as seen today. contracts: project id -> agreed price."""

    seed: int
    first_month: int
    today: date
    contracts: Mapping[str, Decimal]

    def invoices(self, entries: Iterable[Entry]) -> list[Row]:
        """The invoices so far; the entries' rows get their invoice, and the status that follows from it."""
        ledgers: dict[tuple[int, str], list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.row["status"] == "Approved" and entry.row["billing_type"] != "OVH":
                project = entry.project
                if not _held_back(self.seed, project.number, month_index(entry.row["date"])):
                    ledgers[project.customer, project.currency].append(entry)
        return _numbered([i for owner in sorted(ledgers) for i in self._bill(*owner, ledgers[owner])])

    def _bill(self, customer: int, currency: str, pending: list[Entry]) -> Iterator[Row]:
        settled: set[str] = set()
        for month in range(self.first_month, month_index(self.today)):
            draw = chance(self.seed, "bill", customer, currency, month)
            drafted = first_of(month + 1) + timedelta(days=draw.randrange(2, 10))
            due = [e for e in pending if _is_due(e, month, drafted)]
            if not due or drafted > self.today or draw.random() < 0.05:
                continue
            yield from self._attempts(Bill(customer, currency, month), drafted, due, settled)
            pending = [e for e in pending if e.row["invoice_id"] is None]
            settled |= {e.project.id for e in due if e.row["invoice_id"] and e.row["billing_type"] == "Fix"}

    def _attempts(self, bill: Bill, drafted: date, due: Sequence[Entry], settled: Collection[str]) -> Iterator[Row]:
        """An invoice, and after its voiding another one for the same hours."""
        course = self._course(bill, drafted)
        yield self._invoice(bill, course, due, settled)
        if course.void <= self.today - timedelta(days=2):
            again = Bill(bill.customer, bill.currency, bill.month, 1)
            yield self._invoice(again, self._course(again, course.void + timedelta(days=2)), due, settled)

    def _course(self, bill: Bill, drafted: date) -> Course:
        draw = chance(self.seed, "course", bill.id)
        issued = drafted + timedelta(days=_lag(draw, usual=6, slow=45))
        sent = issued + timedelta(days=_lag(draw, usual=4, slow=30))
        paid = NEVER if draw.random() < 0.03 else sent + timedelta(days=draw.randrange(8, 70))
        return Course(issued, sent, paid, sent + timedelta(days=draw.randrange(6)) if draw.random() < 0.05 else NEVER)

    def _invoice(self, bill: Bill, course: Course, due: Sequence[Entry], settled: Collection[str]) -> Row:
        status = course.status(self.today)
        if status != "Void":
            changed = {} if status == "Draft" else {"status": "Invoiced", "updated_at": at(course.issued, 16)}
            for entry in due:
                entry.row |= {"invoice_id": bill.id, **changed}
        lines = self._lines(due, settled)
        subtotal = sum((line["amount"] for line in lines), Decimal(0))
        tax = (subtotal * TAX[customer_country(self.seed, bill.customer)]).quantize(CENT, ROUND_HALF_UP)
        issued = course.issued if course.issued <= self.today else None
        return {
            "id": bill.id,
            "number": None,
            "customer_id": f"cus-{bill.customer:03d}",
            "status": status,
            "issue_date": issued,
            "due_date": issued and issued + timedelta(days=DAYS_TO_PAY),
            "paid_date": course.paid if status == "Paid" else None,
            "period_start": min(e.row["date"] for e in due),
            "period_end": first_of(bill.month + 1) - timedelta(days=1),
            "currency": bill.currency,
            "subtotal": subtotal,
            "tax_amount": tax,
            "total": subtotal + tax,
            "lines": lines,
        }

    def _lines(self, due: Sequence[Entry], settled: Collection[str]) -> list[Row]:
        """A line per project and rate of its TM hours, and one for the hours of a fixed price, which is billed once."""
        hours: dict[tuple[str, Decimal | None], Decimal] = defaultdict(Decimal)
        names = {entry.project.id: entry.project.name for entry in due}
        for entry in due:
            rate = None if entry.row["billing_type"] == "Fix" else entry.row["customer_rate"] or Decimal(0)
            hours[entry.project.id, rate] += entry.row["hours"]
        return [
            {
                "description": f"{names[project_id]}, {'fixed price' if rate is None else 'hours'}",
                "project_id": project_id,
                "hours": total,
                "rate": rate,
                "amount": self._fixed_price(project_id, settled) if rate is None else _cents(total * rate),
            }
            for (project_id, rate), total in hours.items()
        ]

    def _fixed_price(self, project_id: str, settled: Collection[str]) -> Decimal:
        return Decimal(0) if project_id in settled else self.contracts.get(project_id, Decimal(0))


def _is_due(entry: Entry, month: int, drafted: date) -> bool:
    """TM hours of the month and before; fixed-price hours once their project's last month is billed."""
    if entry.approved_on > drafted or month_index(entry.row["date"]) > month:
        return False
    return entry.row["billing_type"] == "TM" or month_index(entry.project.end) <= month


def _lag(draw: Random, *, usual: int, slow: int) -> int:
    """Days until the next step: mostly a few, now and then some weeks."""
    return draw.randrange(usual, slow) if draw.random() < 0.1 else draw.randrange(1, usual)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


@cache
def _held_back(seed: int, project: int, month: int) -> bool:
    """Some months of some projects are disputed, and grow old unbilled."""
    return chance(seed, "disputed", project, month).random() < 0.03


def _numbered(invoices: Sequence[Row]) -> list[Row]:
    """Number what was issued, in order of issue, without a gap within its month."""
    issued = sorted((i for i in invoices if i["issue_date"]), key=lambda i: (i["issue_date"], i["id"]))
    for _, month in groupby(issued, key=lambda i: (i["issue_date"].year, i["issue_date"].month)):
        for n, invoice in enumerate(month, 1):
            invoice["number"] = f"{invoice['issue_date']:%Y-%m}-{n:03d}"
    return sorted(invoices, key=lambda i: str(i["id"]))
