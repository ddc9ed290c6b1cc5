"""The lake in an S3 store on this machine."""

import secrets
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from timix_assets.lake.errors import LakeError, OtherOrganization, WriteFailed
from timix_assets.lake.storage import open_store
from timix_assets.lake.tables import Lake

from .rows import FEBRUARY, JANUARY, WINTER, entries, numbered, only, sorted_rows
from .s3 import new_lake, store
from .test_races import at_once, replace

TABLE = "timix/time_reports"


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, str]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with urlopen(Request(f"{endpoint}/lakes", method="PUT")):
        yield {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
            "aws_conditional_put": "etag",
        }
    server.stop()


@pytest.fixture
def lake(options: dict[str, str]) -> Lake:
    return Lake(f"s3://lakes/{secrets.token_hex(4)}/lake", options)


def test_range_is_replaced_in_an_object_store(lake: Lake) -> None:
    assert not lake.exists(TABLE)
    lake.replace(TABLE, entries(("a", JANUARY, 1), ("b", FEBRUARY, 2)), key=["id"], months=WINTER)
    change = lake.replace(TABLE, entries(("c", FEBRUARY, 3)), key=["id"], months=only(FEBRUARY))
    assert (change.added, change.removed, change.version) == (1, 1, 1)
    assert sorted_rows(lake.scan(TABLE).select("id", "hours")) == [("a", 1), ("c", 3)]
    assert not lake.replace(TABLE, entries(("c", FEBRUARY, 3)), key=["id"], months=only(FEBRUARY)).written


def test_concurrent_writers_in_an_object_store_leave_one_table(lake: Lake) -> None:
    before = lake.snapshot(TABLE)
    outcomes = at_once(
        [
            lambda: replace(lake, numbered(JANUARY, 5, hours=0), only(JANUARY)),
            lambda: replace(lake, numbered(JANUARY, 5, hours=1), only(JANUARY)),
            lambda: replace(lake, numbered(FEBRUARY, 5, hours=2), only(FEBRUARY), before),
        ]
    )
    table = lake.scan(TABLE).collect()
    january = table.filter(month=JANUARY)["hours"].unique().to_list()
    assert (table.height, len(january), outcomes[january[0]], outcomes[2]) == (10, 1, True, True)


def test_metadata_is_stored_in_an_object_store(lake: Lake) -> None:
    lake.metadata.verify_organization("org_1", "Northwind")
    with pytest.raises(OtherOrganization):
        lake.metadata.verify_organization("org_2", "Southwind")
    lake.metadata.add_months_read(TABLE, WINTER)
    assert lake.metadata.months_read(TABLE) == set(WINTER)


def test_export_is_stored_in_an_object_store(lake: Lake, options: dict[str, str]) -> None:
    stored = lake.exports.put("revenue_report/2025-01.csv", b"\x00\xffbytes")
    store = open_store(lake.url, options)
    assert bytes(store.get("exports/revenue_report/2025-01.csv").bytes()) == b"\x00\xffbytes"
    assert stored.url == f"{lake.url}/exports/revenue_report/2025-01.csv"


def test_store_options_can_come_from_the_environment(
    lake: Lake, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in options.items():
        monkeypatch.setenv(name.upper(), value)
    by_environment = Lake(lake.url)
    by_environment.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=WINTER)
    by_environment.replace(TABLE, numbered(FEBRUARY, 2), key=["id"], months=only(FEBRUARY))
    assert by_environment.scan(TABLE).collect().height == 4
    assert by_environment.exports.put("a.csv", b"x").size == 1


def test_missing_bucket_is_one_clear_message(options: dict[str, str]) -> None:
    lake = Lake("s3://no-such-bucket/lake", options)
    with pytest.raises(WriteFailed, match="make the store reachable"):
        lake.exports.put("a.csv", b"")
    with pytest.raises(LakeError):
        lake.replace(TABLE, numbered(JANUARY, 1), key=["id"], months=WINTER)


def test_commit_with_lost_response_counts_as_made() -> None:
    with store(loses=f"_delta_log/{1:020}.json") as (options, asked):
        lake = new_lake(options)
        for hours in (1, 2):
            assert replace(lake, numbered(JANUARY, 5, hours), WINTER)
        commits = [path for method, path in asked if method == "PUT" and path.endswith(f"{1:020}.json")]
        assert len(commits) == 2
        assert lake.version(TABLE) == 1
        assert lake.scan(TABLE).collect()["hours"].unique().to_list() == [2]


def test_options_of_a_call_do_not_hide_those_of_the_environment(
    options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in options.items():
        monkeypatch.setenv(name.upper(), value)
    opened = open_store(f"s3://lakes/{secrets.token_hex(4)}", {"timeout": "10s", "max_retries": "0"})
    opened.put("object", b"text")
    assert bytes(opened.get("object").bytes()) == b"text"
