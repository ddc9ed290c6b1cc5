"""Faults of keys, roles and paths: rows 1 to 4 and 41 to 43 of docs/reliability.md."""

import pytest

from timix_assets.sandbox.faults import Fault

from .conftest import Workplace


@pytest.mark.usefixtures("untouched")
def test_01_a_revoked_key_ends_the_run_after_one_request(workplace: Workplace) -> None:
    workplace.sandbox.revoke(workplace.sandbox.key)
    done = workplace.refresh()

    assert (done.status, done.requests) == (1, ["/me"])
    assert "GET /me: the server answered 401" in done.sentence


@pytest.mark.usefixtures("untouched")
def test_01_a_key_revoked_in_mid_run_ends_it_where_it_stands(workplace: Workplace) -> None:
    done = workplace.refresh(faults=(Fault("unauthorized", path="/time-reports", page=2),))

    assert done.status == 1
    assert "GET /time-reports, page 2: the server answered 401" in done.sentence
