"""The check of holiday calendars: people without one work on every holiday, as far as their capacity shows."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from timix_assets.assets.checks.rules import holidays_known
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.faults import Fault
from timix_assets.settings.firm import FirmConfig, WorkCalendar
from timix_assets_tests.workspace import Workspace, failures, warnings

from .checked_lake import Row, empty_lake, put, rollup_context

MAY, NOVEMBER = date(2026, 5, 4), date(2026, 11, 1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = empty_lake(tmp_path)
    put(lake, "org_users", person("u1"), person("u2"), person("u3", country_code="il"))
    put(lake, "holiday_profiles", profile(2026), profile(2026, "IL"))
    return lake


def person(id: str, **columns: Any) -> Row:
    return {"id": id, "status": "Active", "country_code": "DE", "role": "Member", **columns}


def profile(year: int, country: str = "DE", *, active: bool = True) -> Row:
    return {"id": f"{country}-{year}", "year": year, "country_code": country, "is_active": active, "holidays": []}


def missing(lake: Lake, as_of: date = MAY, calendar: WorkCalendar | None = None) -> list[Row]:
    firm = FirmConfig(work_calendar=calendar or WorkCalendar())
    return holidays_known(lake, rollup_context(lake, firm, as_of)).violations.to_dicts()


def test_country_without_a_calendar_for_this_year_is_named(lake: Lake) -> None:
    put(lake, "holiday_profiles", profile(2025), profile(2026, "IL"))
    assert missing(lake) == [{"country_code": "DE", "year": 2026, "people": 2, "holiday_profile_ids": ""}]


def test_calendar_of_next_year_is_due_in_november(lake: Lake) -> None:
    assert missing(lake, date(2026, 10, 31)) == []
    assert [(row["country_code"], row["year"]) for row in missing(lake, NOVEMBER)] == [("DE", 2027), ("IL", 2027)]

    message = holidays_known(lake, rollup_context(lake, as_of=NOVEMBER)).message
    assert str(message).startswith(
        "2 holiday calendars missing: DE 2027 (2 people), IL 2027 (1 person). So no holiday of these years lowers these "
        "people's capacity; add an active holiday profile"
    )


def test_inactive_profile_named_by_a_person_is_no_calendar(lake: Lake) -> None:
    put(lake, "org_users", person("u1", country_code=None, holiday_profile_id="DE-2026"))
    assert missing(lake) == []

    put(lake, "holiday_profiles", profile(2026, active=False))
    [row] = missing(lake)
    assert (row["country_code"], row["holiday_profile_ids"]) == (None, "DE-2026")


def test_people_who_left_or_deliver_nothing_need_no_calendar(lake: Lake) -> None:
    left, ended = person("u1", status="Inactive"), person("u2", end_date=date(2026, 4, 30))
    put(lake, "org_users", left, ended, person("u3", role="Viewer"))
    put(lake, "holiday_profiles")
    assert missing(lake) == []


def test_configured_default_is_a_calendar(lake: Lake) -> None:
    put(lake, "org_users", person("u1", country_code="FR"))
    assert len(missing(lake)) == 1
    assert missing(lake, calendar=WorkCalendar(default_holiday_profile_id="DE-2026")) == []


def test_missing_calendar_of_the_api_is_a_warning(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", "2026-11-18")
    result = workspace.refresh("timix/holiday_profiles", "timix/org_users")
    assert warnings(result, "timix/holiday_profiles") == {}

    workspace.sandbox.faults.add(Fault("new_field", path="/holiday-profiles", field="isActive", value="false"))
    result = workspace.refresh("timix/holiday_profiles", "timix/org_users")
    assert failures(result) == {}
    assert "no holiday of these years lowers" in warnings(result, "timix/holiday_profiles")["holidays_known"]
