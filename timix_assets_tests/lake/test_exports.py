"""Exports are kept byte for byte."""

from hashlib import sha256
from pathlib import Path

import pytest

from timix_assets.lake.errors import LakeError, WriteFailed
from timix_assets.lake.tables import Lake

CSV = b'\xef\xbb\xbfname,note\r\n"Acme","=cmd()\nsecond line"\r\n'


def test_an_export_is_stored_as_it_came_and_replaced_whole(lake: Lake) -> None:
    lake.put_export("revenue_report/2025-01.csv", b"old and longer than the new one" * 9)
    stored = lake.put_export("revenue_report/2025-01.csv", CSV)
    assert Path(stored.url).read_bytes() == CSV
    assert stored.url == f"{lake.url}/exports/revenue_report/2025-01.csv"
    assert (stored.size, stored.sha256) == (len(CSV), sha256(CSV).hexdigest())
    assert [file.name for file in Path(stored.url).parent.iterdir()] == ["2025-01.csv"]


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "", "a//b", ".hidden"])
def test_an_export_cannot_leave_its_folder(lake: Lake, path: str) -> None:
    with pytest.raises(LakeError, match="no path of an export"):
        lake.put_export(path, CSV)


def test_an_export_that_cannot_be_written_says_so(lake: Lake) -> None:
    lake.put_export("revenue_report", CSV)
    with pytest.raises(WriteFailed, match=r"exports/revenue_report/2025-01\.csv could not be written"):
        lake.put_export("revenue_report/2025-01.csv", CSV)
