"""Which rollup shows which picture on its page, drawn once for the same figures: drawing costs more than reckoning."""

import inspect
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import polars as pl
from dagster import MetadataValue

from timix_assets.assets.reckoning import Reckoning, table_path
from timix_assets.charts import CHARTS, as_markdown
from timix_assets.metrics.settings import Settings
from timix_assets.metrics.tables import BY_NAME

DRAWINGS_KEPT = 40


def picture_of(table: str, rows: pl.DataFrame, reckoning: Reckoning) -> Mapping[str, MetadataValue[str]]:
    """The metadata that shows a rollup's picture; empty where it has none, or nothing to draw."""
    chart = CHARTS.get(table)
    if chart is None:
        return {}
    others = [name for name in inspect.signature(chart).parameters if name not in (table, "settings")]
    frames = {table: rows} | {name: reckoning.lake.lake.scan(table_path(name)).collect() for name in others}
    settings = reckoning.settings
    drawn = Drawings(Path(reckoning.lake.state_folder) / "pictures")
    png = drawn.get(table, frames, settings)
    if png is None:
        png = chart(**frames, settings=settings) or b""
        drawn.keep(table, frames, settings, png)
    if not png:
        return {}
    return {"chart": MetadataValue.md(as_markdown(png, f"{table}: {BY_NAME[table].description.split('.')[0]}"))}


class Drawings:
    """Pictures by what they were drawn from, in a folder; the oldest go when there are many. Losing one costs a drawing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, table: str, frames: Mapping[str, pl.DataFrame], settings: Settings) -> bytes | None:
        """The picture of exactly these figures; empty bytes when they gave none; None when it was not drawn yet."""
        try:
            return self._file(table, frames, settings).read_bytes()
        except FileNotFoundError:
            return None

    def keep(self, table: str, frames: Mapping[str, pl.DataFrame], settings: Settings, png: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._file(table, frames, settings)
        draft = file.with_suffix(".draft")
        draft.write_bytes(png)
        draft.replace(file)
        by_age = sorted(self._folder.glob("*.png"), key=lambda each: each.stat().st_mtime)
        for old in by_age[:-DRAWINGS_KEPT]:
            old.unlink(missing_ok=True)

    def _file(self, table: str, frames: Mapping[str, pl.DataFrame], settings: Settings) -> Path:
        drawn_from = sha256(repr(settings).encode())
        for name, frame in sorted(frames.items()):
            # As text: the same values, however the frame is cut into chunks.
            drawn_from.update(f"{name}\n{frame.write_ndjson()}".encode())
        return self._folder / f"{table}-{drawn_from.hexdigest()[:32]}.png"
