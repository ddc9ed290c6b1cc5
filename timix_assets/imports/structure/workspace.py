"""The Timix side of an import of structure."""

from collections.abc import Callable, Mapping, Sequence

from timix_assets.api.client import TimixClient
from timix_assets.contract.schema import Endpoint

from ..apply import RecordKey
from ..connection import Connection
from ..directory import folded
from ..ledger import Write
from .element import Element, element_of
from .levels import LEVELS


class StructureWorkspace(Connection):
    """Reads and writes customers, projects, tasks and subtasks."""

    def __init__(self, client: TimixClient, endpoint: Callable[[str], Endpoint]) -> None:
        super().__init__(client, endpoint)
        self._records = {name: self.records(level.endpoint, [*level.written]) for name, level in LEVELS.items()}

    def elements(self, levels: Sequence[str] = tuple(LEVELS)) -> dict[str, dict[str, Element]]:
        """Level -> id -> element, as they are now."""
        return {
            level: {row["id"]: element_of(level, row) for row in self._records[level].list().iter_rows(named=True)}
            for level in levels
        }

    def check_writable(self) -> None:
        """ImportRefused if an override computes a column that imports write."""
        for records in self._records.values():
            records.check_writable()

    def create(self, values: Element) -> tuple[str, Element]:
        stored = self._records[values.level].create(values.items())
        return stored["id"], element_of(values.level, stored)

    def update(self, record_id: str, values: Element, before: Element | None) -> Element:
        return element_of(values.level, self._records[values.level].update(record_id, values.items()))

    def delete(self, record_id: str, kind: str) -> None:
        self._records[kind].delete(record_id)

    def look(self, writes: Sequence[Write[Element]]) -> Mapping[RecordKey, Element]:
        levels = self.elements([level for level in LEVELS if level in {write.kind for write in writes}])
        return {(level, each): element for level, found in levels.items() for each, element in found.items()}

    def fixed(self, record: RecordKey) -> str:
        return ""

    def is_made_by(self, write: Write[Element], values: Element) -> bool:
        """By its place and name: the plan creates no element where one of that name is."""
        made = write.values
        return (
            made is not None
            and made.level == values.level
            and made.parent_id == values.parent_id
            and folded(made.name) == folded(values.name)
        )
