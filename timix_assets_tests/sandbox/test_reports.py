"""The API's own reports agree, to the last place, with a recount from the rows that the same API lists."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.sandbox import Firm, Sandbox

from .conftest import TODAY, Reader

JANUARY = {"startDate": "2026-01-01", "endDate": "2026-01-31"}
COUNTED = {"Draft", "Submitted", "Approved", "Invoiced"}
ZERO = Decimal(0)


@pytest.fixture(scope="module")
def served(firm: Firm) -> Iterator[Sandbox]:
    with Sandbox(firm) as sandbox:
        yield sandbox


@pytest.fixture
def api(served: Sandbox, reader_of: Callable[..., Reader]) -> Reader:
    return reader_of(served)


@pytest.fixture
def cost_of(api: Reader) -> Callable[[dict[str, Any]], Decimal | None]:
    """The cost of an entry; None where its rate is in another currency than the entry."""
    currency_of = {row["id"]: row["costRateCurrency"] for row in api.all("/org-users")}

    def cost(entry: dict[str, Any]) -> Decimal | None:
        currency = entry["costRateCurrency"] or currency_of[entry["userId"]]
        return entry["hours"] * entry["costRate"] if currency == entry["currency"] else None

    return cost


@pytest.fixture
def is_unbilled(api: Reader) -> Callable[[dict[str, Any]], bool]:
    """Approved TM time that is on no invoice, or on one that is a draft or void."""
    open_invoices = {None, *(row["id"] for row in api.all("/invoices") if row["status"] in ("Draft", "Void"))}
    return lambda entry: (
        (entry["status"], entry["billingType"]) == ("Approved", "TM") and entry["invoiceId"] in open_invoices
    )


def project_by_subtask(api: Reader) -> dict[str, dict[str, Any]]:
    projects = {row["id"]: row for row in api.all("/projects")}
    tasks = {row["id"]: row["projectId"] for row in api.all("/tasks")}
    return {row["id"]: projects[tasks[row["taskId"]]] for row in api.all("/subtasks")}


def test_revenue_is_hours_times_rates_of_counted_entries(api: Reader, cost_of: Callable[..., Decimal | None]) -> None:
    project_of = project_by_subtask(api)
    want: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    costed: dict[tuple[str, str], bool] = defaultdict(bool)
    for entry in api.all("/time-reports", **JANUARY):
        if entry["status"] in COUNTED:
            row_key = (project_of[entry["subtaskId"]]["id"], entry["currency"])
            row = want[row_key]
            row["hours"] += entry["hours"]
            cost = cost_of(entry)
            costed[row_key] |= cost is not None
            row["cost"] += cost or ZERO
            row["billableHours"] += entry["hours"] if entry["billingType"] != "OVH" else ZERO
            row["revenue"] += entry["hours"] * (entry["customerRate"] or 0) if entry["billingType"] == "TM" else ZERO
    got = {(row["projectId"], row["currency"]): row for row in api.all("/financial-reports/revenue", **JANUARY)}
    assert got.keys() == want.keys()
    for key, row in want.items():
        figures: dict[str, Decimal | None] = {**row, "profit": row["revenue"] - row["cost"]}
        if not costed[key]:
            figures |= {"cost": None, "profit": None}
        assert {name: got[key][name] for name in figures} == figures


def test_margin_is_profit_over_revenue_and_null_without_revenue(api: Reader) -> None:
    rows = api.all("/financial-reports/revenue", **JANUARY)
    assert any(row["revenue"] == 0 for row in rows)
    for row in rows:
        if row["revenue"] == 0 or row["cost"] is None:
            assert row["marginPercent"] is None
        else:
            assert row["marginPercent"] == pytest.approx(row["profit"] / row["revenue"] * 100)


def test_budget_status_is_that_of_the_worst_capped_scope(api: Reader, cost_of: Callable[..., Decimal | None]) -> None:
    project_of = project_by_subtask(api)
    used: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in api.all("/time-reports"):
        project = project_of[entry["subtaskId"]]
        if entry["status"] in COUNTED:
            used[project["id"], entry["billingType"]] += entry["hours"]
            if entry["billingType"] == "TM":
                used[project["id"], "amount"] += entry["hours"] * (entry["customerRate"] or 0)
            if entry["billingType"] == "Fix":
                used[project["id"], "contract"] += cost_of(entry) or ZERO
    caps = {
        "TM": "tmHourLimit",
        "Fix": "fixHourLimit",
        "OVH": "ovhHourLimit",
        "amount": "amountLimit",
        "contract": "contractAmount",
    }
    report = {row["projectId"]: row for row in api.all("/financial-reports/budget-health")}
    for project in api.all("/projects"):
        burns = [used[project["id"], scope] / project[cap] for scope, cap in caps.items() if project[cap]]
        worst = max(burns, default=ZERO)
        word = "critical" if worst >= 1 else "warning" if worst >= Decimal("0.8") else "on-track"
        assert report[project["id"]]["status"] == word


def test_budget_warns_at_80_and_is_critical_at_100_percent(firm: Firm, reader_of: Callable[..., Reader]) -> None:
    with Sandbox(firm) as sandbox:
        api = reader_of(sandbox)
        row = next(
            r for r in api.all("/financial-reports/budget-health") if r["consumedHours"] > 0 and not r["budgetHours"]
        )
        hours, said = row["consumedHours"], []
        kind = next(p["billingTypes"][0] for p in api.all("/projects") if p["id"] == row["projectId"])
        no_money = {"amountLimit": 0, "contractAmount": 0}
        for cap in (hours / Decimal("0.79"), hours / Decimal("0.8"), hours, 0):
            api.http.put(f"/projects/{row['projectId']}", json={f"{kind.lower()}HourLimit": str(cap), **no_money})
            report = {r["projectId"]: r for r in api.all("/financial-reports/budget-health")}
            said.append(report[row["projectId"]]["status"])
    assert said == ["on-track", "warning", "critical", "on-track"]


def test_unbilled_time_is_approved_tm_on_no_issued_invoice_by_age(
    api: Reader, is_unbilled: Callable[..., bool]
) -> None:
    hours: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for entry in api.all("/time-reports"):
        if is_unbilled(entry):
            age = (TODAY - date.fromisoformat(entry["date"])).days
            bucket = "0-30" if age <= 30 else "31-60" if age <= 60 else "61-90" if age <= 90 else "91+"
            hours[entry["currency"], bucket] += entry["hours"]
            amounts[entry["currency"]] += entry["hours"] * (entry["customerRate"] or 0)
    report = api.all("/financial-reports/unbilled-time")
    assert {row["currency"]: row["totalAmount"] for row in report} == amounts
    assert report
    aged = {
        (row["currency"], part["bucket"]): part["hours"] for row in report for part in row["aging"] if part["hours"]
    }
    assert aged == hours
    assert all(sum(part["amount"] for part in row["aging"]) == row["totalAmount"] for row in report)


def test_customer_billing_covers_hours_and_invoices_of_the_month(api: Reader, is_unbilled: Callable[..., bool]) -> None:
    project_of = project_by_subtask(api)
    want: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for entry in api.all("/time-reports", **JANUARY):
        key = (project_of[entry["subtaskId"]]["customerId"], entry["currency"])
        state = "unbilled" if is_unbilled(entry) else "billed"
        if entry["billingType"] == "TM" and (state == "unbilled" or entry["status"] == "Invoiced"):
            want[key][f"{state}Hours"] += entry["hours"]
            want[key][f"{state}Amount"] += entry["hours"] * (entry["customerRate"] or 0)
    for invoice in api.all("/invoices"):
        key = (invoice["customerId"], invoice["currency"])
        if invoice["status"] in ("Issued", "Sent", "Paid") and invoice["issueDate"].startswith("2026-01"):
            want[key]["invoiceCount"] += 1
            want[key]["outstandingAmount"] += (
                invoice["total"] - invoice["amountPaid"] if invoice["status"] != "Paid" else ZERO
            )
        if invoice["status"] == "Paid" and invoice["paidDate"].startswith("2026-01"):
            want[key]["paidAmount"] += invoice["total"]
    got = {(r["customerId"], r["currency"]): r for r in api.all("/financial-reports/customer-billing", **JANUARY)}
    assert got.keys() == want.keys()
    for key, row in want.items():
        assert {name: got[key][name] for name in row} == row


def test_customer_billing_can_be_asked_for_one_customer(api: Reader) -> None:
    every = api.all("/financial-reports/customer-billing")
    one = every[0]["customerId"]
    assert api.all("/financial-reports/customer-billing", customerId=one) == [
        r for r in every if r["customerId"] == one
    ]


def test_a_report_follows_a_change(firm: Firm, reader_of: Callable[..., Reader]) -> None:
    with Sandbox(firm) as sandbox:
        api = reader_of(sandbox)
        before = sum(row["hours"] for row in api.all("/financial-reports/revenue"))
        entry = next(row for row in api.all("/time-reports") if row["status"] == "Draft")
        api.http.delete(f"/time-reports/{entry['id']}")
        after = sum(row["hours"] for row in api.all("/financial-reports/revenue"))
    assert before - after == entry["hours"]


@pytest.mark.parametrize("name", ["revenue_report", "budget_health_report", "customer_billing_report"])
def test_an_export_holds_the_rows_of_its_report(name: str, api: Reader) -> None:
    endpoint = BY_NAME[name]
    answer = api.get(str(endpoint.csv_path))
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b'\xef\xbb\xbf"')
    header, *cells = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert header == [column.source for column in endpoint.columns]
    want = [
        ["" if v is None else format(v, "f") if isinstance(v, Decimal) else str(v) for v in r.values()]
        for r in api.all(endpoint.path)
    ]
    assert cells == want


def test_an_export_hides_cost_from_a_member(served: Sandbox, reader_of: Callable[..., Reader]) -> None:
    text = reader_of(served, served.key_for("Member")).get("/financial-reports/revenue/export/csv").content
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline="")))
    assert {(row["cost"], row["profit"], row["marginPercent"]) for row in rows} == {("", "", "")}


def test_exports_contain_line_breaks_quotes_formulas_and_hebrew() -> None:
    firm = Firm.generate(people=40, months=1, seed=7, today=TODAY)
    with Sandbox(firm) as sandbox:
        reader = Reader(sandbox)
        exports = [str(BY_NAME[name].csv_path) for name in ("revenue_report", "budget_health_report")]
        texts = [reader.get(path).content.decode("utf-8-sig") for path in exports]
        reader.http.close()
    cells = {cell for text in texts for row in csv.reader(io.StringIO(text, newline="")) for cell in row}
    assert any("\n" in cell for cell in cells)
    assert any('"' in cell for cell in cells)
    assert any(cell.startswith("=") for cell in cells)
    assert any("\u05d0" <= letter <= "\u05ea" for cell in cells for letter in cell)
