"""The API as an import uses it: whom the key acts for, how fast it may be used, and the records of each endpoint."""

from collections.abc import Callable, Sequence

from timix_assets.api.client import TimixClient
from timix_assets.contract.records import decode
from timix_assets.contract.schema import Endpoint

from .permissions import KeyOwner
from .records import Records


class Connection:
    """What imports of every kind need.

    Args:
        client: One that may write, if anything is to be applied.
        endpoint: The contract's endpoint of a name, with the overrides applied.
    """

    def __init__(self, client: TimixClient, endpoint: Callable[[str], Endpoint]) -> None:
        self._client = client
        self._endpoint = endpoint

    @property
    def requests(self) -> int:
        """Requests made so far."""
        return self._client.stats.requests

    @property
    def requests_per_minute(self) -> int:
        """The plan's limit."""
        return self._client.requests_per_minute

    def key_owner(self) -> KeyOwner:
        """Who the key acts for, and in which role."""
        row = decode(self._endpoint("me"), [self._client.me()]).rows
        return KeyOwner(None, None) if row.is_empty() else KeyOwner(row["user_id"][0], row["role"][0])

    def records(self, name: str, written: Sequence[str] = ()) -> Records:
        """The records of an endpoint. written: the columns that the import writes."""
        return Records(self._client, self._endpoint(name), written)
