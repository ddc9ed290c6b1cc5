"""The lake of one organization: its tables, metadata and exports."""

from functools import cached_property
from pathlib import Path

from .commit import Change
from .errors import TableMissing
from .exports import Exports
from .maintenance import list_tables
from .metadata import LakeMetadata
from .reports import put_report
from .shrink_guard import ShrinkGuard
from .storage import is_folder
from .table_store import TableStore

__all__ = ["Change", "Lake", "ShrinkGuard"]


class Lake(TableStore):
    """The tables of one organization, and what is stored beside them. For the arguments see `TableStore`."""

    def names(self) -> list[str]:
        """Every Delta table of the lake, such as `timix/customers`, sorted.

        Raises:
            TableMissing: There is none.
            LakeError: The store cannot list them.
        """
        # Opening the store would create the folder.
        is_new = is_folder(self.url) and not Path(self.url).exists()
        names = [] if is_new else list_tables(self.url, self._options)
        if not names:
            raise TableMissing(
                f"The lake {self.url} has no tables; run `timix-assets refresh` first, or check TIMIX_LAKE."
            )
        return names

    @cached_property
    def metadata(self) -> LakeMetadata:
        """The organization that the lake belongs to, and the months that were read."""
        return LakeMetadata(self)

    @cached_property
    def exports(self) -> Exports:
        """The official exports, stored byte for byte."""
        return Exports(self.url, self._options, self.require_lease)

    def put_report(self, name: str, data: bytes) -> str:
        """Stores a finished page as `reports/<name>`, atomically, and returns where that is. WriteFailed if refused."""
        return put_report(self.url, self._options, name, data, self.require_lease)
