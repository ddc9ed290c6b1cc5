"""Raw assets, from the sandbox's HTTP to Delta tables in the lake."""

import json
from datetime import date
from math import ceil

import httpx
import pytest
from dagster import AssetKey

from timix_assets.contract.endpoints import BY_NAME, ENDPOINTS
from timix_assets.lake.months import Months
from timix_assets.sandbox.faults import Fault
from timix_assets.state.time_zone import stored_time_zone
from timix_assets_tests.workspace import FIRM_MONTHS, Workspace, failures, metadata, warnings

NOVEMBER = Months(date(2026, 11, 1), date(2026, 11, 1))
LISTS = [endpoint for endpoint in ENDPOINTS if not endpoint.name.endswith("_report") and endpoint.name != "me"]


def paths(workspace: Workspace) -> list[str]:
    return [seen.path for seen in workspace.sandbox.requests]


def test_every_endpoint_becomes_a_table_with_its_schema(workspace: Workspace) -> None:
    result = workspace.refresh()

    assert failures(result) == {}
    for endpoint in ENDPOINTS:
        table = workspace.table(f"timix/{endpoint.name}")
        assert dict(table.schema) == dict(endpoint.schema), endpoint.name
        assert table.height > 0, endpoint.name
    for endpoint in LISTS:
        assert workspace.table(f"timix/{endpoint.name}").height == len(workspace.sandbox.workspace.rows(endpoint.name))


def test_reading_the_organization_stores_its_time_zone(workspace: Workspace) -> None:
    workspace.refresh("timix/organization")
    assert stored_time_zone(workspace.folder / ".dagster", str(workspace.folder / "lake")) == "America/New_York"


@pytest.mark.long
def test_sandbox_matches_the_contract_without_warnings(workspace: Workspace) -> None:
    result = workspace.refresh()
    found = {e.name: warnings(result, f"timix/{e.name}") for e in ENDPOINTS}
    # The firm has people whose cost is in another currency.
    assert set(found["time_reports"]) == {"cost_in_entry_currency"}
    assert not any(said for name, said in found.items() if name != "time_reports")


def test_a_listing_of_time_costs_one_request_for_each_200_rows(workspace: Workspace) -> None:
    result = workspace.refresh("timix/time_reports")

    rows = workspace.table("timix/time_reports").height
    assert metadata(result, "timix/time_reports")["requests"] == ceil(rows / 200)
    # One more: /me says which organization and which plan the key has.
    assert len(workspace.sandbox.requests) == ceil(rows / 200) + 1


def test_dated_reports_are_asked_once_for_each_month(workspace: Workspace) -> None:
    workspace.refresh("timix/revenue_report")

    asked = [seen.query for seen in workspace.sandbox.requests if seen.path.endswith("/financial-reports/revenue")]
    assert sorted(asked) == [
        "startDate=2026-09-01&endDate=2026-09-30&pageSize=200&page=1",
        "startDate=2026-10-01&endDate=2026-10-31&pageSize=200&page=1",
        "startDate=2026-11-01&endDate=2026-11-30&pageSize=200&page=1",
    ]
    assert set(workspace.table("timix/revenue_report")["month"]) == set(FIRM_MONTHS)


def test_dated_asset_without_months_fails_before_requests(workspace: Workspace) -> None:
    result = workspace.refresh("timix/time_reports", months=None)

    assert "but this run names no months; materialize it" in failures(result)["timix/time_reports"]
    tags = "dagster/asset_partition_range_start and dagster/asset_partition_range_end"
    assert f"these are tags: {tags}" in failures(result)["timix/time_reports"]
    assert workspace.sandbox.requests == []


def test_deleted_entry_is_gone_when_its_month_is_read(workspace: Workspace) -> None:
    workspace.refresh("timix/time_reports")
    doomed = next(r for r in workspace.sandbox.workspace.rows("time_reports") if r["date"] >= NOVEMBER.first)
    workspace.sandbox.workspace.delete("time_reports", doomed["id"])

    result = workspace.refresh("timix/time_reports", months=NOVEMBER)

    assert doomed["id"] not in set(workspace.table("timix/time_reports")["id"])
    told = metadata(result, "timix/time_reports")
    assert (told["rows_added"], told["rows_changed"], told["rows_removed"]) == (0, 0, 1)
    assert told["dagster/row_count"] == len(workspace.sandbox.workspace.rows("time_reports"))


def test_unchanged_table_keeps_its_data_version(workspace: Workspace) -> None:
    def version(name: str) -> str:
        event = workspace.instance.get_latest_data_version_record(AssetKey.from_user_string(name))
        assert event is not None
        assert event.asset_materialization is not None
        return (event.asset_materialization.tags or {})["dagster/data_version"]

    names = ("timix/customers", "timix/time_reports")
    workspace.refresh(*names)
    before = [(version(name), workspace.lake.version(name)) for name in names]

    result = workspace.refresh(*names)

    assert [(version(name), workspace.lake.version(name)) for name in names] == before
    assert metadata(result, "timix/customers")["written"] is False


def test_each_month_of_a_range_says_how_many_rows_it_has(workspace: Workspace) -> None:
    result = workspace.refresh("timix/time_reports")

    counted = {
        event.partition: event.metadata["dagster/partition_row_count"].value
        for event in result.asset_materializations_for_node("timix__time_reports")
    }
    by_month = dict(workspace.table("timix/time_reports")["month"].value_counts().iter_rows())
    assert counted == {month.isoformat(): rows for month, rows in by_month.items()}


def test_a_month_without_entries_is_remembered_as_read(workspace: Workspace) -> None:
    empty = Months(date(2026, 3, 1), date(2026, 3, 1))
    result = workspace.refresh("timix/time_reports", months=empty)

    assert failures(result) == {}
    assert workspace.lake.metadata.months_read("timix/time_reports") == {date(2026, 3, 1)}
    assert workspace.table("timix/time_reports").is_empty()


def test_wrong_key_fails_after_one_request_and_keeps_data(workspace: Workspace) -> None:
    workspace.refresh()
    before = workspace.table("timix/customers")
    workspace.sandbox.revoke(workspace.sandbox.key)
    asked = len(workspace.sandbox.requests)

    result = workspace.refresh()

    failed = failures(result)
    assert len(failed) == len(ENDPOINTS) + 3
    assert all("/me" in sentence and "401" in sentence for sentence in failed.values())
    assert len(workspace.sandbox.requests) == asked + 1
    assert workspace.table("timix/customers").equals(before)


def test_key_of_another_organization_fails_before_writing(workspace: Workspace) -> None:
    workspace.refresh("timix/customers")
    workspace.settings["api_key"] = workspace.sandbox.key_for(organization="Northwind Advisory")

    result = workspace.refresh("timix/customers")

    assert "Northwind Advisory" in failures(result)["timix/customers"]
    assert workspace.lake.version("timix/customers") == 0


def test_a_403_is_red_unless_the_settings_say_to_skip_it(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("forbidden", path="/invoices"))
    assert "403" in failures(workspace.refresh("timix/invoices"))["timix/invoices"]

    workspace.overrides = {"invoices": {"skip_forbidden": True}}
    result = workspace.refresh("timix/invoices")

    assert failures(result) == {}
    said = warnings(result, "timix/invoices")
    assert list(said) == ["matches_contract"]
    assert "skip_forbidden" in said["matches_contract"]
    assert not result.asset_materializations_for_node("timix__invoices")
    assert not workspace.lake.exists("timix/invoices")


def test_key_without_organization_reads_the_rest(
    workspace: Workspace,
) -> None:
    workspace.sandbox.faults.add(Fault("drop_field", path="/me", field="organizationId"))
    workspace.sandbox.faults.add(Fault("forbidden", path="/organization"))
    workspace.overrides = {"organization": {"skip_forbidden": True}}

    result = workspace.refresh("timix/customers", "timix/projects")

    assert failures(result) == {}
    assert workspace.table("timix/customers").height > 0
    assert [path.rsplit("/", 1)[-1] for path in paths(workspace)].count("organization") == 1


def test_forbidden_without_skip_forbidden_fails(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("drop_field", path="/me", field="organizationId"))
    workspace.sandbox.faults.add(Fault("forbidden", path="/organization"))
    failed = failures(workspace.refresh("timix/customers"))["timix/customers"]
    assert failed.startswith("GET /organization: the server answered 403")


def test_skippable_report_fails_without_its_customers(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("customer_required", path="/financial-reports/customer-billing"))
    workspace.sandbox.faults.add(Fault("forbidden", path="/customers"))
    workspace.overrides = {"customer_billing_report": {"skip_forbidden": True}}

    result = workspace.refresh("timix/customer_billing_report")

    failed = failures(result)["timix/customer_billing_report"]
    assert failed.startswith("GET /customers, page 1: the server answered 403")


def test_a_field_that_we_do_not_know_is_kept_and_named(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("new_field", path="/customers"))
    result = workspace.refresh("timix/customers")

    assert "approvedByAi" in warnings(result, "timix/customers")["matches_contract"]
    rescued = workspace.table("timix/customers")["_rescued_data"]
    assert [json.loads(text) for text in rescued] == [{"approvedByAi": True}] * len(rescued)


@pytest.mark.long
def test_renamed_field_and_moved_path_are_overridden(workspace: Workspace) -> None:
    workspace.refresh("timix/time_reports")
    expected = workspace.table("timix/time_reports").sort("id")
    workspace.sandbox.faults.add(Fault("moved", path="/time-reports", to="/work-log"))
    workspace.sandbox.faults.add(Fault("rename_field", path="/work-log", old="hours", new="durationHours"))
    workspace.overrides = {"time_reports": {"path": "/work-log", "columns": {"hours": "durationHours"}}}

    result = workspace.refresh("timix/time_reports")

    assert failures(result) == {}
    assert workspace.table("timix/time_reports").sort("id").equals(expected)


def test_fallback_path_costs_one_request(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("moved", path="/time-reports", to="/time-entries"))
    result = workspace.refresh("timix/time_reports")

    assert metadata(result, "timix/time_reports")["path_read"] == "/time-entries"
    assert [path.rsplit("/", 1)[-1] for path in paths(workspace)][:3] == ["me", "time-reports", "time-entries"]


def test_missing_time_entries_fail_naming_every_path(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("not_found", path="/time*"))
    failed = failures(workspace.refresh("timix/time_reports"))["timix/time_reports"]
    assert failed.startswith("GET /time-reports: the server answered 404, and for /time-entries and /time too; check ")


def test_404_without_fallback_fails(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("not_found", path="/customers"))
    assert "/customers" in failures(workspace.refresh("timix/customers"))["timix/customers"]


def test_customer_billing_is_requested_per_customer_on_422(workspace: Workspace) -> None:
    workspace.refresh("timix/customer_billing_report")
    expected = workspace.table("timix/customer_billing_report").sort("month", "customer_id", "currency")
    workspace.sandbox.faults.add(Fault("customer_required", path="/financial-reports/customer-billing"))

    result = workspace.refresh("timix/customer_billing_report")

    assert failures(result) == {}
    again = workspace.table("timix/customer_billing_report").sort("month", "customer_id", "currency")
    assert again.equals(expected)
    customers = workspace.table("timix/customer_billing_report")["customer_id"].n_unique()
    listed = len(workspace.sandbox.workspace.rows("customers"))
    assert customers <= listed
    # A 422 with paging and one without, the list of customers once, then each customer in each month.
    assert metadata(result, "timix/customer_billing_report")["requests"] == 2 + 1 + 3 * listed


def test_requests_for_me_count_towards_me(workspace: Workspace) -> None:
    result = workspace.refresh("timix/customers", "timix/me")

    assert metadata(result, "timix/me")["requests"] == 1
    assert metadata(result, "timix/customers")["requests"] == 1
    assert len(workspace.sandbox.requests) == 2


def test_path_and_plan_of_me_are_overridden(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("moved", path="/me", to="/whoami"))
    workspace.sandbox.faults.add(Fault("rename_field", path="/whoami", old="plan", new="tier"))
    workspace.overrides = {"me": {"path": "/whoami", "columns": {"plan": "tier"}}}

    result = workspace.refresh("timix/me", "timix/customers")

    assert failures(result) == {}
    assert workspace.table("timix/me")["plan"].to_list() == ["Business"]
    assert sorted(path.rsplit("/", 1)[-1] for path in paths(workspace)) == ["customers", "whoami"]


@pytest.mark.long
def test_report_that_refuses_paging_is_read_unpaged(workspace: Workspace) -> None:
    workspace.refresh("timix/revenue_report")
    expected = workspace.table("timix/revenue_report").sort("month", "project_id", "currency")
    workspace.sandbox.requests.clear()
    workspace.sandbox.faults.add(Fault("refuse_parameters", path="/financial-reports/*", status=400))

    result = workspace.refresh("timix/revenue_report")

    assert failures(result) == {}
    assert workspace.table("timix/revenue_report").sort("month", "project_id", "currency").equals(expected)
    asked = [seen.query for seen in workspace.sandbox.requests if "financial-reports" in seen.path]
    assert ["page=" in query for query in asked] == [True, False, False, False]


def test_identical_months_of_a_report_are_reported(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("ignore_parameters", path="/financial-reports/revenue"))
    said = warnings(workspace.refresh("timix/revenue_report"), "timix/revenue_report")

    assert "has the same content in 2026-09, 2026-10, 2026-11" in said["matches_contract"]
    assert "parameters.startDate" in said["matches_contract"]


def test_months_without_rows_are_not_identical(workspace: Workspace) -> None:
    quiet = Months(date(2026, 2, 1), date(2026, 4, 1))
    said = warnings(workspace.refresh("timix/customer_billing_report", months=quiet), "timix/customer_billing_report")
    assert "matches_contract" not in said


@pytest.mark.long
def test_exclusive_end_date_is_fixed_by_an_override(workspace: Workspace) -> None:
    workspace.refresh("timix/time_reports", "timix/revenue_report")
    names = {"timix/time_reports": ["id"], "timix/revenue_report": ["month", "project_id", "currency"]}
    expected = {name: workspace.table(name).sort(key) for name, key in names.items()}
    workspace.sandbox.faults.add(Fault("end_exclusive"))
    workspace.overrides = {
        "time_reports": {"end_exclusive": True},
        "revenue_report": {"end_exclusive": True},
    }

    result = workspace.refresh(*names)

    assert failures(result) == {}
    assert "endDate=2026-12-01" in workspace.sandbox.requests[-1].query
    for name, key in names.items():
        assert workspace.table(name).sort(key).equals(expected[name]), name


def test_row_without_id_is_quarantined_until_fixed(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("null_id", path="/customers"))
    result = workspace.refresh("timix/customers")

    assert failures(result) == {}
    assert ": 1 row" in warnings(result, "timix/customers")["all_rows_parsed"]
    [held] = workspace.table("quarantine/customers").to_dicts()
    assert (held["column"], held["run_id"]) == ("id", result.run_id)
    [observed] = result.get_asset_observation_events()
    assert observed.asset_key == AssetKey(["quarantine", "customers"])
    shown = {name: value.value for name, value in observed.asset_observation_data.asset_observation.metadata.items()}
    assert shown["dagster/row_count"] == 1
    assert ": 1 row" in str(shown["reasons"])
    assert "| id |" in str(shown["preview"])

    workspace.sandbox.faults.clear()
    workspace.refresh("timix/customers")
    assert workspace.table("quarantine/customers").is_empty()


def test_missing_key_field_fails_and_keeps_rows(workspace: Workspace) -> None:
    workspace.refresh("timix/customers")
    workspace.sandbox.faults.add(Fault("rename_field", path="/customers", old="id", new="customerKey"))

    sentence = failures(workspace.refresh("timix/customers"))["timix/customers"]

    assert "key field id" in sentence
    assert "timix-assets doctor" in sentence
    assert workspace.table("timix/customers").height > 0


def test_too_many_unreadable_rows_fail_and_keep_the_table(workspace: Workspace) -> None:
    workspace.refresh("timix/time_reports")
    before = workspace.lake.version("timix/time_reports")
    workspace.sandbox.faults.add(Fault("bad_number", path="/time-reports", count=100))

    sentence = failures(workspace.refresh("timix/time_reports"))["timix/time_reports"]

    assert "cannot be read" in sentence
    assert "quarantine/time_reports" in sentence
    assert workspace.lake.version("timix/time_reports") == before


@pytest.mark.parametrize(("most", "held"), [(0, 100), (5, 100), (120, 120)])
def test_rejected_rows_are_counted_and_the_first_ones_kept(workspace: Workspace, most: int, held: int) -> None:
    workspace.sandbox.faults.add(Fault("bad_number", path="/time-reports", count=50))
    workspace.settings |= {"max_rejected_rows": most}

    sentence = failures(workspace.refresh("timix/time_reports"))["timix/time_reports"]

    pages, rest = divmod(len(workspace.sandbox.workspace.rows("time_reports")), 200)
    assert f"{50 * pages + min(50, rest)} of" in sentence
    assert workspace.table("quarantine/time_reports").height == held


def test_missing_required_field_fails_despite_high_limit(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("rename_field", path="/time-reports", old="hours", new="span"))
    workspace.settings |= {"max_rejected_rows": 10**6, "max_rejected_share": 1.0}
    assert "required field hours" in failures(workspace.refresh("timix/time_reports"))["timix/time_reports"]


def test_rows_outside_requested_months_are_dropped(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("ignore_parameters", path="/time-reports"))
    result = workspace.refresh("timix/time_reports", months=NOVEMBER)

    assert set(workspace.table("timix/time_reports")["month"]) == {NOVEMBER.first}
    assert metadata(result, "timix/time_reports")["rows_outside_window"] > 0
    assert "outside the requested months" in warnings(result, "timix/time_reports")["matches_contract"]


@pytest.mark.long
def test_shrinking_listing_fails_and_can_be_accepted_once(workspace: Workspace) -> None:
    workspace.refresh("timix/time_reports")
    workspace.sandbox.faults.add(Fault("shrunk", path="/time-reports"))
    assert "accept_shrink" in failures(workspace.refresh("timix/time_reports"))["timix/time_reports"]

    workspace.tags["timix/accept_shrink"] = "true"
    assert failures(workspace.refresh("timix/time_reports")) == {}


def test_the_official_csv_is_stored_byte_for_byte(workspace: Workspace) -> None:
    workspace.refresh("exports/revenue_report", "exports/budget_health_report")

    folder = workspace.folder / "lake" / "exports"
    answer = httpx.get(
        workspace.sandbox.base_url + str(BY_NAME["revenue_report"].csv_path),
        params={"startDate": "2026-10-01", "endDate": "2026-10-31"},
        headers={"X-Api-Key": workspace.sandbox.key},
    )
    assert (folder / "revenue_report" / "2026-10.csv").read_bytes() == answer.content
    assert (folder / "budget_health_report.csv").read_bytes().startswith("\N{BOM}".encode())


def test_key_that_sees_less_does_not_erase_costs(workspace: Workspace) -> None:
    workspace.refresh("timix/time_reports")
    workspace.settings["api_key"] = workspace.sandbox.key_for("Member")

    sentence = failures(workspace.refresh("timix/time_reports"))["timix/time_reports"]

    assert "would remove every value of cost_rate" in sentence
    assert workspace.table("timix/time_reports")["cost_rate"].null_count() == 0


def test_member_key_without_cost_is_not_an_error(workspace: Workspace) -> None:
    workspace.settings["api_key"] = workspace.sandbox.key_for("Member")
    result = workspace.refresh("timix/time_reports")

    assert failures(result) == {}
    assert "matches_contract" not in warnings(result, "timix/time_reports")
    [said] = [
        check.description or ""
        for check in result.get_asset_check_evaluations()
        if check.check_name == "matches_contract" and check.passed
    ]
    assert "a Member never sees cost" in said
    assert "override" not in said
    assert (
        workspace.table("timix/time_reports")["cost_rate"].null_count() == workspace.table("timix/time_reports").height
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"api_key": "abc"}, "TIMIX_API_KEY"),
        ({"base_url": "http://api.example.com/v1"}, "TIMIX_BASE_URL"),
        ({"attempts": 0}, "attempts"),
        ({"max_rejected_share": 5}, "max_rejected_share"),
    ],
)
def test_wrong_setting_fails_before_any_request(workspace: Workspace, settings: dict[str, object], named: str) -> None:
    workspace.settings.update(settings)
    assert named in failures(workspace.refresh("timix/customers"))["timix/customers"]
    assert workspace.sandbox.requests == []


def test_wrong_override_fails_before_any_request(workspace: Workspace) -> None:
    workspace.overrides = {"time_report": {"path": "/x"}}
    assert "time_reports" in failures(workspace.refresh("timix/customers"))["timix/customers"]
    assert workspace.sandbox.requests == []


def test_wrong_lake_limit_fails_before_any_request(workspace: Workspace) -> None:
    workspace.lake_settings["max_removed_share"] = 50
    said = failures(workspace.refresh("timix/customers"))["timix/customers"]
    assert said == "max_removed_share: the value is not valid; set a number from 0 to 1."
    assert workspace.sandbox.requests == []
