"""What tells records apart before they are decoded, under every name that the key may go by."""

from typing import Any

import pytest

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.identity import key_reader, plan_in
from timix_assets.contract.overrides import apply, parse_overrides
from timix_assets.contract.schema import Endpoint


def overridden(name: str, **columns: str) -> Endpoint:
    return apply(BY_NAME[name], parse_overrides({"endpoints": {name: {"columns": columns}}}))


@pytest.mark.parametrize(
    "record", [{"id": "7"}, {"id": 7}, {"userId": 7}, {"id": None, "userId": "7"}, {"id": "", "userId": 7}]
)
def test_key_is_found_under_each_alias(record: dict[str, Any]) -> None:
    assert key_reader(BY_NAME["org_users"])(record) == "7"


@pytest.mark.parametrize("record", [{}, {"id": None}, {"id": ""}, {"id": [7]}])
def test_record_without_a_key_has_none(record: dict[str, Any]) -> None:
    assert key_reader(BY_NAME["customers"])(record) is None


def test_override_that_names_a_field_is_used_for_the_key() -> None:
    assert key_reader(overridden("customers", id="customerKey"))({"id": 1, "customerKey": 2}) == "2"
    assert key_reader(overridden("customers", id="ref.id"))({"ref": {"id": 3}}) == "3"
    assert key_reader(overridden("customers", id="ref.id"))({"ref": None}) is None


def test_override_that_computes_the_key_yields_none() -> None:
    assert key_reader(overridden("customers", id="UPPER(code)"))({"code": "a"}) is None


def test_month_of_a_report_is_not_part_of_the_key() -> None:
    read = key_reader(BY_NAME["revenue_report"])
    rows = [
        {"projectId": 1, "currency": "EUR"},
        {"projectId": 1, "currency": "USD"},
        {"projectId": 11, "currency": "EUR"},
    ]
    assert len({read(row) for row in rows}) == 3
    assert read({"projectId": 1}) is None


@pytest.mark.parametrize("answer", [{"plan": "Business"}, {"plan": {"name": "Business"}}])
def test_plan_is_read_from_an_otherwise_unreadable_record(answer: dict[str, Any]) -> None:
    assert plan_in(BY_NAME["me"], answer) == "Business"


@pytest.mark.parametrize("expression", ["tier", "subscription.tier", "UPPER(tier)"])
def test_override_decides_where_the_plan_is(expression: str) -> None:
    answer = {"plan": "x", "tier": "PRO", "subscription": {"tier": "PRO"}}
    assert plan_in(overridden("me", plan=expression), answer) == "PRO"


def test_missing_plan_is_none() -> None:
    assert plan_in(BY_NAME["me"], {"userId": "u1"}) is None
