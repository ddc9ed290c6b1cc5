"""Locations of a lake, and messages when it cannot be reached."""

import errno
import os
import secrets
import socket
from pathlib import Path

import pytest

from timix_assets.lake.errors import LakeError, WriteFailed
from timix_assets.lake.storage import describe_storage_error
from timix_assets.lake.tables import Lake

from .rows import JANUARY, numbered, only

TABLE = "timix/time_reports"


@pytest.fixture
def unreachable() -> Lake:
    """A lake behind a port of this machine without a listener."""
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
    """The message: one line, without terminal colors."""
    sentence = str(error.value)
    assert sentence.isprintable()
    return sentence


def test_unreachable_table_names_the_address(unreachable: Lake) -> None:
    with pytest.raises(LakeError, match=r"http://127\.0\.0\.1:\d+/\S+") as error:
        unreachable.exists(TABLE)
    assert "Connection refused" in said_by(error)


def test_unreachable_export_names_the_address(unreachable: Lake) -> None:
    with pytest.raises(WriteFailed, match=r"GET http://127\.0\.0\.1:\d+/\S+") as error:
        unreachable.exports.put("a.csv", b"x")
    assert "Connection refused" in said_by(error)


def test_damaged_log_names_the_damage(lake: Lake) -> None:
    log = Path(lake.url, TABLE, "_delta_log")
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("{oops")
    with pytest.raises(LakeError, match="Json error: .*unexpected 'o'") as error:
        lake.exists(TABLE)
    assert "unknown>" not in said_by(error)


@pytest.mark.parametrize(
    "url", ["foo://lake", "ftp://host/lake", "http://host/lake", "memory://lake", "s3://", "s3:///"]
)
def test_unknown_store_is_refused_with_the_variable_name(url: str) -> None:
    with pytest.raises(LakeError, match=rf"TIMIX_LAKE.*{url.rstrip('/')}.*s3://"):
        Lake(url).check()


@pytest.mark.parametrize(
    "url", ["s3://lakes/lake", "S3://lakes", "gs://lakes/lake", "abfss://c@a.dfs.core.windows.net/l"]
)
def test_object_store_is_checked_without_a_request(url: str) -> None:
    Lake(url).check()


def test_check_does_not_create_the_folder(tmp_path: Path) -> None:
    Lake(str(tmp_path / "data" / "lake")).check()
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_passes_the_check(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 1), key=["id"])
    lake.check()


@pytest.mark.parametrize("below", ["", "/lake", "/data/lake"])
def test_folder_below_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LakeError, match=rf"TIMIX_LAKE.*{tmp_path}/file is a file, not a folder"):
        Lake(f"{tmp_path}/file{below}").check()


def test_unwritable_folder_is_refused() -> None:
    # Where even the superuser cannot write: Linux's process files, macOS's sealed system volume.
    sealed = "/proc" if Path("/proc/self").is_dir() else "/System"
    with pytest.raises(LakeError, match=rf"TIMIX_LAKE.*{sealed}/lake"):
        Lake(f"{sealed}/lake").check()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_full_disk_is_described_in_the_systems_words(number: int) -> None:
    said = f"Generic LocalFileSystem error: Unable to copy data to file: {os.strerror(number)} (os error {number})"
    assert describe_storage_error(OSError(said)) == os.strerror(number).lower()


@pytest.mark.parametrize(
    "mistyped", ["s3:/bucket", "s3:bucket/lake", "S3:/bucket", "abfss:/c@a/lake", "file:/lake", "foo:/bar"]
)
def test_url_with_a_missing_slash_is_refused(mistyped: str) -> None:
    with pytest.raises(LakeError, match=f"TIMIX_LAKE: {mistyped} is a URL with a missing slash; write ") as error:
        Lake(mistyped)
    assert "://" in said_by(error)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://user:S3cretPassw0rd@host/db",
        "s3:/AKIA:S3cretPassw0rd@bucket/x",
        "s3:AKIA:S3cret/Passw0rd@bucket/x",
        "s3:/S3cretPassw0rd@bucket/x",
        "s3://AKIA:S3cretPassw0rd@bucket/x",
        "s3://AKIA:S3cret/Passw0rd@bucket/x",
        "az:/container/x?sv=1&sig=S3cretPassw0rd",
        "foo://" + 100 * "x" + "S3cretPassw0rd",
        f"foo://bbl_{'x' * 20}S3cretPassw0rd",
    ],
)
def test_no_message_about_the_place_quotes_a_secret(url: str) -> None:
    with pytest.raises(LakeError, match="TIMIX_LAKE") as error:
        Lake(url).check()
    assert "Passw0rd" not in said_by(error)
    assert "S3cret" not in said_by(error)


def test_a_url_with_a_password_says_where_credentials_go() -> None:
    with pytest.raises(LakeError, match=r"s3://bucket/x.*credentials.*AWS_SECRET_ACCESS_KEY"):
        Lake("s3://AKIA:S3cretPassw0rd@bucket/x").check()


@pytest.mark.parametrize("folder", ["./s3:/bucket", "C:/lake", "data/2026:/lake", "s3/lake"])
def test_folder_name_can_have_a_colon(folder: str) -> None:
    assert Path(Lake(folder).url).is_absolute()


def test_missing_file_is_named_and_nothing_is_replaced(lake: Lake) -> None:
    lake.replace(TABLE, numbered(JANUARY, 3), key=["id"], months=only(JANUARY))
    [file] = Path(lake.url).rglob("*.parquet")
    file.unlink()
    with pytest.raises(LakeError, match=rf"/{TABLE}: its file .*/{file.name} is missing. Restore") as error:
        lake.replace(TABLE, numbered(JANUARY, 2), key=["id"], months=only(JANUARY))
    assert "move its folder away" in said_by(error)
    assert lake.version(TABLE) == 0


def test_missing_temporary_folder_is_named(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"), temporary=tmp_path / "gone")
    with pytest.raises(
        WriteFailed, match=rf"^{TABLE}: .*{tmp_path}/gone \(No such file.*table left unchanged.*TMPDIR"
    ) as error:
        lake.replace(TABLE, numbered(JANUARY, 2), key=["id"])
    said_by(error)
    assert not lake.exists(TABLE)
