"""Reads a report: by page if the server pages it, by customer if the server requires that."""

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

from timix_assets.api.client import TimixClient
from timix_assets.api.concurrency import map_unordered
from timix_assets.api.errors import Invalid
from timix_assets.contract.identity import key_reader
from timix_assets.contract.schema import Endpoint


class ReportReader:
    """Reads one report, for one month after the other, and remembers what the server requires.

    The vendor documents only the paths of reports. They are requested like a list, which takes the fewest requests if they
    are paged; if the server refuses `page` and `pageSize` (400, 422), they are left out from then on.

    Attributes:
        by_customer: whether the server requires a customer (422 without one), so that each request is made per customer.
    """

    def __init__(
        self, client: TimixClient, endpoint: Endpoint, path: str, customer_ids: Callable[[], Sequence[str]]
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._path = path
        self._key = key_reader(endpoint)
        self._paged = True
        self._customer_ids = customer_ids
        self._customers: Sequence[str] | None = None
        self._customers_lock = Lock()
        self.by_customer = False

    def rows(self, params: Mapping[str, str]) -> list[Any]:
        """The report's records for these parameters."""
        if not self.by_customer:
            try:
                return self._whole(params)
            except Invalid as refused:
                if not self._endpoint.per_customer_on_422 or refused.status != 422:
                    raise
            self.by_customer = True
        return self._of_each_customer(params)

    def _of_each_customer(self, params: Mapping[str, str]) -> list[Any]:
        name = self._endpoint.parameters["customerId"]
        with self._customers_lock:
            if self._customers is None:
                self._customers = self._customer_ids()
            customers = self._customers

        def of(number: int) -> list[Any]:
            return self._whole({**params, name: customers[number]})

        at_once = self._client.limits.concurrency
        return [row for rows in map_unordered(of, range(len(customers)), at_once) for row in rows]

    def _whole(self, params: Mapping[str, str]) -> list[Any]:
        if self._paged:
            try:
                return self._read(params, paged=True)
            except Invalid:
                # Was it the paging that is refused? Only an answer without it can tell.
                rows = self._read(params, paged=False)
                self._paged = False
                return rows
        return self._read(params, paged=False)

    def _read(self, params: Mapping[str, str], *, paged: bool) -> list[Any]:
        rows: list[Any] = []
        attempt = 0
        for page in self._client.pages(
            self._path,
            params,
            key=self._key,
            names=self._endpoint.parameters,
            object_is_row=True,
            paged=paged,
        ):
            if page.attempt > attempt:
                rows, attempt = [], page.attempt
            rows.extend(page.items)
        return rows
