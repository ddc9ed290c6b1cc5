"""The client: reads one response, a whole listing or a CSV from Timix, and writes where that is allowed."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from timix_assets.text.key_mask import KEY_PREFIX
from timix_assets.vendor import BASE_URL as DEFAULT_BASE_URL

from .errors import (
    ClientConfigError,
    Closed,
    ContractError,
    NotFound,
    RateLimited,
    ReadOnly,
    TimixError,
    TryAgain,
    Unauthorized,
)
from .exact_json import Json
from .limits import Limits, Quota, is_known_plan, plan_message, requests_per_minute
from .listing import Envelope, Page, Row, RowKey, envelope_of, key_of_fields, only_page, read_listing
from .network import checked_base_url
from .rate_limit import RateLimitBudgetExceeded, RateLimiter
from .rate_limit_bucket import FileBucket, MemoryBucket
from .redaction import Redactor
from .responses import answered, csv_of, json_of, status_error
from .retries import RetryPolicy, duration, is_maybe_applied
from .transport import Auth, Parameters, Request, Response, Transport, path_of, query_of

T = TypeVar("T")

_MIN_REQUEST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Stats:
    """What a client has done so far; `after - before` is what happened in between.

    Attributes:
        requests: Requests sent, retries included.
        retries: Those among them that repeat another.
        rate_limited: Responses of 429.
        waited_seconds: Time in which requests waited for the rate limit, or because the server asked for it.
        bytes: Size of the received bodies, as sent.
    """

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    waited_seconds: float = 0.0
    bytes: int = 0

    def __sub__(self, before: "Stats") -> "Stats":
        return Stats(*(getattr(self, f.name) - getattr(before, f.name) for f in fields(self)))

    def __add__(self, more: "Stats") -> "Stats":
        return Stats(*(getattr(self, f.name) + getattr(more, f.name) for f in fields(self)))


class TimixClient:
    """Talks to one Timix organization with one API key. Thread-safe; a context manager.

    Paths are below the base URL, with or without a leading slash. Every request keeps to the plan's rate limit, is
    retried where that is safe, and ends at a deadline. Every error is a `TimixError`.

    Args:
        base_url: The Integration API; https, or http on this machine.
        key: The API key, `bbl_…`.
        auth: The header that carries the key: `x-api-key` or `bearer`.
        limits: Deadlines, retries, concurrency, page size.
        read_only: Refuse `create`, `update` and `delete`.
        rate_limit_folder: Where processes that use the same key share its rate limit; None keeps it to this client.
        quota: The part of the plan's limit that it keeps to.
        notify: Called with one message on a long wait or when a listing is read again; from any thread.
        me_path: Path of the key's own record.
        key_setting: What messages call the setting of the key.
        plan_of: Reads the plan from that record; by default from its field `plan`.
        retry_policy: Replaces the policy that `limits` describes.
        transport: Replaces the network, for tests.

    Attributes:
        limits: The limits of this client.
        plan: The organization's plan as `me` names it; None before that, or when it names none.
        me_stats: What getting `me` took: every method needs it, so it is not the cost of one table.

    Raises:
        ClientConfigError: The key, the base URL, the proxy or the header is invalid.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_BASE_URL,
        key: str = "",
        *,
        auth: Auth = "x-api-key",
        limits: Limits = Limits(),  # noqa: B008 - immutable
        read_only: bool = True,
        rate_limit_folder: Path | None = None,
        quota: Quota = Quota.ALL,
        notify: Callable[[str], None] | None = None,
        me_path: str = "/me",
        key_setting: str = "TIMIX_API_KEY",
        plan_of: Callable[[dict[str, Any]], str | None] | None = None,
        retry_policy: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = checked_base_url(base_url)
        _check_key(key, key_setting)
        self._key_setting = key_setting
        if auth not in ("x-api-key", "bearer"):
            raise ClientConfigError("auth must be “x-api-key” or “bearer”.")
        self.limits = limits
        self._retries = retry_policy or RetryPolicy.of(limits)
        self._read_only = read_only
        self._notify = notify or (lambda _: None)
        self._redact = Redactor(key)
        self._transport = Transport(self.base_url, key, auth, limits, transport)
        folder = rate_limit_folder
        bucket = FileBucket(folder, self.base_url, key, quota=quota) if folder else MemoryBucket()
        self._limiter = RateLimiter(bucket, limits, self._notify, quota=quota)
        self._require_turn: Callable[[], None] = lambda: None
        self._me_request = Request("GET", path_of(me_path))
        self._plan_of = plan_of or _plan_of
        self.plan: str | None = None
        self._me: dict[str, Any] | None = None
        self.me_stats = Stats()
        self._me_lock = threading.Lock()
        self._me_failure: tuple[TimixError | None, float] = None, 0.0
        self._refused: Unauthorized | None = None
        self._counts = Stats()
        self._counts_lock = threading.Lock()

    def __repr__(self) -> str:
        return f"TimixClient(base_url={self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every wait immediately and closes the connections; later requests raise Closed."""
        self._limiter.close()
        self._transport.close()

    @property
    def stats(self) -> Stats:
        """What this client has done so far."""
        with self._counts_lock:
            counts = self._counts
        return replace(counts, waited_seconds=self._limiter.waited_seconds)

    def take_turn(self, made: Sequence[float] | None, age: float, require_turn: Callable[[], None]) -> None:
        """Counts the requests that other machines made with this key before.

        Args:
            made: For how many seconds each counted `age` seconds ago, as `counting_requests` says; None if nobody knows.
            age: In seconds.
            require_turn: Called before each request; raises when it is the turn of another machine.
        """
        self._require_turn = require_turn
        self._limiter.add(made, age)

    def counting_requests(self) -> list[int]:
        """For how many seconds each request with this key still counts; after `close`, as of then."""
        return self._limiter.counting()

    # Reading

    def me(self) -> dict[str, Any]:
        """Gets the key's own record, once. Its plan sets the rate limit, so every other method gets it first.

        A failure is kept for one window of the rate limit (a minute): until then nothing is sent.

        Returns:
            The record as sent: user, role, organization, plan.

        Raises:
            Unauthorized: The key is wrong, expired or revoked.
            TimixError: The record cannot be read.
        """
        with self._me_lock:
            self._raise_if_refused()
            if self._me is None:
                before = self.stats
                request = self._me_request
                self._me = self._ask_me()
                # All other requests wait for this one, so nothing else is counted meanwhile.
                self.me_stats = self.stats - before
                self.plan = self._plan_of(self._me)
                self._limiter.set_limit(requests_per_minute(self.plan))
                if not is_known_plan(self.plan):
                    self._notify(f"{request}: {plan_message(self.plan)}.")
            return self._me

    def _ask_me(self) -> dict[str, Any]:
        """Fails fast for a while after a failure: otherwise each table in turn would wait for the same one."""
        request, (failure, valid_until) = self._me_request, self._me_failure
        if failure is not None and time.monotonic() < valid_until:
            raise failure.with_traceback(None)
        try:
            return self._ask(request, lambda response: _object_of(request, json_of(request, response)))
        except Closed:
            raise
        except TimixError as error:
            self._me_failure = error, time.monotonic() + self.limits.window_seconds
            raise

    @property
    def requests_per_minute(self) -> int:
        """The plan's rate limit, which this client keeps."""
        return requests_per_minute(self.plan)

    @property
    def me_path(self) -> str:
        """The path of the key's own record."""
        return self._me_request.path

    def get(self, path: str, params: Parameters | None = None) -> Json:
        """Gets the JSON of one response.

        Args:
            path: Below the base URL: `projects/p1`.
            params: Query parameters; None is omitted, True is `true`, a list repeats its name.

        Returns:
            What `json.loads` returns, but with exact Decimals for fractions.

        Raises:
            NotFound: There is no such record, or no such path.
            Forbidden, Invalid: The server refused the request.
            TimixError: Any other failure.
        """
        request = Request("GET", path_of(path), query_of(params or {}), single="/" in path.strip("/"))
        if (request.path, request.query) == (self._me_request.path, ""):
            return self.me()
        self.me()
        return self._ask(request, lambda response: json_of(request, response))

    def envelope(self, path: str, params: Parameters | None = None, *, object_is_row: bool = False) -> Envelope:
        """Gets one response as a page of a listing: its rows, and the paging metadata of the server.

        Args:
            path: Below the base URL.
            params: Query parameters, paging included.
            object_is_row: A bare object is a listing of that one row.

        Raises:
            ContractError: The response is not a listing.
            TimixError: Any other failure.
        """
        request = Request("GET", path_of(path), query_of(params or {}))
        if request == self._me_request:
            return envelope_of(request, self.me(), {}, object_is_row=object_is_row)
        self.me()
        return self._envelope(request, object_is_row=object_is_row)

    def _envelope(self, request: Request, *, object_is_row: bool) -> Envelope:
        return self._ask(
            request,
            lambda response: envelope_of(
                request, json_of(request, response), response.headers, object_is_row=object_is_row
            ),
        )

    def pages(
        self,
        path: str,
        params: Parameters | None = None,
        *,
        key: Sequence[str] | RowKey = ("id",),
        names: Mapping[str, str] | None = None,
        object_is_row: bool = False,
        paged: bool = True,
    ) -> Iterator[Page]:
        """Yields the pages of a listing as they arrive, in any order.

        The listing is read again when rows were added or removed meanwhile. **When a page's `attempt` is higher than
        before, discard everything of earlier attempts.** The last attempt is complete, but may contain a key twice.

        Args:
            path: Below the base URL.
            params: Query parameters without paging.
            key: The fields that identify a row, or a function from a row to its key as text (None: no key).
            names: Parameter name (`page` and `pageSize` too) -> the name that is sent.
            object_is_row: A bare object is a listing of that one row.
            paged: False sends one request without `page` and `pageSize`.

        Raises:
            ListingUnstable: The listing changed during every attempt.
            ContractError: A response is not a page, or an unpaged one says that there are more rows.
            TimixError: Any other failure.
        """
        self.me()
        names = names or {}
        key_of = key if callable(key) else key_of_fields(key)

        def page_of(paging: Parameters, number: int | None) -> Envelope:
            sent = {names.get(name, name): value for name, value in {**(params or {}), **paging}.items()}
            return self._envelope(
                Request("GET", path_of(path), query_of(sent), page=number), object_is_row=object_is_row
            )

        def fetch(number: int, size: int) -> Envelope:
            return page_of({"pageSize": size, "page": number}, number)

        listing = Request("GET", path_of(path))
        if not paged:
            yield only_page(listing, page_of({}, None))
            return
        yield from read_listing(listing, fetch, key_of, self.limits, self._notify)

    def list(self, path: str, params: Parameters | None = None, *, key: str = "id") -> list[Row]:
        """Reads a whole listing into memory.

        Args:
            path: Below the base URL: `customers`.
            params: Query parameters without paging.
            key: The field that identifies a row.

        Returns:
            All rows as sent, in the order of the pages; of rows with the same key, the one with the latest `updatedAt`.

        Raises:
            ListingUnstable: The listing changed during every attempt.
            TimixError: Any other failure.
        """
        attempt, pages = 0, dict[int, list[Row]]()
        for page in self.pages(path, params, key=(key,)):
            if page.attempt > attempt:
                attempt, pages = page.attempt, {}
            pages[page.number] = page.items
        return _latest_of_each((row for number in sorted(pages) for row in pages[number]), key)

    def csv(self, path: str, params: Parameters | None = None) -> bytes:
        """Gets an official CSV export.

        Args:
            path: Below the base URL: `financial-reports/revenue/export/csv`.
            params: Query parameters.

        Returns:
            The file, byte for byte; only the API key would be masked.

        Raises:
            NotCsv: The response is not a complete CSV.
            TimixError: Any other failure.
        """
        self.me()
        request = Request("GET", path_of(path), query_of(params or {}), accept="text/csv")
        return self._ask(request, lambda response: csv_of(request, response))

    # Writing

    def create(self, resource: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Creates a record (POST). Sent again only if the request is known not to have reached the server.

        Timix has no id of its caller's, so a record that is created twice is two records. When the response is lost, the
        error has `maybe_applied`: look for the record before you create it again.

        Args:
            resource: `projects`, `time-reports`.
            record: Its fields, with the names of the API. Dates and Decimals are converted.

        Returns:
            The record as the server stored it, with its id.

        Raises:
            ReadOnly: The client was created with `read_only=True`.
            Invalid, Conflict, Forbidden: The server does not accept the record.
            ValueError: A Decimal has more digits than a JSON number keeps.
            TimixError: Any other failure; `error.maybe_applied` says whether the record may exist all the same.
        """
        return self._write(Request("POST", path_of(resource), body=_json_body(record)), "created")

    def update(self, resource: str, id: object, record: Mapping[str, Any]) -> dict[str, Any]:
        """Replaces a record (PUT). Sent again only if the request is known not to have reached the server.

        Args:
            resource: `projects`, `time-reports`.
            id: The id of the record.
            record: All its fields, with the names of the API.

        Returns:
            The record as the server stored it.

        Raises:
            ReadOnly: The client was created with `read_only=True`.
            NotFound: There is no record with that id.
            Invalid, Conflict, Forbidden: The server does not accept the record.
            ValueError: The id is empty, or a Decimal has more digits than a JSON number keeps.
            TimixError: Any other failure; `error.maybe_applied` says whether the change may have been made all the same.
        """
        return self._write(Request("PUT", _record_path(resource, id), body=_json_body(record), single=True), "changed")

    def delete(self, resource: str, id: object) -> None:
        """Deletes a record; Timix keeps it in its recycle bin for 30 days. Repeated like a read: the id is gone once.

        Args:
            resource: `projects`, `time-reports`.
            id: The id of the record.

        Raises:
            ReadOnly: The client was created with `read_only=True`.
            NotFound: There is no record with that id.
            ValueError: The id is empty.
            TimixError: Any other failure.
        """
        request = Request("DELETE", _record_path(resource, id), single=True)
        self._prepare_write(request)
        try:
            self._ask(request, lambda response: None)
        except TimixError as error:
            error.maybe_applied = is_maybe_applied(error)
            raise

    def _write(self, request: Request, done: str) -> dict[str, Any]:
        self._prepare_write(request)
        try:
            return self._ask(request, lambda response: _object_of(request, json_of(request, response)))
        except TimixError as error:
            error.maybe_applied = is_maybe_applied(error)
            if error.maybe_applied:
                error.args = (
                    f"{error} The record may have been {done} all the same: look for it before you repeat this.",
                )
            raise

    def _prepare_write(self, request: Request) -> None:
        if self._read_only:
            raise ReadOnly(
                f"{request}: this client is read-only; create it with read_only=False to change the live organization."
            )
        self.me()

    # One response, with its retries

    def _ask(self, request: Request, read: Callable[[Response], T]) -> T:
        """Sends until `read` accepts the response, as the retry policy allows; errors of `read` may be retried too."""
        failures, repeats, spent = 0, 0, 0.0
        while True:
            deadline = min(self.limits.request_deadline_seconds, self._retries.budget_seconds - spent)
            started = time.monotonic()
            try:
                with self._limiter.slot():
                    self._raise_if_refused()
                    self._require_turn()
                    started = time.monotonic()
                    response = self._send(request, max(deadline, _MIN_REQUEST_SECONDS), is_repeat=repeats > 0)
                return read(response)
            except RateLimitBudgetExceeded as exceeded:
                what = f"{request}: not sent, as the server answered 429 before"
                raise _over_budget(what, exceeded.seconds, exceeded.left) from None
            except RateLimited as error:
                self._pause_after_429(request, error)
            except Unauthorized as error:
                self._refused = self._refused or error
                raise
            except TimixError as error:
                if request.method == "DELETE" and failures and isinstance(error, NotFound):
                    return read(Response(204, {}, b""))
                failures += 1
                asked = error.retry_after if isinstance(error, TryAgain) else None
                wait = self._retries.wait_seconds(failures) if asked is None else 0.0
                spent += time.monotonic() - started + wait
                if not self._retries.allows(error, request.method, failures, spent):
                    error.tried(failures)
                    raise
                if isinstance(error, TryAgain) and asked is not None:
                    self._pause_as_asked(request, error, asked)
                else:
                    self._limiter.sleep(wait)
            repeats += 1

    def _send(self, request: Request, seconds: float, *, is_repeat: bool) -> Response:
        self._count(Stats(requests=1, retries=int(is_repeat)))
        response = self._transport.exchange(request, seconds)
        self._count(Stats(bytes=response.received_bytes, rate_limited=int(response.status == 429)))
        now = datetime.now(UTC)
        if error := status_error(request, response, self.limits, self._redact, now, self._key_setting):
            raise error
        return response

    def _pause_after_429(self, request: Request, error: RateLimited) -> None:
        left, seconds = self._limiter.budget_left_seconds, error.retry_after or 0.0
        if not self._limiter.pause_all(seconds):
            what = f"{request}: the server answered 429"
            raise _over_budget(what, seconds, left, error.code, error.server_message)

    def _pause_as_asked(self, request: Request, error: TryAgain, seconds: float) -> None:
        """Waits as the server asked; over the run's budget, raises the error with what was asked."""
        left = self._limiter.budget_left_seconds
        if not self._limiter.pause_one(seconds):
            error.args = (
                f"{answered(request, error.status, error.code, error.server_message)} and asks to wait {duration(seconds)}, "
                f"longer than the {left:,.0f} s that this run may still wait; run it again after that.",
            )
            raise error

    def _raise_if_refused(self) -> None:
        """After a 401 nothing more is sent: the first one is raised again."""
        if self._refused is not None:
            raise self._refused.with_traceback(None)

    def _count(self, more: Stats) -> None:
        with self._counts_lock:
            self._counts += more


def _over_budget(what: str, seconds: float, left: float, code: str = "", server_message: str = "") -> RateLimited:
    return RateLimited(
        f"{what}, and the limit resets in {duration(seconds)}, longer than the {left:,.0f} s that this run may still wait; "
        "run it again after that.",
        status=429,
        code=code,
        server_message=server_message,
        retry_after=seconds,
    )


def _check_key(key: str, setting: str) -> None:
    if not key:
        raise ClientConfigError(f"{setting} is not set: create a key in Timix, under Settings, and set it.")
    if not key.startswith(KEY_PREFIX) or len(key) == len(KEY_PREFIX):
        raise ClientConfigError(f"{setting} is not a Timix key: keys start with {KEY_PREFIX}.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ClientConfigError(f"{setting} has spaces or other characters that are not part of a key: copy it again.")


def _object_of(request: Request, body: Json) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ContractError(f"{request}: expected a JSON object; the API may have changed.")
    return body


def _plan_of(me: Mapping[str, Any]) -> str | None:
    plan = me.get("plan")
    name = plan.get("name") if isinstance(plan, dict) else plan
    return None if name is None else str(name)


def _record_path(resource: str, id: object) -> str:
    name = "" if id is None else str(id)
    # Such a path is that of the whole list, or of something else.
    if name.strip() in ("", ".", ".."):
        raise ValueError(f"{id!r} is not the id of a record")
    return path_of(f"{resource.strip('/')}/{name.replace('/', '%2F')}")


def _latest_of_each(rows: Iterator[Row], key: str) -> list[Row]:
    """Each key once, at its first position, in its latest version; rows without a key are all kept."""
    latest: dict[object, Row] = {}
    for row in rows:
        identity = row.get(key)
        name: object = object() if identity is None else str(identity)
        if name not in latest or _updated_at(row) >= _updated_at(latest[name]):
            latest[name] = row
    return list(latest.values())


def _updated_at(row: Row) -> datetime:
    """The row's `updatedAt`; datetime.min when it cannot be read."""
    try:
        moment = datetime.fromisoformat(row.get("updatedAt") or "")
    except (ValueError, TypeError):
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json_body(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, default=_plain, allow_nan=False, ensure_ascii=False).encode()


def _plain(value: object) -> object:
    """Dates in ISO format; a Decimal as the JSON number of exactly that value."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        number = int(value) if value == value.to_integral_value() else float(value)
        if Decimal(repr(number)) == value:
            return number
        raise ValueError(f"{value} has more digits than a JSON number keeps: round it first")
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
