import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from timix_assets import charts
from timix_assets.charts import palette
from timix_assets.settings.firm import AgingBuckets

HEX = re.compile(r"#[0-9a-fA-F]{6}\b")


def declared() -> Iterator[str]:
    """Every colour of the palette, as often as it is declared."""
    for name, value in vars(palette).items():
        if name.isupper() and isinstance(value, str):
            yield value
        elif name.isupper() and isinstance(value, Mapping):
            yield from value.values()


def test_colours_are_distinct() -> None:
    steps = palette.ages(len(AgingBuckets().upper_days) + 2)
    colours = [*declared(), *steps[1:-1]]

    assert len(colours) == len(set(colours)) > 15


def test_colours_are_declared_in_the_palette_only() -> None:
    modules = [p for p in Path(charts.__file__).parent.glob("*.py") if p.name != "palette.py"]

    assert modules
    assert not [p.name for p in modules if HEX.search(p.read_text("utf-8"))]
