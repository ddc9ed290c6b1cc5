"""The invoices as the formulas see them: their currency, net amount and balance (docs/metrics.md, §§ 0, 4-5)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from timix_assets_tests.metrics.oracle_arithmetic import ZERO, Row, at_most, difference, first_known

INVOICED_STATUSES = ("Issued", "Sent", "Paid")
OPEN_STATUSES = ("Issued", "Sent")


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice. An amount beyond the largest one is unknown."""

    customer_id: str | None
    status: str | None
    issue_date: date | None
    due_date: date | None
    paid_date: date | None
    currency: str | None
    total: Decimal | None
    net: Decimal | None
    amount_paid: Decimal

    @classmethod
    def of(cls, row: Row, customer_currency: Callable[[str | None], str | None], max_amount: Decimal) -> "Invoice":
        total, subtotal, tax, paid = (
            at_most(row.get(column), max_amount) for column in ("total", "subtotal", "tax_amount", "amount_paid")
        )
        return cls(
            customer_id=row.get("customer_id"),
            status=row.get("status"),
            issue_date=row.get("issue_date"),
            due_date=row.get("due_date"),
            paid_date=row.get("paid_date"),
            # § 0: its own currency, else its customer's, else the organization's.
            currency=first_known(row.get("currency"), customer_currency(row.get("customer_id"))),
            total=total,
            # § 4: the net amount is the subtotal, else total − taxAmount.
            net=difference(total, tax) if subtotal is None else subtotal,
            # § 5: amountPaid (missing: 0).
            amount_paid=ZERO if paid is None else paid,
        )

    @property
    def is_invoiced(self) -> bool:
        """§§ 4-6: Issued, Sent or Paid."""
        return self.status in INVOICED_STATUSES

    @property
    def due(self) -> date | None:
        """§ 5: the due date, else the issue date."""
        return self.issue_date if self.due_date is None else self.due_date

    @property
    def balance(self) -> Decimal | None:
        """§ 5, of a receivable: total − amountPaid of invoices Issued or Sent; total of those Paid after as-of."""
        return difference(self.total, self.amount_paid if self.status in OPEN_STATUSES else ZERO)

    def is_receivable(self, as_of: date) -> bool:
        """§ 5: issued after as-of: out; a missing issue date is no reason; a balance of 0: out."""
        paid_later = self.status == "Paid" and self.paid_date is not None and self.paid_date > as_of
        issued_later = self.issue_date is not None and self.issue_date > as_of
        return (self.status in OPEN_STATUSES or paid_later) and not issued_later and self.balance != 0
