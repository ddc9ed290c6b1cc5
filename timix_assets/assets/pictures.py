"""Which rollup shows which picture on its page in the UI."""

from collections.abc import Callable, Mapping

import polars as pl
from dagster import MetadataValue

from timix_assets.assets.reckoning import Reckoning

Picture = Callable[[pl.DataFrame, Reckoning], Mapping[str, MetadataValue[str]]]

PICTURES: Mapping[str, Picture] = {}
