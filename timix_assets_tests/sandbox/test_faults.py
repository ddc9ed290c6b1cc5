"""Every fault that can be switched on really does what its name says, seen from the other end of the connection."""

import gzip
import http.client
import json
import re
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from timix_assets.sandbox import Fault, Firm, Sandbox
from timix_assets.sandbox.faults import KINDS

from .conftest import Reader

LISTING = "/subtasks"
ENTRIES = "/time-reports"
REVENUE = "/financial-reports/revenue"
BILLING = "/financial-reports/customer-billing"

Check = Callable[[Sandbox, Reader], bool]


def raw(sandbox: Sandbox, path: str = LISTING) -> http.client.HTTPResponse:
    """An answer with its body still on the line."""
    parts = urlsplit(sandbox.base_url)
    line = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    line.request("GET", f"{parts.path}{path}", headers={"X-Api-Key": sandbox.key})
    return line.getresponse()


def ids(api: Reader, page: int, path: str = ENTRIES) -> list[str]:
    return [row["id"] for row in api.json(path, page=page, pageSize=10)["items"]]


def total_of(sandbox: Sandbox, name: str = "subtasks") -> int:
    return len(sandbox.firm.tables[name])


def answers(status: int, path: str = LISTING) -> Check:
    return lambda _, api: api.get(path).status_code == status


def sends(pattern: str, path: str = ENTRIES) -> Check:
    """The first record of a page, as text, holds the pattern."""
    return lambda _, api: re.search(pattern, api.get(path, pageSize=1).text.partition('"totalCount"')[0]) is not None


def sends_no(pattern: str, path: str = ENTRIES) -> Check:
    return lambda sandbox, api: not sends(pattern, path)(sandbox, api)


def body_is(check: Callable[[httpx.Response], bool], path: str = LISTING) -> Check:
    return lambda _, api: check(api.get(path))


def listing_says(check: Callable[[dict[str, object], int], bool], path: str = LISTING, **query: int) -> Check:
    """The envelope of a listing, and the number of rows that there are in truth."""
    return lambda sandbox, api: check(api.json(path, **query), total_of(sandbox))


def is_reset(sandbox: Sandbox, api: Reader) -> bool:
    try:
        raw(sandbox)
    except ConnectionResetError:
        return sandbox.requests[-1].status == 0
    return False


def is_cut(sandbox: Sandbox, api: Reader) -> bool:
    answer = raw(sandbox)
    told = int(answer.headers["Content-Length"])
    try:
        answer.read()
    except http.client.IncompleteRead as short:
        return len(short.partial) == told // 2
    return False


def drips(sandbox: Sandbox, api: Reader) -> bool:
    answer = raw(sandbox, "/me")
    seen = [answer.read1(1000) for _ in range(4)]
    return max(map(len, seen)) < 10 and b"".join(seen).startswith(b'{"u')


def streams_three_megabytes(sandbox: Sandbox, api: Reader) -> bool:
    answer = raw(sandbox)
    body = answer.read()
    return (
        answer.headers["Content-Length"] is None and 2_900_000 < len(body) <= 3_000_000 and "items" in json.loads(body)
    )


def gains_two_in_front(sandbox: Sandbox, api: Reader) -> bool:
    before = total_of(sandbox, "time_reports")
    first, second = ids(api, 1), ids(api, 2)
    return first[-2:] == second[:2] and api.json(ENTRIES)["totalCount"] == before + 2


def loses_the_first_two(sandbox: Sandbox, api: Reader) -> bool:
    honest = [row["id"] for row in sandbox.workspace.rows("time_reports")]
    return (ids(api, 1), ids(api, 2)) == (honest[:10], honest[12:22])


def sends_the_first_row_twice(*, same: bool) -> Check:
    def check(sandbox: Sandbox, api: Reader) -> bool:
        rows = api.all(LISTING)
        one, two = (row for row in rows if row["id"] == rows[0]["id"])
        return (one == two) is same and one["updatedAt"] <= two["updatedAt"] and len(rows) == total_of(sandbox) + 1

    return check


def sends_to_another_host(sandbox: Sandbox, api: Reader) -> bool:
    target = urlsplit(api.get(LISTING).headers["Location"])
    return (target.hostname, target.port) == ("localhost", urlsplit(sandbox.base_url).port)


def creates_and_answers_502(sandbox: Sandbox, api: Reader) -> bool:
    answer = api.http.post("/customers", json={"name": "Nobody knows"})
    made = any(row["name"] == "Nobody knows" for row in sandbox.workspace.rows("customers"))
    return made and (answer.status_code, answer.content) == (502, b"")


def is_seven_cents_off(sandbox: Sandbox, api: Reader) -> bool:
    off = api.json(REVENUE)["items"][0]["revenue"]
    sandbox.faults.clear()
    return off - api.json(REVENUE)["items"][0]["revenue"] == Decimal("0.07")


def is_a_gzip(sandbox: Sandbox, api: Reader) -> bool:
    packed = raw(sandbox).read()
    return packed.startswith(b"\x1f\x8b") and "items" in json.loads(gzip.decompress(packed))


def is_cut_without_a_length(sandbox: Sandbox, api: Reader) -> bool:
    answer = raw(sandbox)
    return answer.headers["Content-Length"] is None and not answer.chunked and not answer.read().endswith(b"}")


def moves_to_time_entries(sandbox: Sandbox, api: Reader) -> bool:
    return [api.get(path).status_code for path in (ENTRIES, "/time-entries")] == [404, 200]


def has_the_same_numeric_id_everywhere(sandbox: Sandbox, api: Reader) -> bool:
    tasks = {row["id"] for row in api.all("/tasks")}
    return all(isinstance(row["taskId"], int) and row["taskId"] in tasks for row in api.all(LISTING))


def day_of_first_entry(sandbox: Sandbox) -> str:
    return str(sandbox.workspace.rows("time_reports")[0]["date"])


EXAMPLES: dict[str, tuple[Fault, Check]] = {
    "unauthorized": (Fault("unauthorized"), answers(401)),
    "forbidden": (Fault("forbidden"), answers(403)),
    "not_found": (Fault("not_found"), answers(404)),
    "invalid": (
        Fault("invalid", value="No."),
        body_is(lambda a: (a.status_code, a.json()["error"]["message"]) == (422, "No.")),
    ),
    "key_echoed": (Fault("key_echoed"), lambda s, api: s.key in (text := api.get(LISTING).text) and len(text) > 4000),
    "customer_required": (
        Fault("customer_required", path=BILLING),
        lambda _, api: [api.get(BILLING, **q).status_code for q in ({}, {"customerId": "cus-001"})] == [422, 200],
    ),
    "rate_limited": (
        Fault("rate_limited", retry_after="7"),
        body_is(lambda a: (a.status_code, a.headers["Retry-After"]) == (429, "7")),
    ),
    "server_error": (
        Fault("server_error", status=503, value="html"),
        body_is(lambda a: a.status_code == 503 and a.text.startswith("<!doctype html>")),
    ),
    "plain_text": (
        Fault("plain_text", value="Sorry."),
        body_is(
            lambda a: (a.status_code, a.text) == (200, "Sorry.") and a.headers["Content-Type"].startswith("text/plain")
        ),
    ),
    "pdf": (Fault("pdf"), body_is(lambda a: a.status_code == 200 and a.content.startswith(b"%PDF-"))),
    "not_modified": (Fault("not_modified"), answers(304)),
    "text_replaced": (Fault("text_replaced", old="totalCount", new="sum"), body_is(lambda a: "sum" in a.json())),
    "partial_content": (
        Fault("partial_content", share=0.2),
        body_is(
            lambda a: a.status_code == 206 and a.headers["Content-Range"].startswith(f"bytes 0-{len(a.content) - 1}/")
        ),
    ),
    "gzip_members": (Fault("gzip_members"), is_a_gzip),
    "no_length": (Fault("no_length", share=0.5), is_cut_without_a_length),
    "redirect": (Fault("redirect", to="other_host"), sends_to_another_host),
    "html": (
        Fault("html"),
        body_is(lambda a: a.status_code == 200 and a.headers["Content-Type"].startswith("text/html")),
    ),
    "empty_body": (Fault("empty_body"), body_is(lambda a: a.status_code == 200 and a.content == b"")),
    "no_content": (Fault("no_content"), body_is(lambda a: a.status_code == 204 and "Content-Length" not in a.headers)),
    "text_plain_json": (
        Fault("text_plain_json"),
        body_is(lambda a: a.headers["Content-Type"].startswith("text/plain") and "items" in a.json()),
    ),
    "bom": (Fault("bom"), body_is(lambda a: a.content.startswith(b'\xef\xbb\xbf{"items"'))),
    "total_missing": (
        Fault("total_missing"),
        body_is(lambda a: "totalCount" not in a.text and "X-Total-Count" not in a.headers and "hasMore" in a.json()),
    ),
    "truncated_json": (Fault("truncated_json"), body_is(lambda a: a.status_code == 200 and not a.text.endswith("}"))),
    "moved": (Fault("moved", path=ENTRIES, to="/time-entries"), moves_to_time_entries),
    "ignore_parameters": (
        Fault("ignore_parameters"),
        lambda s, api: api.json(ENTRIES, startDate="2026-03-01")["totalCount"] == total_of(s, "time_reports"),
    ),
    "end_exclusive": (
        Fault("end_exclusive"),
        lambda s, api: api.json(ENTRIES, startDate=(d := day_of_first_entry(s)), endDate=d)["totalCount"] == 0,
    ),
    "refuse_parameters": (
        Fault("refuse_parameters", path=BILLING),
        lambda _, api: [api.get(BILLING, **q).status_code for q in ({"page": 1}, {})] == [422, 200],
    ),
    "duplicate_rows": (Fault("duplicate_rows"), sends_the_first_row_twice(same=True)),
    "duplicate_rows_differ": (Fault("duplicate_rows_differ"), sends_the_first_row_twice(same=False)),
    "shrunk": (Fault("shrunk", share=0.5), listing_says(lambda page, true: page["totalCount"] == true // 2)),
    "small_pages": (
        Fault("small_pages", count=7),
        listing_says(lambda page, _: (len(page["items"]), page["pageSize"]) == (7, 7), pageSize=20),
    ),
    "silent_small_pages": (
        Fault("silent_small_pages", count=7),
        listing_says(lambda page, _: (len(page["items"]), page["pageSize"]) == (7, 20), pageSize=20),
    ),
    "same_page": (Fault("same_page"), lambda _, api: ids(api, 1) == ids(api, 2)),
    "has_more_forever": (
        Fault("has_more_forever"),
        listing_says(lambda page, _: (page["items"], page["hasMore"]) == ([], True), page=99),
    ),
    "has_more_false_early": (
        Fault("has_more_false_early"),
        listing_says(lambda page, true: page["hasMore"] is False and page["totalCount"] == true > 5, pageSize=5),
    ),
    "total_off": (Fault("total_off", count=-3), listing_says(lambda page, true: page["totalCount"] == true - 3)),
    "items_missing": (Fault("items_missing"), listing_says(lambda page, _: "items" not in page and "hasMore" in page)),
    "items_null": (Fault("items_null"), listing_says(lambda page, _: page["items"] is None)),
    "items_object": (Fault("items_object"), listing_says(lambda page, _: isinstance(page["items"], dict))),
    "bare_list": (Fault("bare_list"), lambda s, api: len(api.json(LISTING)) == total_of(s)),
    "data_envelope": (Fault("data_envelope"), lambda s, api: len(api.json(LISTING)["data"]) == total_of(s)),
    "rows_envelope": (Fault("rows_envelope"), lambda s, api: len(api.json(LISTING)["rows"]) == total_of(s)),
    "big_page": (
        Fault("big_page", size=1_000_000),
        body_is(lambda a: len(a.content) > 1_000_000 and len(a.json()["items"]) == 50),
    ),
    "insert_between_pages": (Fault("insert_between_pages", path=ENTRIES, page=1, times=1, count=2), gains_two_in_front),
    "delete_between_pages": (
        Fault("delete_between_pages", path=ENTRIES, page=1, times=1, count=2),
        loses_the_first_two,
    ),
    "raw_value": (Fault("raw_value", field="hours", value="[1]"), sends(r'"hours":\[1\]')),
    "null_id": (Fault("null_id"), sends(r'\{"id":null')),
    "missing_id": (Fault("missing_id"), sends(r'\[\{"userId"')),
    "numeric_ids": (Fault("numeric_ids"), has_the_same_numeric_id_everywhere),
    "unknown_enum": (Fault("unknown_enum"), sends('"status":"Parked"')),
    "new_field": (Fault("new_field"), sends('"approvedByAi":true')),
    "drop_field": (Fault("drop_field", field="hours"), sends_no('"hours"')),
    "rename_field": (Fault("rename_field", old="hours", new="durationHours"), sends('"durationHours":[0-9]')),
    "rename_word": (
        Fault("rename_word", field="billingType", old="TM", new="T&M"),
        lambda _, api: {"T&M", "Fix", "OVH"} == {row["billingType"] for row in api.all(LISTING)},
    ),
    "number_as_text": (Fault("number_as_text"), sends('"hours":"[0-9.]+"')),
    "bad_number": (Fault("bad_number"), sends('"hours":"oops"')),
    "not_a_number": (Fault("not_a_number"), sends('"hours":NaN,')),
    "infinity": (Fault("infinity"), sends('"hours":Infinity,')),
    "huge_number": (Fault("huge_number"), sends('"hours":1e400,')),
    "odd_money": (Fault("odd_money"), sends('"customerRate":12.3000000001,')),
    "odd_date": (Fault("odd_date"), sends('"date":"2026-02-30"')),
    "zoned_dates": (Fault("zoned_dates"), sends('"date":"[0-9-]{10}T00:00:00Z"')),
    "odd_text": (Fault("odd_text", value="surrogate"), sends(r'"text":"broken \\ud83d half"')),
    "other_organization": (
        Fault("other_organization"),
        lambda _, api: {api.json("/me")["organizationId"], api.json("/organization")["id"]} == {"org-another"},
    ),
    "lost_answer": (Fault("lost_answer", method="POST"), creates_and_answers_502),
    "figure_off": (Fault("figure_off", path=REVENUE, amount="0.07"), is_seven_cents_off),
    "reset_connection": (Fault("reset_connection"), is_reset),
    "cut_body": (Fault("cut_body"), is_cut),
    "slow_drip": (Fault("slow_drip", seconds=0.02), drips),
    "silence": (Fault("silence", seconds=0.05), body_is(lambda a: a.elapsed >= timedelta(seconds=0.05))),
    "huge_body": (Fault("huge_body", size=3_000_000), streams_three_megabytes),
}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_fault_does_what_it_says_until_it_is_cleared(name: str, sandbox: Sandbox, api: Reader) -> None:
    fault, shows = EXAMPLES[name]
    assert fault.kind == name
    sandbox.faults.add(fault)
    assert shows(sandbox, api)
    sandbox.faults.clear()
    assert api.get(LISTING).status_code == 200


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"insert_between_pages", "delete_between_pages", "same_page"}))
def test_no_check_of_a_fault_holds_on_a_healthy_sandbox(name: str, sandbox: Sandbox, api: Reader) -> None:
    try:
        assert not EXAMPLES[name][1](sandbox, api)
    except (KeyError, TypeError, ValueError):
        assert sandbox.requests[-1].status == 200


def test_a_fault_strikes_only_its_path_page_and_times(sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("server_error", path=ENTRIES, page=2, times=1))
    asked = [(LISTING, 2), (ENTRIES, 1), (ENTRIES, 2), (ENTRIES, 2)]
    assert [api.get(path, page=page).status_code for path, page in asked] == [200, 200, 500, 200]


def test_the_switch_counts_how_often_a_kind_struck(sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("bom", path=LISTING))
    for path in (LISTING, "/tasks", LISTING):
        api.get(path)
    assert sandbox.faults.struck("bom") == 2


def test_a_fault_can_wait_for_the_nth_request(sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("unauthorized", path="/t*", nth=2))
    assert [api.get(path).status_code for path in ("/tasks", LISTING, ENTRIES, "/tasks")] == [200, 200, 401, 200]


def test_a_fault_can_begin_after_some_requests(sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("unauthorized", after=2))
    assert [api.get("/tasks").status_code for _ in range(4)] == [200, 200, 401, 401]


def test_a_sandbox_ends_at_once_whatever_is_under_way(firm: Firm) -> None:
    with Sandbox(firm) as sandbox:
        sandbox.faults.add(Fault("silence", seconds=60))
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{sandbox.base_url}/me", headers={"X-Api-Key": sandbox.key}, timeout=0.1)
        left = time.monotonic()
    assert time.monotonic() - left < 5


def test_faults_of_several_kinds_strike_together(sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("small_pages", count=3), Fault("new_field", field="later", value="1"), Fault("bom"))
    answer = api.get(LISTING)
    page = json.loads(answer.content.decode("utf-8-sig"))
    assert [row["later"] for row in page["items"]] == [1, 1, 1]


def test_an_unknown_fault_or_setting_is_refused_by_name(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="no fault 'flood'"):
        Fault("flood")
    with pytest.raises(ValueError, match="no setting 'often'"):
        Fault.of({"kind": "html", "often": 3})


def test_faults_can_be_switched_over_http(sandbox: Sandbox, api: Reader) -> None:
    switch = f"{sandbox.origin}/_sandbox/faults"
    assert httpx.post(switch, json={"kind": "server_error", "path": LISTING, "times": 1}).status_code == 201
    assert httpx.get(switch).json()["on"] == [{"kind": "server_error", "path": LISTING, "times": 1}]
    assert [api.get(LISTING).status_code for _ in range(2)] == [500, 200]
    assert httpx.post(switch, json={"kind": "flood"}).status_code == 422
    assert httpx.delete(switch).status_code == 204
    assert httpx.get(switch).json()["on"] == []


@pytest.mark.parametrize(
    "path", ["time-reports", "/api/integration/v1/projects", "/nonsense", "/x*nonsense", "/projects/a/b", ""]
)
def test_rejects_fault_on_unknown_path(path: object, sandbox: Sandbox) -> None:
    switch = f"{sandbox.origin}/_sandbox/faults"
    refused = httpx.post(switch, json={"kind": "html", "path": path})
    assert refused.status_code == 422
    assert f"no path {path!r}" in refused.json()["error"]["message"]
    assert "/time-reports" in refused.json()["error"]["message"]
    assert httpx.get(switch).json()["on"] == []


@pytest.mark.parametrize(
    "path",
    ["*", "/t*", "/financial-reports/*", "/projects/?-1*", "/invoices/*/issue", "/invoices/i-1/void", "/me", None],
)
def test_the_switch_takes_any_path_that_a_request_can_have(path: str | None, sandbox: Sandbox) -> None:
    assert httpx.post(f"{sandbox.origin}/_sandbox/faults", json={"kind": "html", "path": path}).status_code == 201


def test_moved_path_accepts_faults(sandbox: Sandbox, api: Reader) -> None:
    switch = f"{sandbox.origin}/_sandbox/faults"
    fault = {"kind": "server_error", "path": "/work"}
    assert httpx.post(switch, json=fault).status_code == 422
    assert httpx.post(switch, json={"kind": "moved", "path": LISTING, "to": "work"}).status_code == 422
    assert httpx.post(switch, json={"kind": "moved", "path": LISTING, "to": "/work"}).status_code == 201
    assert httpx.post(switch, json=fault).status_code == 201
    assert api.get("/work").status_code == 500


@pytest.mark.parametrize("body", [b"", b"kind=html", b"[]", b"5", b"\xff"])
def test_explains_what_to_send_without_a_json_object(body: bytes, sandbox: Sandbox) -> None:
    refused = httpx.post(f"{sandbox.origin}/_sandbox/faults", content=body)
    assert refused.status_code == 422
    assert "needs a fault as a JSON object in the body, such as {" in refused.json()["error"]["message"]


def test_the_switch_explains_every_kind(sandbox: Sandbox) -> None:
    kinds = httpx.get(f"{sandbox.origin}/_sandbox/faults").json()["kinds"]
    assert kinds.keys() == KINDS.keys()
    assert all(len(meaning) > 3 for meaning in kinds.values())


@pytest.mark.parametrize(("skew", "ahead"), [(0.0, 5), (-7200.0, 5)])
def test_retry_date_uses_the_clock_of_the_response(skew: float, ahead: int, sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("rate_limited", retry_after="date", seconds=5, skew=skew))
    headers = api.get(LISTING).headers
    assert parsedate_to_datetime(headers["Retry-After"]) - parsedate_to_datetime(headers["Date"]) == timedelta(
        seconds=ahead
    )


@pytest.mark.parametrize(
    ("wish", "told"), [("missing", None), ("negative", "-5"), ("garbage", "in a while"), ("absurd", "86400")]
)
def test_a_retry_after_can_be_unusable(wish: str, told: str | None, sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("rate_limited", retry_after=wish))
    assert api.get(LISTING).headers.get("Retry-After") == told


@pytest.mark.parametrize(
    ("value", "holds"),
    [("hebrew", "שלום"), ("emoji", "🚀"), ("nul", "before\0after"), ("long", "0123456789abcdef" * 4096)],
)
def test_odd_texts_arrive_whole(value: str, holds: str, sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("odd_text", value=value))
    assert holds in api.json(ENTRIES)["items"][0]["text"] + api.json(ENTRIES)["items"][1]["text"]


def test_a_reset_can_come_in_the_middle_of_a_body(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("reset_connection", size=100))
    with pytest.raises(ConnectionResetError):
        raw(sandbox).read()


def test_huge_body_can_declare_its_length(sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("huge_body", size=3_000_000, value="length"))
    answer = raw(sandbox)
    assert int(answer.headers["Content-Length"]) == len(answer.read()) > 2_900_000


def test_a_total_can_be_in_the_header_alone(sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("total_missing", value="header"))
    answer = api.get(LISTING)
    assert "totalCount" not in answer.json()
    assert answer.headers["X-Total-Count"] == str(total_of(sandbox))


def test_of_a_double_the_second_copy_can_be_the_older_one(sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("duplicate_rows_differ", value="earlier"))
    rows = api.all(LISTING)
    one, two = (row for row in rows if row["id"] == rows[0]["id"])
    assert one["updatedAt"] > two["updatedAt"]
    assert two["name"] == f"{one['name']} (changed)"


def test_inserted_row_lies_in_the_requested_dates(sandbox: Sandbox, api: Reader) -> None:
    sandbox.faults.add(Fault("insert_between_pages", path=ENTRIES, page=1, times=1))
    window = {"startDate": "2026-02-02", "endDate": "2026-02-06"}
    before = api.all(ENTRIES, **window)
    after = api.all(ENTRIES, **window)
    assert len(after) == len(before) + 1
    assert after[0]["date"] == before[0]["date"]


def test_a_certificate_of_an_unknown_authority_can_be_served(firm: Firm, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    with Sandbox(firm, tls=(str(tmp_path / "both.pem"), str(tmp_path / "both.pem"))) as sandbox:
        headers = {"X-Api-Key": sandbox.key}
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{sandbox.base_url}/me", headers=headers)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        assert httpx.get(f"{sandbox.base_url}/me", headers=headers, verify=trusting).status_code == 200
