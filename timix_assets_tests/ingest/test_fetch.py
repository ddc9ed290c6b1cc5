"""One endpoint on its way into a spool, from servers that are scripted down to the page."""

import secrets
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import ContractError
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.overrides import apply, parse_overrides
from timix_assets.contract.records import decode
from timix_assets.ingest.fetch import Fetched, fetch
from timix_assets.ingest.identical_months import content_hash, identical_months
from timix_assets.lake.months import Months
from timix_assets.lake.spool import Spool
from timix_assets_tests.api.scripted import (
    BRISK,
    NOT_SCRIPTED,
    Asked,
    Reply,
    Script,
    listing,
    refusing_paging,
    serving,
    sheet,
)

BUDGETS = BY_NAME["budget_health_report"]
BILLING = BY_NAME["customer_billing_report"]
USERS = BY_NAME["org_users"]
MARCH, APRIL, MAY = (date(2026, month, 1) for month in (3, 4, 5))


@pytest.fixture
def key() -> str:
    return "bbl_" + secrets.token_hex(16)


def projects(count: int) -> list[dict[str, Any]]:
    return [{"projectId": f"p{n}", "currency": "EUR"} for n in range(count)]


def read(script: Script, key: str, name: str, **columns: str) -> tuple[Fetched, set[str], int]:
    """What an endpoint gave, its rows' keys, and the requests it took."""
    endpoint = apply(BY_NAME[name], parse_overrides({"endpoints": {name: {"columns": columns}}}))
    with (
        serving(script) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        Spool(endpoint.schema, endpoint.key) as spool,
    ):
        fetched = fetch(client, endpoint, spool)
        keys = set(fetched.spooled.frame.collect()[endpoint.key[0]])
        return fetched, keys, len(server.asked) - 1


@pytest.mark.parametrize(("rows", "requests"), [(1, 1), (200, 1), (450, 3)])
def test_paged_report_costs_one_request_per_200_rows(key: str, rows: int, requests: int) -> None:
    fetched, _, asked = read(listing(BUDGETS.path, projects(rows)), key, BUDGETS.name)
    assert (fetched.spooled.rows, asked) == (rows, requests)


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows, page: Reply(rows, headers={"X-Total-Count": "150"}),
        lambda rows, page: Reply({"items": rows, "totalCount": "150"}),
        lambda rows, page: Reply({"rows": rows, "hasMore": page < 3}),
    ],
    ids=["header", "text", "has more"],
)
def test_paged_report_is_read_to_its_end(key: str, answer: Callable[[list[dict[str, Any]], int], Reply]) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path != BUDGETS.path:
            return NOT_SCRIPTED
        return answer(projects(150)[50 * (asked.page - 1) :][:50], asked.page)

    fetched, _, _ = read(script, key, BUDGETS.name)
    assert fetched.spooled.rows == 150


def test_bare_list_report_sent_again_is_complete(key: str) -> None:
    fetched, _, asked = read(
        lambda a: Reply(projects(500)) if a.path == BUDGETS.path else NOT_SCRIPTED, key, BUDGETS.name
    )
    assert (fetched.spooled.rows, asked) == (500, 2)


def test_unpaged_report_with_has_more_fails(key: str) -> None:
    script = refusing_paging(BUDGETS.path, Reply({"items": projects(50), "totalCount": 51}))
    with pytest.raises(ContractError, match="says there are more"):
        read(script, key, BUDGETS.name)


def test_a_report_that_refuses_paging_is_read_without_it(key: str) -> None:
    fetched, _, asked = read(refusing_paging(BUDGETS.path, Reply(projects(3))), key, BUDGETS.name)
    assert (fetched.spooled.rows, asked) == (3, 2)


@pytest.mark.parametrize(("name", "columns"), [("userId", {}), ("ref", {"id": "ref"}), ("code", {"id": "UPPER(code)"})])
def test_page_drift_is_seen_by_whatever_name_the_key_comes(key: str, name: str, columns: dict[str, str]) -> None:
    rows = [{name: f"U{n}", "name": "x"} for n in range(300)]
    drifting = [True]

    def script(asked: Asked) -> Reply:
        if asked.path != USERS.path:
            return NOT_SCRIPTED
        page = sheet(rows, asked.page, 200)
        if asked.page == 2 and drifting and drifting.pop():
            page["items"] = [rows[0], *page["items"][1:]]
        return Reply(page)

    _, keys, asked = read(script, key, USERS.name, **columns)
    assert (keys, asked) == ({f"U{n}" for n in range(300)}, 4)


def test_listing_without_required_field_stops_early(key: str) -> None:
    rows = [{"id": n, "userId": 1, "subtaskId": 1, "date": "2026-03-02"} for n in range(60_000)]
    fetched, _, asked = read(listing("/time-reports", rows), key, "time_reports")

    assert fetched.report.missing_required(BY_NAME["time_reports"]) == ("hours",)
    assert asked < 100
    assert fetched.rejected_rows > fetched.rejected.height == 100


def test_billing_by_customer_requests_customers_once(key: str) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path != BILLING.path:
            return NOT_SCRIPTED
        customer = asked.params.get("customerId")
        if customer is None:
            return Reply({"error": {"code": "x", "message": "customerId is required"}}, status=422)
        return Reply([{"customerId": customer, "currency": "EUR", "billedHours": len(asked.params["startDate"])}])

    listed: list[str] = []

    def customers() -> list[str]:
        listed.append("once")
        return ["c1", "c2"]

    with (
        serving(script) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        Spool(BILLING.schema, BILLING.key) as spool,
    ):
        fetched = fetch(client, BILLING, spool, Months(MARCH, MAY), customers)
        asked = [seen.params for seen in server.requests_for(BILLING.path)]
    assert (fetched.spooled.rows, listed) == (6, ["once"])
    assert len([params for params in asked if "customerId" not in params]) == 2
    by_customer = [params["startDate"] for params in asked if "customerId" in params]
    assert by_customer == sorted(by_customer)
    assert len(by_customer) == 6


def content(**fields: Any) -> int:
    row = {"customerId": "c1", "currency": "EUR", **fields}
    return content_hash(BILLING, decode(BILLING, [row], month=MARCH).rows)


def test_month_hash_ignores_row_order_and_month() -> None:
    rows = [{"customerId": n, "currency": "EUR", "billedHours": n} for n in (1, 2)]
    march = content_hash(BILLING, decode(BILLING, rows, month=MARCH).rows)
    april = content_hash(BILLING, decode(BILLING, rows[::-1], month=APRIL).rows)
    assert identical_months({MARCH: march, APRIL: april, MAY: content(billedHours=3)}) == (MARCH, APRIL)


def test_months_of_zeros_are_not_identical() -> None:
    nothing = content(billedHours=0, paidAmount=None)
    assert identical_months({MARCH: nothing, APRIL: nothing}) == ()
