"""The sandbox keeps the documented rules: keys, roles, pages, limits, windows, and writes that later answers show."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from timix_assets.sandbox import Firm, Sandbox

from .conftest import TODAY, Reader, exact

Readers = Callable[..., Reader]


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_key_opens_in_either_header(sandbox: Sandbox) -> None:
    for headers in ({"X-Api-Key": sandbox.key}, {"Authorization": f"Bearer {sandbox.key}"}):
        assert httpx.get(f"{sandbox.base_url}/me", headers=headers).json()["role"] == "Owner"


def test_a_missing_unknown_expired_or_revoked_key_is_refused(sandbox: Sandbox, reader_of: Readers) -> None:
    keys = ["bbl_unknown", sandbox.key_for(expired=True), sandbox.key_for(revoked=True)]
    assert [code_of(reader_of(sandbox, key).get("/me")) for key in keys] == [(401, "UNAUTHORIZED")] * 3
    assert httpx.get(f"{sandbox.base_url}/me").status_code == 401


def test_a_key_can_be_revoked_between_two_requests(sandbox: Sandbox, api: Reader) -> None:
    assert api.get("/me").status_code == 200
    sandbox.revoke(sandbox.key)
    assert api.get("/me").status_code == 401


def test_a_key_that_is_handed_over_is_accepted(firm: Firm, sandbox: Sandbox, reader_of: Readers) -> None:
    with Sandbox(firm, key=sandbox.key) as other:
        assert reader_of(other, sandbox.key).get("/me").status_code == 200


def test_a_key_of_another_organization_speaks_of_it(sandbox: Sandbox, reader_of: Readers) -> None:
    api = reader_of(sandbox, sandbox.key_for(organization="Elsewhere"))
    assert api.json("/me")["organizationId"] == api.json("/organization")["id"] == "org-Elsewhere"


def test_me_names_the_plan_that_sets_the_limit(firm: Firm, reader_of: Readers) -> None:
    with Sandbox(firm, plan="Professional") as sandbox:
        assert reader_of(sandbox).json("/me")["plan"] == "Professional"


@pytest.mark.parametrize("role", ["Member", "Viewer"])
def test_members_and_viewers_see_no_cost_anywhere(role: str, sandbox: Sandbox, reader_of: Readers) -> None:
    api = reader_of(sandbox, sandbox.key_for(role))
    assert not any("costRate" in row for row in api.all("/time-reports") + api.all("/org-users"))
    report = api.all("/financial-reports/revenue")
    assert {(r["cost"], r["profit"], r["marginPercent"]) for r in report} == {(None, None, None)}
    assert any(r["revenue"] for r in report)


@pytest.mark.parametrize("role", ["Owner", "Admin", "Finance", "Manager"])
def test_the_other_roles_see_cost(role: str, sandbox: Sandbox, reader_of: Readers) -> None:
    api = reader_of(sandbox, sandbox.key_for(role))
    assert all("costRate" in row for row in api.all("/time-reports"))


def test_contacts_are_hidden_from_viewers(sandbox: Sandbox, reader_of: Readers) -> None:
    hidden = reader_of(sandbox, sandbox.key_for("Viewer")).all("/customers")
    shown = reader_of(sandbox, sandbox.key_for("Member")).all("/customers")
    assert not any("contactEmail" in row for row in hidden)
    assert any(row["contactEmail"] for row in shown)


def test_pages_together_hold_every_row_once(firm: Firm, api: Reader) -> None:
    envelope = api.json("/time-reports", page=2, pageSize=100)
    assert (envelope["page"], envelope["pageSize"], len(envelope["items"])) == (2, 100, 100)
    assert envelope["totalCount"] == len(firm.tables["time_reports"])
    ids = [row["id"] for row in api.all("/time-reports")]
    assert sorted(ids) == sorted(row["id"] for row in firm.tables["time_reports"])


def test_the_total_is_also_a_header(firm: Firm, api: Reader) -> None:
    assert api.get("/tasks").headers["X-Total-Count"] == str(len(firm.tables["tasks"]))


def test_a_page_holds_fifty_rows_unless_asked_otherwise(api: Reader) -> None:
    assert len(api.json("/time-reports")["items"]) == 50


def test_a_page_past_the_end_is_empty(api: Reader) -> None:
    envelope = api.json("/customers", page=99)
    assert (envelope["items"], envelope["hasMore"]) == ([], False)


@pytest.mark.parametrize("query", [{"pageSize": 201}, {"page": 0}, {"pageSize": "ten"}, {"startDate": "8 March"}])
def test_a_query_out_of_bounds_is_refused(query: dict[str, Any], api: Reader) -> None:
    assert code_of(api.get("/time-reports", **query)) == (422, "VALIDATION_ERROR")


def test_a_window_includes_both_its_days(firm: Firm, api: Reader) -> None:
    start, end = date(2026, 1, 12), date(2026, 1, 16)
    got = {row["id"] for row in api.all("/time-reports", startDate=start.isoformat(), endDate=end.isoformat())}
    assert got == {row["id"] for row in firm.tables["time_reports"] if start <= row["date"] <= end}
    days = {row["date"] for row in firm.tables["time_reports"]}
    assert {start, end} <= days


def test_a_window_on_invoices_means_the_day_of_issue(firm: Firm, api: Reader) -> None:
    got = {row["id"] for row in api.all("/invoices", startDate="2026-02-01", endDate="2026-02-28") if row["issueDate"]}
    months = {row["id"]: row["issue_date"] for row in firm.tables["invoices"]}
    assert got == {row_id for row_id, issued in months.items() if issued and (issued.year, issued.month) == (2026, 2)}
    assert got


@pytest.mark.parametrize("fixed", [False, True])
def test_one_request_too_many_waits_as_long_as_the_answer_says(fixed: bool, firm: Firm, reader_of: Readers) -> None:
    now = [1_000_060.0]
    with Sandbox(firm, requests_per_minute=3, fixed_window=fixed, clock=lambda: now[0]) as sandbox:
        api = reader_of(sandbox)
        assert [api.get("/me").status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = api.get("/me")
        assert code_of(refused) == (429, "RATE_LIMITED")
        wait = int(refused.headers["Retry-After"])
        assert wait == (20 if fixed else 60)
        now[0] += wait - 0.5
        assert api.get("/me").status_code == 429
        now[0] += 0.5
        assert api.get("/me").status_code == 200


def test_each_key_has_a_limit_of_its_own(firm: Firm, reader_of: Readers) -> None:
    with Sandbox(firm, requests_per_minute=1) as sandbox:
        assert reader_of(sandbox).get("/me").status_code == 200
        assert reader_of(sandbox, sandbox.key_for()).get("/me").status_code == 200
        assert reader_of(sandbox).get("/me").status_code == 429


@pytest.mark.parametrize(("plan", "limit"), [("Free", 120), ("Professional", 300)])
def test_the_plan_sets_how_many_requests_a_minute_pass(plan: str, limit: int, firm: Firm, reader_of: Readers) -> None:
    with Sandbox(firm, plan=plan, clock=lambda: 0.0) as sandbox:
        api = reader_of(sandbox)
        statuses = [api.get("/me").status_code for _ in range(limit + 1)]
    assert statuses == [200] * limit + [429]


def test_what_is_not_there_is_404_in_the_form_of_the_api(api: Reader) -> None:
    for path in ("/nothing", "/customers/cus-none", "/time-entries"):
        assert code_of(api.get(path)) == (404, "NOT_FOUND")


def test_a_single_row_is_the_one_of_the_listing(api: Reader) -> None:
    row = api.json("/projects")["items"][3]
    assert api.json(f"/projects/{row['id']}") == row


def test_requests_are_logged_with_their_answers(sandbox: Sandbox, api: Reader) -> None:
    api.get("/customers", page=1)
    seen = sandbox.requests[-1]
    assert (seen.method, seen.path, seen.query, seen.status) == ("GET", "/api/integration/v1/customers", "page=1", 200)


def test_latency_delays_every_answer(firm: Firm, reader_of: Readers) -> None:
    with Sandbox(firm, latency=0.05) as sandbox:
        assert reader_of(sandbox).get("/me").elapsed >= timedelta(seconds=0.05)


def test_copies_multiply_the_entries_for_load(firm: Firm, reader_of: Readers) -> None:
    with Sandbox(firm, copies=3) as sandbox:
        rows = reader_of(sandbox).all("/time-reports")
    assert len(rows) == len({row["id"] for row in rows}) == 3 * len(firm.tables["time_reports"])


def entry_like(api: Reader) -> dict[str, Any]:
    row = next(row for row in api.json("/time-reports", pageSize=200)["items"] if row["billingType"] == "TM")
    return {
        "userId": row["userId"],
        "subtaskId": row["subtaskId"],
        "date": TODAY.isoformat(),
        "hours": 1.5,
        "text": "New",
    }


def test_lists_new_entry_with_parents_and_rates(api: Reader) -> None:
    answer = api.http.post("/time-reports", json=entry_like(api))
    assert answer.status_code == 201
    made = exact(answer)
    assert made in api.all("/time-reports", startDate=TODAY.isoformat())
    assert (made["status"], made["billingType"]) == ("Draft", "TM")
    assert all(made[name] for name in ("taskId", "projectId", "customerId", "currency", "customerRate", "costRate"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hours": 0}, "hours"),
        ({"hours": 24.5}, "hours"),
        ({"text": "x" * 1001}, "text"),
        ({"userId": "usr-none"}, "userId"),
        ({"date": "2026-02-30"}, "date"),
        ({"status": "Invoiced"}, "status"),
        ({"mood": "good"}, "mood"),
    ],
)
def test_an_entry_that_breaks_a_rule_is_refused_by_name(change: dict[str, Any], says: str, api: Reader) -> None:
    answer = api.http.post("/time-reports", json=entry_like(api) | change)
    assert code_of(answer) == (422, "VALIDATION_ERROR")
    assert says in answer.json()["error"]["message"]


def test_a_changed_row_stays_changed(api: Reader) -> None:
    row = api.json("/projects")["items"][0]
    api.http.put(f"/projects/{row['id']}", json={"tmHourLimit": "120.25", "status": "on hold"})
    changed = api.json(f"/projects/{row['id']}")
    assert (str(changed["tmHourLimit"]), changed["status"]) == ("120.25", "OnHold")
    assert changed["updatedAt"] > row["updatedAt"]


def test_a_deleted_row_vanishes_and_comes_back_with_its_id(firm: Firm, api: Reader) -> None:
    made = api.http.post("/time-reports", json=entry_like(api)).json()["id"]
    total = len(firm.tables["time_reports"])
    assert api.http.delete(f"/time-reports/{made}").status_code == 204
    assert api.get(f"/time-reports/{made}").status_code == 404
    assert api.json("/time-reports")["totalCount"] == total
    assert api.http.post(f"/time-reports/{made}/restore").json()["id"] == made
    assert api.json("/time-reports")["totalCount"] == total + 1


def test_one_sandbox_does_not_change_the_firm_of_another(firm: Firm, api: Reader, reader_of: Readers) -> None:
    api.http.post("/time-reports", json=entry_like(api))
    with Sandbox(firm) as other:
        assert reader_of(other).json("/time-reports")["totalCount"] == len(firm.tables["time_reports"])


def test_viewers_may_write_nothing_and_members_only_time(sandbox: Sandbox, api: Reader, reader_of: Readers) -> None:
    entry = entry_like(api)
    viewer, member = (reader_of(sandbox, sandbox.key_for(role)) for role in ("Viewer", "Member"))
    assert viewer.http.post("/time-reports", json=entry).status_code == 403
    assert member.http.post("/time-reports", json=entry).status_code == 201
    assert member.http.post("/customers", json={"name": "New"}).status_code == 403


def test_a_workspace_after_its_trial_can_only_be_read(firm: Firm, reader_of: Readers) -> None:
    with Sandbox(firm, read_only=True) as sandbox:
        api = reader_of(sandbox)
        assert api.get("/customers").status_code == 200
        assert code_of(api.http.post("/customers", json={"name": "New"})) == (403, "FORBIDDEN")


def entries_of(api: Reader, invoice_id: str) -> list[dict[str, Any]]:
    return [row for row in api.all("/time-reports") if row["invoiceId"] == invoice_id]


def test_issuing_a_draft_numbers_it_and_marks_its_hours_invoiced(api: Reader) -> None:
    draft = next(row for row in api.all("/invoices") if row["status"] == "Draft")
    issued = api.http.post(f"/invoices/{draft['id']}/issue").json()
    assert (issued["status"], issued["number"][:8]) == ("Issued", "2026-03-")
    hours = entries_of(api, draft["id"])
    assert {row["status"] for row in hours} == {"Invoiced"}
    assert api.http.post(f"/invoices/{draft['id']}/issue").status_code == 422


def test_voiding_an_invoice_returns_its_hours_to_approved(sandbox: Sandbox, api: Reader) -> None:
    sent = next(row for row in api.all("/invoices") if row["status"] == "Sent")
    hours = {row["id"] for row in entries_of(api, sent["id"])}
    assert hours
    sandbox.workspace.void(sent["id"])
    assert entries_of(api, sent["id"]) == []
    assert {row["status"] for row in api.all("/time-reports") if row["id"] in hours} == {"Approved"}


def test_hours_on_an_invoice_cannot_be_changed_or_deleted(api: Reader) -> None:
    billed = next(row for row in api.all("/time-reports") if row["invoiceId"])
    assert api.http.put(f"/time-reports/{billed['id']}", json={"hours": 1}).status_code == 422
    assert api.http.delete(f"/time-reports/{billed['id']}").status_code == 422


def test_numbers_are_sent_exactly(firm: Firm, api: Reader) -> None:
    hours = {row["id"]: format(row["hours"], "f") for row in firm.tables["time_reports"]}
    assert {row["id"]: str(row["hours"]) for row in api.all("/time-reports")} == hours
