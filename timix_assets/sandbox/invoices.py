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

from .entries import Entry
from .projects import at, customer_country, first_of, month_index
from .seeded_random import rng_for

Row = dict[str, Any]

TAX = {"GB": Decimal("0.20"), "DE": Decimal("0.19"), "IL": Decimal("0.18"), "US": Decimal(0)}
CENT = Decimal("0.01")
DAYS_TO_PAY = 30
WAITING_CUSTOMERS = 7
"""One of so many customers wants every draft approved, which takes weeks."""
LATE_CUSTOMERS = 6
"""One of so many customers pays weeks after the due date."""
WRITTEN_DOWN, WRITE_DOWNS = 0.25, (Decimal("0.05"), Decimal("0.10"), Decimal("0.20"))
PAID_IN_PARTS, FIRST_SHARES = 0.15, (Decimal("0.25"), Decimal("0.4"), Decimal("0.5"))
VOIDED, ABANDONED = 0.06, 0.5
"""Share of invoices that are voided; of these, the share that no other invoice replaces: their hours keep the void one."""
NEVER = date.max


@dataclass(frozen=True, slots=True)
class InvoiceDates:
    """The days on which an invoice is issued, sent, paid and voided; days after today are planned.

    A part of the total, `first_share`, may be paid earlier than the rest. An abandoned one is not replaced when it is voided.
    """

    issued: date
    sent: date
    paid: date
    void: date
    first_paid: date = NEVER
    first_share: Decimal = Decimal(0)
    abandoned: bool = False

    def status(self, today: date) -> str:
        if self.void <= today:
            return "Void"
        if today < self.issued:
            return "Draft"
        if today < self.sent:
            return "Issued"
        return "Paid" if self.paid <= today else "Sent"

    def amount_paid(self, total: Decimal, today: date) -> Decimal | None:
        """What has been paid of the total; None where nothing is to be paid."""
        match self.status(today):
            case "Draft" | "Void":
                return None
            case "Paid":
                return total
            case _:
                return _cents(total * self.first_share) if self.first_paid <= today else Decimal(0)


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
            draw = rng_for(self.seed, "bill", customer, currency, month)
            drafted = first_of(month + 1) + timedelta(days=draw.randrange(2, 10))
            due = [e for e in pending if _is_due(e, month, drafted)]
            if not due or drafted > self.today or draw.random() < 0.05:
                continue
            yield from self._attempts(Bill(customer, currency, month), drafted, due, settled)
            pending = [e for e in pending if e.row["invoice_id"] is None]
            settled |= {e.project.id for e in due if e.row["invoice_id"] and e.row["billing_type"] == "Fix"}

    def _attempts(self, bill: Bill, drafted: date, due: Sequence[Entry], settled: Collection[str]) -> Iterator[Row]:
        """An invoice, and after its voiding mostly another one for the same hours."""
        dates = self._dates(bill, drafted)
        yield self._invoice(bill, dates, due, settled)
        if dates.void <= self.today - timedelta(days=2) and not dates.abandoned:
            again = Bill(bill.customer, bill.currency, bill.month, 1)
            yield self._invoice(again, self._dates(again, dates.void + timedelta(days=2)), due, settled)

    def _dates(self, bill: Bill, drafted: date) -> InvoiceDates:
        draw = rng_for(self.seed, "life", bill.id)
        issued = drafted + timedelta(days=_lag(draw, default=6, slow=45, waits=bill.customer % WAITING_CUSTOMERS == 4))
        sent = issued + timedelta(days=_lag(draw, default=4, slow=30))
        paid = NEVER if draw.random() < 0.03 else sent + timedelta(days=draw.randrange(8, 36))
        void = sent + timedelta(days=draw.randrange(6)) if draw.random() < VOIDED else NEVER
        if bill.customer % LATE_CUSTOMERS == 2 and paid != NEVER:
            paid = issued + timedelta(days=DAYS_TO_PAY + draw.randrange(20, 110))
        first_paid, share = NEVER, Decimal(0)
        if draw.random() < PAID_IN_PARTS:
            first_paid, share = sent + timedelta(days=draw.randrange(5, 25)), draw.choice(FIRST_SHARES)
            paid = NEVER if paid == NEVER else max(paid, first_paid + timedelta(days=draw.randrange(30, 90)))
        return InvoiceDates(issued, sent, paid, void, first_paid, share, abandoned=draw.random() < ABANDONED)

    def _invoice(self, bill: Bill, dates: InvoiceDates, due: Sequence[Entry], settled: Collection[str]) -> Row:
        status = dates.status(self.today)
        if status != "Void" or dates.abandoned:
            billed = {"status": "Invoiced", "updated_at": at(dates.issued, 16)}
            changed = {"Draft": {}, "Void": {"updated_at": at(dates.void, 16)}}.get(status, billed)
            for entry in due:
                entry.row |= {"invoice_id": bill.id, **changed}
        lines = self._lines(due, settled)
        lines += self._write_down(bill, lines)
        projects = {line["project_id"] for line in lines}
        subtotal = sum((line["amount"] for line in lines), Decimal(0))
        tax = (subtotal * TAX[customer_country(self.seed, bill.customer)]).quantize(CENT, ROUND_HALF_UP)
        issued = dates.issued if dates.issued <= self.today else None
        return {
            "id": bill.id,
            "number": None,
            "customer_id": f"cus-{bill.customer:03d}",
            "project_id": projects.pop() if len(projects) == 1 else None,
            "status": status,
            "issue_date": issued,
            "due_date": issued and issued + timedelta(days=DAYS_TO_PAY),
            "paid_date": dates.paid if status == "Paid" else None,
            "period_start": min(e.row["date"] for e in due),
            "period_end": first_of(bill.month + 1) - timedelta(days=1),
            "currency": bill.currency,
            "subtotal": subtotal,
            "tax_amount": tax,
            "total": subtotal + tax,
            "amount_paid": dates.amount_paid(subtotal + tax, self.today),
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

    def _write_down(self, bill: Bill, lines: Sequence[Row]) -> list[Row]:
        """Now and then less is billed than the hours are worth."""
        draw = rng_for(self.seed, "write-down", bill.id)
        worth = sum((line["amount"] for line in lines if line["rate"] is not None), Decimal(0))
        if draw.random() >= WRITTEN_DOWN or not worth:
            return []
        amount = -_cents(worth * draw.choice(WRITE_DOWNS))
        project = lines[0]["project_id"]
        return [{"description": "Write-down", "project_id": project, "hours": None, "rate": None, "amount": amount}]

    def _fixed_price(self, project_id: str, settled: Collection[str]) -> Decimal:
        return Decimal(0) if project_id in settled else self.contracts.get(project_id, Decimal(0))


def _is_due(entry: Entry, month: int, drafted: date) -> bool:
    """TM hours of the month and before; fixed-price hours once their project's last month is billed."""
    if entry.approved_on > drafted or month_index(entry.row["date"]) > month:
        return False
    return entry.row["billing_type"] == "TM" or month_index(entry.project.end) <= month


def _lag(draw: Random, *, default: int, slow: int, waits: bool = False) -> int:
    """Days until the next step: mostly a few, now and then (or always, where it waits) some weeks."""
    return draw.randrange(default, slow) if draw.random() < 0.1 or waits else draw.randrange(1, default)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


@cache
def _held_back(seed: int, project: int, month: int) -> bool:
    """Some months of some projects are disputed, and grow old unbilled."""
    return rng_for(seed, "disputed", project, month).random() < 0.03


def _numbered(invoices: Sequence[Row]) -> list[Row]:
    """Number what was issued, in order of issue, without a gap within its month."""
    issued = sorted((i for i in invoices if i["issue_date"]), key=lambda i: (i["issue_date"], i["id"]))
    for _, month in groupby(issued, key=lambda i: (i["issue_date"].year, i["issue_date"].month)):
        for n, invoice in enumerate(month, 1):
            invoice["number"] = f"{invoice['issue_date']:%Y-%m}-{n:03d}"
    return sorted(invoices, key=lambda i: str(i["id"]))
