"""Files of the lake beside its tables, replaced whole: exports and reports."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from timix_assets.state.files import write_atomically

from .conditional_puts import unfit, version_of
from .storage import is_folder, open_store

if TYPE_CHECKING:
    from obstore import UpdateVersion

MAX_ATTEMPTS = 3


def replace_file(
    lake_url: str, options: Mapping[str, str], path: str, data: bytes, require_lease: Callable[[], None]
) -> None:
    """Replaces a file of the lake, atomically.

    Args:
        require_lease: Called before the write; what it raises prevents it. In an object store the put replaces what was there
            before that call and nothing later, so that a put that comes late cannot replace what the next holder wrote.

    Raises:
        OSError, BaseError: The folder or the store does not accept it.
        StoreUnfit: The store has no conditional writes.
    """
    if is_folder(lake_url):
        require_lease()
        write_atomically(Path(lake_url) / path, data, fsync=True)
        return
    store = open_store(lake_url, options)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        version = _version(store, path)
        require_lease()
        try:
            store.put(path, data, mode=version or "create")
        except NotImplementedError as refused:
            raise unfit(lake_url, "does not accept conditional puts") from refused
        except BaseError:
            # Refused for a late put of the holder before, or for our own first one, whose answer got lost; or not answered:
            # the store's client does not repeat such a put.
            if attempt == MAX_ATTEMPTS:
                raise
        else:
            return


def _version(store: ObjectStore, path: str) -> "UpdateVersion | None":
    try:
        return version_of(store.head(path))
    except FileNotFoundError:
        return None
