import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from timix_assets import charts
from timix_assets.charts import palette
from timix_assets.charts.png import packed, size
from timix_assets.metrics.settings import AgingBuckets

HEX = re.compile(r"#[0-9a-fA-F]{6}\b")


def declared() -> Iterator[str]:
    """Every colour of the palette, as often as it is declared."""
    for name, value in vars(palette).items():
        if name.isupper() and isinstance(value, str):
            yield value
        elif name.isupper() and isinstance(value, Mapping):
            yield from value.values()


def test_no_colour_means_two_things() -> None:
    steps = palette.ages(len(AgingBuckets().upper_days) + 2)
    colours = [*declared(), *steps[1:-1]]

    assert len(colours) == len(set(colours)) > 15


def test_colours_are_declared_in_the_palette_only() -> None:
    modules = [p for p in Path(charts.__file__).parent.glob("*.py") if p.name != "palette.py"]

    assert modules
    assert not [p.name for p in modules if HEX.search(p.read_text("utf-8"))]


def test_importing_the_charts_loads_no_renderer() -> None:
    code = "import sys, timix_assets.charts; sys.exit(bool({'altair', 'vl_convert', 'dagster'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_packing_keeps_the_size_and_is_done_once() -> None:
    import vl_convert  # noqa: PLC0415 - a second

    svg = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='7'><rect width='4' height='7' fill='red'/></svg>"
    with_holes = vl_convert.svg_to_png(svg)
    whole = vl_convert.svg_to_png(svg.replace("><rect", "><rect width='9' height='7' fill='#fff'/><rect"))

    assert size(packed(with_holes)) == size(packed(whole)) == (9, 7)
    assert packed(packed(whole)) == packed(whole)
    assert len(packed(whole)) < len(whole)
