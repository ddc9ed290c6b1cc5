"""The console of every command: control characters in names or responses do nothing to the terminal."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from timix_assets.text.printable import printable_lines


class TerminalConsole(Console):
    """Shows control characters as text. Colours and progress bars are Rich's own and stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable_lines(segment.text), segment.style)
