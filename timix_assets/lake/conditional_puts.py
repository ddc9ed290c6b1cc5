"""Whether an object store supports conditional puts: a commit is an object that must not exist yet.

If a store ignores the condition, two writers both report success and the rows of one are lost. So it is tested, once per lake
and process, before the first write.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore

from .errors import StoreUnfit, WriteFailed
from .storage import describe_storage_error, is_folder, open_store

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutResult, UpdateVersion

FOLDER = "_timix_probe"
_LOCKING = "aws_s3_locking_provider"
"""With it, deltalake uses a DynamoDB table instead of conditional puts."""

_TESTED: set[tuple[str, frozenset[tuple[str, str]]]] = set()


def require_conditional_puts(url: str, options: Mapping[str, str]) -> None:
    """StoreUnfit if the object store accepts a second conditional put of one name; WriteFailed if it accepts none."""
    tested = (url, frozenset(options.items()))
    named = {name.lower() for name, value in {**os.environ, **options}.items() if value}
    if is_folder(url) or tested in _TESTED or _LOCKING in named:
        return
    store, name = open_store(url, options), f"{FOLDER}/{uuid4().hex}"
    try:
        is_supported = _refuses_second_put(store, name)
    except NotImplementedError as refused:
        raise unfit(url, f"does not accept conditional puts ({describe_storage_error(refused)})") from refused
    except (BaseError, OSError) as error:
        raise WriteFailed(
            f"The object store of the lake {url} refused a test object, {name} ({describe_storage_error(error)}); nothing was "
            "written. Check that the credentials can write there and that the store accepts conditional puts (If-None-Match), "
            "then run it again."
        ) from error
    finally:
        with suppress(BaseError, OSError):
            store.delete(name)
    if not is_supported:
        raise unfit(url, "ignores the condition of a put (If-None-Match)")
    _TESTED.add(tested)


def version_of(described: "ObjectMeta | PutResult") -> "UpdateVersion":
    """The condition of the next put of an object as it is: S3 and Azure compare its tag, Google Cloud its version."""
    version: UpdateVersion = {}
    if described["e_tag"] is not None:
        version["e_tag"] = described["e_tag"]
    if described["version"] is not None:
        version["version"] = described["version"]
    return version


def _refuses_second_put(store: ObjectStore, name: str) -> bool:
    store.put(name, b"first", mode="create")
    try:
        store.put(name, b"second", mode="create")
    except AlreadyExistsError:
        return True
    return False


def unfit(url: str, why: str) -> StoreUnfit:
    return StoreUnfit(
        f"The object store of the lake {url} {why}, so two writers could overwrite each other's commits unnoticed; nothing was "
        "written. Set AWS_CONDITIONAL_PUT=etag if the store supports that, update the store, or point TIMIX_LAKE to another "
        "store or a folder."
    )
