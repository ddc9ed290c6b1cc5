"""A workspace that differs from our assumptions is told so as data; what cannot be followed is refused by name."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from timix_assets.contract.endpoints import BY_NAME, CUSTOMERS, ENDPOINTS, ME, ORG_USERS, TIME_REPORTS
from timix_assets.contract.overrides import OverrideError, Overrides, apply, parse_overrides
from timix_assets.contract.records import Decoded, decode
from timix_assets.contract.schema import RESCUED
from timix_assets.contract.suggestions import suggest
from timix_assets.settings.overrides import load_overrides

from .sent import entry, rescued


def override(**settings: Any) -> Overrides:
    return parse_overrides({"endpoints": {"time_reports": settings}})


def refusal(data: Any) -> str:
    with pytest.raises(OverrideError) as refused:
        parse_overrides(data)
    message = str(refused.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


def computed(column: str, expression: str, *records: dict[str, Any]) -> Decoded:
    return decode(apply(TIME_REPORTS, override(columns={column: expression})), records)


# What they change


def test_path_override_replaces_fallback_paths():
    moved = apply(TIME_REPORTS, override(path="/v2/time"))
    assert (moved.path, moved.fallback_paths) == ("/v2/time", ())
    assert apply(TIME_REPORTS, override(parameters={"startDate": "from"})).fallback_paths == TIME_REPORTS.fallback_paths


def test_parameter_is_renamed():
    parameters = apply(TIME_REPORTS, override(parameters={"startDate": "from", "pageSize": "limit"})).parameters
    assert parameters == {"startDate": "from", "endDate": "endDate", "pageSize": "limit"}


def test_other_endpoints_stay_unchanged():
    moved = override(path="/time")
    assert [endpoint.name for endpoint in ENDPOINTS if apply(endpoint, moved) != endpoint] == ["time_reports"]


def test_empty_sections_override_nothing():
    assert parse_overrides({"endpoints": None}) == {}
    assert apply(TIME_REPORTS, override(columns=None, parameters={})) == TIME_REPORTS


# What they refuse


@pytest.mark.parametrize(
    ("data", "setting", "nearest"),
    [
        ({"endpoint": {}}, "`overrides`", "`endpoints`"),
        ({"endpoints": {"time_report": {}}}, "`endpoints`", "`time_reports`"),
        ({"endpoints": {"time_reports": {"column": {}}}}, "`endpoints.time_reports`", "`columns`"),
        ({"endpoints": {"time_reports": {"columns": {"hour": "x"}}}}, "`endpoints.time_reports.columns`", "`hours`"),
        (
            {"endpoints": {"time_reports": {"parameters": {"start_date": "x"}}}},
            "`endpoints.time_reports.parameters`",
            "`startDate`",
        ),
    ],
)
def test_wrong_name_is_rejected_with_a_suggestion(data, setting, nearest):
    assert refusal(data).startswith(setting)
    assert nearest in refusal(data)


def test_unknown_name_is_rejected_with_the_valid_ones():
    message = refusal({"endpoints": {"customers": {"parameters": {"zzz": "x"}}}})
    assert message == "`endpoints.customers.parameters` has no `zzz`: use one of page, pageSize."


def test_generated_column_cannot_be_overridden():
    assert "has no `month`" in refusal({"endpoints": {"time_reports": {"columns": {"month": "x"}}}})


@pytest.mark.parametrize(
    "data",
    [
        [1],
        "x",
        {"endpoints": ["time_reports"]},
        {"endpoints": {"time_reports": "/time"}},
        {"endpoints": {"time_reports": {"path": None}}},
        {"endpoints": {"time_reports": {"path": 3}}},
        {"endpoints": {"time_reports": {"parameters": {"startDate": 3}}}},
        {"endpoints": {"time_reports": {"columns": {"hours": 8}}}},
        {"endpoints": {3: {}}},
    ],
)
def test_value_of_the_wrong_type_is_rejected(data):
    assert refusal(data).startswith("`")


@pytest.mark.parametrize(
    "path", ["", "/", "time", "https://elsewhere.example/time", "//elsewhere", "/a/../b", "/a?b=1", "/a b", "/a/"]
)
def test_path_outside_the_base_url_is_rejected(path):
    assert "endpoints.time_reports.path" in refusal({"endpoints": {"time_reports": {"path": path}}})


@pytest.mark.parametrize(
    "expression",
    ["", "minutes /", "no_such_function(minutes)", "SELECT 1", "a, b", "*", "COLUMNS('^a')"],
)
def test_invalid_sql_is_rejected(expression):
    message = refusal({"endpoints": {"time_reports": {"columns": {"hours": expression}}}})
    assert message.startswith("`endpoints.time_reports.columns.hours` is ")


@pytest.mark.parametrize(
    "expression",
    ["SUM(hours)", "hours / SUM(hours)", "COUNT(*)", "LAG(hours) OVER (ORDER BY date)", "UNNEST(parts)", "MAX(hours)"],
)
def test_expression_over_several_records_is_rejected(expression):
    assert "from that record alone" in refusal({"endpoints": {"time_reports": {"columns": {"hours": expression}}}})


# The file


def test_yaml_file_is_read(tmp_path: Path):
    settings = {"path": "/x", "parameters": {"startDate": "from"}, "columns": {"hours": "durationMinutes / 60.0"}}
    file = tmp_path / "overrides.yaml"
    file.write_text(
        'endpoints: {time_reports: {path: /x, parameters: {startDate: from}, columns: {hours: "durationMinutes / 60.0"}}}'
    )
    assert load_overrides(file) == override(**settings)


@pytest.mark.parametrize("content", ["", "# nothing yet", "endpoints:", "endpoints:\n  time_reports:\n"])
def test_empty_file_overrides_nothing(tmp_path: Path, content: str):
    file = tmp_path / "overrides.yaml"
    file.write_text(content)
    assert [apply(endpoint, load_overrides(file)) for endpoint in ENDPOINTS] == list(ENDPOINTS)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"endpoints: [", "line 1"),
        (b"endpoints: {}\nendpoints: {}", "line 2: a name appears twice"),
        (b"endpoints: {time_reports: {path: /x, path: /y}}", "line 1: a name appears twice"),
        (b"endpoints: \xff", "UTF-8"),
        (b"endpoints: !!python/object:os.system {}", "line 1"),
        (b"7", "must be a mapping"),
        (b"endpoints: {time_report: {}}", "`time_reports`"),
    ],
)
def test_invalid_file_is_named(tmp_path: Path, content: bytes, reason: str):
    file = tmp_path / "overrides.yaml"
    file.write_bytes(content)
    with pytest.raises(OverrideError) as refused:
        load_overrides(file)
    assert str(file) in str(refused.value)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_file_is_rejected(tmp_path: Path):
    with pytest.raises(OverrideError, match=r"missing\.yaml cannot be read: No such file .+; correct the path"):
        load_overrides(tmp_path / "missing.yaml")


# Computed columns


def test_quotient_is_correct_to_ten_places():
    records = [
        entry(id=place, durationMinutes=m, hours=...) for place, m in enumerate([90, "50", Decimal("0.1"), 100, -50])
    ]
    result = computed("hours", "durationMinutes / 60.0", *records)
    assert result.rows["hours"].to_list() == [
        Decimal("1.5"),
        Decimal("0.8333333333"),
        Decimal("0.0016666667"),
        Decimal("1.6666666667"),
        Decimal("-0.8333333333"),
    ]
    assert result.rows[RESCUED].null_count() == 5
    assert not result.report.unknown_fields


def test_float_result_is_rounded_to_ten_places():
    result = computed("hours", "CAST(durationMinutes AS DOUBLE) / 60", entry(durationMinutes=50))
    assert result.rows["hours"].item() == Decimal("0.8333333333")


def test_missing_field_of_an_expression_is_null():
    result = computed(
        "hours", "durationMinutes / 60.0", entry(durationMinutes=90), entry(), entry(durationMinutes=None)
    )
    assert result.rows["hours"].to_list() == [Decimal("1.5")]
    assert result.rejected["reason"].to_list() == ["`hours` is missing"] * 2
    nowhere = computed("cost_rate", "perMinute * 60", entry())
    assert nowhere.rows["cost_rate"].to_list() == [None]
    assert "cost_rate" in nowhere.report.missing_columns


def test_division_by_zero_affects_only_its_row():
    records = [entry(id=i, cost=100, days=days) for i, days in enumerate([8, 0, None, 5])]
    result = computed("cost_rate", "cost / days", *records)
    assert result.rows["cost_rate"].to_list() == [Decimal("12.5"), None, None, Decimal(20)]
    assert rescued(result.rows, 1) == {"cost": 100, "days": 0}
    assert rescued(result.rows, 2) == {"cost": 100}
    assert result.report.unreadable == {"cost_rate": 1}
    assert result.report.samples == {"cost_rate": ('{"cost": 100, "days": 0}',)}


def test_product_of_more_than_38_digits_is_rescued():
    result = computed("cost_rate", "big * big", entry(big=10**20), entry(id=2, big=3))
    assert result.rows["cost_rate"].to_list() == [None, Decimal(9)]
    assert rescued(result.rows) == {"big": 10**20}


def test_field_name_takes_the_value_as_sent():
    result = computed(
        "user_id", "employeeNo", entry(employeeNo="007"), entry(id=2, employeeNo=7), entry(id=3, employeeNo="1" * 40)
    )
    assert result.rows["user_id"].to_list() == ["007", "7", "1" * 40]


def test_nested_member_is_read_and_siblings_are_rescued():
    records = [
        entry(customer={"id": "007", "name": "Acme"}),
        entry(id=2, customer=None),
        entry(id=3, customer={"id": 8}),
    ]
    result = computed("customer_id", "customer.id", *records)
    assert result.rows["customer_id"].to_list() == ["007", None, "8"]
    assert rescued(result.rows) == {"customer": {"id": "007", "name": "Acme"}}
    assert result.rows[RESCUED].to_list()[1:] == [None, None]
    assert result.report.unknown_fields == {"customer.name": 1}


def test_two_expressions_can_share_an_object():
    columns = {"customer_id": "customer.id", "currency": "customer.money.code"}
    record = entry(customer={"id": 8, "money": {"code": "EUR", "sign": "€"}})
    result = decode(apply(TIME_REPORTS, override(columns=columns)), [record])
    assert result.rows.select("customer_id", "currency").row(0) == ("8", "EUR")
    assert result.report.unknown_fields == {"customer.money.sign": 1}


def test_absent_member_is_null_in_a_calculation():
    record = entry(rates={"base": "12.50"})
    result = computed("cost_rate", "COALESCE(rates.special, other.rate, rates.base * 2)", record)
    assert result.rows["cost_rate"].item() == Decimal(25)


def test_fields_are_numbers_only_if_all_values_are():
    numeric = computed("text", "CASE WHEN code > 5 THEN 'high' ELSE 'low' END", entry(code="7"), entry(id=2, code=3))
    assert numeric.rows["text"].to_list() == ["high", "low"]
    textual = computed("text", "code || '!'", entry(code="7"), entry(id=2, code="x"))
    assert textual.rows["text"].to_list() == ["7!", "x!"]


def test_boolean_and_list_can_be_used():
    flagged = computed(
        "status", "CASE WHEN approved THEN 'Approved' ELSE 'Draft' END", entry(approved=True), entry(id=2)
    )
    assert flagged.rows["status"].to_list() == ["Approved", "Draft"]
    listed = computed("currency", "currencies[1]", entry(currencies=["EUR", "USD"]))
    assert listed.rows["currency"].item() == "EUR"


def test_constant_fills_every_row():
    result = computed("currency", "'EUR'", entry(), entry(id=2, currency="USD"))
    assert result.rows["currency"].to_list() == ["EUR", "EUR"]
    assert rescued(result.rows, 1) == {"currency": "USD"}
    assert "currency" not in result.report.missing_columns


def test_date_can_be_parsed_in_another_format():
    records = [entry(day="31/12/2026", date=...), entry(id=2, day="2026-12-31", date=...)]
    result = computed("date", "STRPTIME(day, '%d/%m/%Y')", *records)
    assert [str(day) for day in result.rows["date"]] == ["2026-12-31"]
    assert result.rejected.select("reason", "value").rows() == [
        ("`date` cannot be read as calendar date", "2026-12-31")
    ]


def test_result_of_the_wrong_type_is_rescued():
    result = computed("cost_rate", "rate || ' EUR'", entry(rate="dear"))
    assert result.rows["cost_rate"].item() is None
    assert rescued(result.rows) == {"rate": "dear"}
    assert result.report.unreadable == {"cost_rate": 1}


def test_unsuitable_expression_does_not_fail_the_run():
    result = computed("cost_rate", "rate / 2", entry(rate={"amount": 1}), entry(id=2, rate=[1]))
    assert result.rows["cost_rate"].to_list() == [None, None]
    assert [rescued(result.rows, row) for row in range(2)] == [{"rate": {"amount": 1}}, {"rate": [1]}]


def test_field_replaced_by_an_expression_is_rescued():
    result = computed("hours", "minutes / 60", entry(minutes=60, hours=7))
    assert result.rows["hours"].item() == 1
    assert rescued(result.rows) == {"hours": 7}


# Suggestions


def suggested(endpoint, *records, values=False):
    lines = suggest(endpoint, decode(endpoint, records).report, records if values else ())
    parsed = yaml.safe_load("\n".join(lines)) or {"endpoints": {endpoint.name: {"columns": {}}}}
    parse_overrides(parsed)
    return parsed["endpoints"][endpoint.name]["columns"]


def test_similar_field_is_suggested_for_a_missing_column():
    record = {"Id": 1, "userID": 2, "sub_task_id": 3, "work_date": "2026-01-01", "durationHours": 1, "mood": "good"}
    assert suggested(TIME_REPORTS, record) == {
        "id": "Id",
        "user_id": "userID",
        "subtask_id": "sub_task_id",
        "date": "work_date",
        "hours": "durationHours",
    }


def test_minutes_are_suggested_as_hours():
    assert suggested(TIME_REPORTS, entry(hours=..., durationMinutes=90)) == {"hours": "durationMinutes / 60.0"}


def test_field_is_suggested_once_and_for_required_first():
    assert suggested(TIME_REPORTS, entry(date=..., work_date="2026-01-01")) == {"date": "work_date"}
    taken = list(suggested(TIME_REPORTS, entry(userId=..., taskId=..., user="x", userid="y")).values())
    assert sorted(taken) == sorted(set(taken))
    assert "userid" in taken


@pytest.mark.parametrize("field", ["customerId", "customer_id", "customerKey", "custId", "uuid", "key"])
def test_id_named_after_its_table_is_suggested(field: str):
    assert suggested(CUSTOMERS, {field: 1, "name": "x"}) == {"id": field}


def test_id_of_another_table_is_not_suggested():
    assert suggested(CUSTOMERS, {"accountId": 1, "projectId": 2}) == {}


def test_abbreviation_is_suggested():
    assert suggested(ME, {"userId": 1, "orgId": 2}) == {"organization_id": "orgId"}


def test_name_is_not_suggested_for_an_id():
    assert suggested(TIME_REPORTS, entry(customerName="Acme")) == {}


def test_suggested_field_is_quoted_for_sql():
    assert suggested(CUSTOMERS, {"id": 1, "contact name": "x"}) == {"contact_name": '"contact name"'}


def test_dissimilar_fields_are_not_suggested():
    assert suggested(ORG_USERS, {"id": 1, "zodiac": "lion"}) == {}
    assert suggest(TIME_REPORTS, decode(TIME_REPORTS, []).report) == []


def fitting(**sent):
    """Suggested by their values, for entries without hours: a list is of one value for each entry."""
    [count] = {len(values) for values in sent.values()}
    records = [
        entry(id=f"e{row}", hours=..., **{name: values[row] for name, values in sent.items()}) for row in range(count)
    ]
    return suggested(TIME_REPORTS, *records, values=True)


def test_field_whose_values_fit_is_suggested_for_a_required_column():
    assert fitting(duration=[Decimal("0.5"), 8], mood=["good", "bad"]) == {"hours": "duration"}
    assert fitting(span=[30, 480]) == {"hours": "span / 60.0"}
    assert fitting(span=[1800, "28800"]) == {"hours": "span / 3600.0"}


@pytest.mark.parametrize("values", [[-1, 2], [0, 2], ["x", 2], [90_000, 2], [True, 2], [None, None, 2], [{"h": 1}, 2]])
def test_field_with_a_value_that_is_no_duration_is_not_suggested(values):
    assert fitting(duration=values) == {}


def test_field_that_is_filled_most_often_comes_first_and_the_others_are_comments():
    records = [entry(id=str(row), hours=..., a=2 if row else None, b=3) for row in range(4)]
    assert suggest(TIME_REPORTS, decode(TIME_REPORTS, records).report, records)[3:] == [
        '      hours: "b"  # 3 to 3, like hours, in 4 of 4 records',
        '      # or hours: "a"  # 2 to 2, like hours, in 3 of 4 records',
    ]


def test_dates_ids_and_currencies_are_told_by_their_values():
    sent = {"performed": "2026-01-05", "nr": 7, "iso": "EUR", "note": "a b"}
    records = [entry(id=..., date=..., **(sent | {"nr": 7 + row})) for row in range(2)]
    assert suggested(TIME_REPORTS, *records, values=True) == {"id": "nr", "date": "performed"}
    same = [entry(id=..., **(sent | {"nr": 7})) for _ in range(2)]
    assert "id" not in suggested(TIME_REPORTS, *same, values=True)
    billed = [{"projectId": "p", "kurs": 1, "code": "EUR"}, {"projectId": "q", "kurs": 2, "code": "USD"}]
    assert suggested(BY_NAME["unbilled_time_report"], *billed, values=True)["currency"] == "code"
