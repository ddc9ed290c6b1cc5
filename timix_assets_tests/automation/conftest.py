"""A lake in an object store, for each test that wants one."""

from timix_assets_tests.lake.s3 import options, url

__all__ = ["options", "url"]
