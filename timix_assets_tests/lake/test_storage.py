"""Where a lake may lie, and what is said when it cannot be reached."""

import errno
import os
import secrets
import socket
from pathlib import Path

import pytest

from timix_assets.lake.errors import LakeError, WriteFailed
from timix_assets.lake.storage import causes
from timix_assets.lake.tables import Lake

from .rows import JANUARY, numbered, only

TABLE = "timix/time_reports"


@pytest.fixture
def unreachable() -> Lake:
    """A lake behind a port of this machine on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Lake(
        "s3://lakes/lake",
        {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
            "max_retries": "0",
        },
    )


def said_by(error: pytest.ExceptionInfo[LakeError]) -> str:
    """The sentence, which is one line without a terminal's colours."""
    sentence = str(error.value)
    assert sentence.isprintable()
    return sentence


def test_a_table_that_cannot_be_reached_says_which_address_did_what(unreachable: Lake) -> None:
    with pytest.raises(LakeError, match=r"http://127\.0\.0\.1:\d+/\S+") as error:
        unreachable.exists(TABLE)
    assert "Connection refused" in said_by(error)


def test_an_export_that_cannot_be_sent_says_which_address_did_what(unreachable: Lake) -> None:
    with pytest.raises(WriteFailed, match=r"PUT http://127\.0\.0\.1:\d+/\S+") as error:
        unreachable.put_export("a.csv", b"x")
    assert "Connection refused" in said_by(error)


def test_a_damaged_log_says_what_is_wrong_with_it(lake: Lake) -> None:
    log = Path(lake.url, TABLE, "_delta_log")
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("{oops")
    with pytest.raises(LakeError, match="Json error: .*unexpected 'o'") as error:
        lake.exists(TABLE)
    assert "unknown>" not in said_by(error)


@pytest.mark.parametrize(
    "url", ["foo://lake", "ftp://host/lake", "http://host/lake", "memory://lake", "s3://", "s3:///"]
)
def test_a_place_that_is_no_store_is_refused_by_the_settings_name(url: str) -> None:
    with pytest.raises(LakeError, match=rf"TIMIX_LAKE.*{url.rstrip('/')}.*s3://"):
        Lake(url).check()


@pytest.mark.parametrize(
    "url", ["s3://lakes/lake", "S3://lakes", "gs://lakes/lake", "abfss://c@a.dfs.core.windows.net/l"]
)
def test_a_store_is_checked_without_being_asked(url: str) -> None:
    Lake(url).check()


def test_a_folder_that_can_be_made_is_well_and_is_not_made_yet(tmp_path: Path) -> None:
    Lake(str(tmp_path / "data" / "lake")).check()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_well(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 1), key=["id"])
    lake.check()


@pytest.mark.parametrize("below", ["", "/lake", "/data/lake"])
def test_a_folder_that_would_lie_in_a_file_is_refused_by_the_settings_name(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LakeError, match=rf"TIMIX_LAKE.*{tmp_path}/file.*Not a directory"):
        Lake(f"{tmp_path}/file{below}").check()


def test_a_folder_that_cannot_be_written_is_refused_by_the_settings_name() -> None:
    # Where even the superuser cannot write: Linux's process files, macOS's sealed system volume.
    sealed = "/proc" if Path("/proc/self").is_dir() else "/System"
    with pytest.raises(LakeError, match=rf"TIMIX_LAKE.*{sealed}/lake"):
        Lake(f"{sealed}/lake").check()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_of_a_full_disk_the_cause_is_said_in_the_systems_words_alone(number: int) -> None:
    said = f"Generic LocalFileSystem error: Unable to copy data to file: {os.strerror(number)} (os error {number})"
    assert causes(OSError(said)) == os.strerror(number).lower()


@pytest.mark.parametrize(
    "mistyped", ["s3:/bucket", "s3:bucket/lake", "S3:/bucket", "abfss:/c@a/lake", "file:/lake", "foo:/bar"]
)
def test_a_url_with_a_slash_too_few_is_no_folder_of_that_name(mistyped: str) -> None:
    with pytest.raises(LakeError, match=f"TIMIX_LAKE is {mistyped}, a URL with a slash too few; write ") as error:
        Lake(mistyped)
    assert "://" in said_by(error)


@pytest.mark.parametrize("folder", ["./s3:/bucket", "C:/lake", "data/2026:/lake", "s3/lake"])
def test_a_folder_may_have_a_colon_in_its_name(folder: str) -> None:
    assert Path(Lake(folder).url).is_absolute()


def test_a_file_of_the_old_version_that_is_gone_is_named_and_nothing_is_replaced(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 3), key=["id"], months=only(JANUARY))
    [file] = Path(lake.url).rglob("*.parquet")
    file.unlink()
    with pytest.raises(
        LakeError, match=rf"^{TABLE} \(2025-01\): .*No such file.*{file.name}.*nothing was replaced"
    ) as error:
        lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=only(JANUARY))
    assert f"move {lake.url}/{TABLE} away" in said_by(error)
    assert lake.version(TABLE) == 0


def test_a_temporary_folder_that_cannot_be_made_is_named_and_nothing_is_replaced(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"), temporary=tmp_path / "gone")
    with pytest.raises(
        WriteFailed, match=rf"^{TABLE}: .*{tmp_path}/gone \(No such file.*nothing was replaced.*TMPDIR"
    ) as error:
        lake.replace(TABLE, numbered(JANUARY, 2), key=["id"])
    said_by(error)
    assert not lake.exists(TABLE)
