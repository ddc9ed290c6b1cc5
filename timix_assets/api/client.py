"""The client: asks Timix for one answer, a whole listing, or a CSV, and writes where that is allowed."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from timix_assets.documented import BASE_URL as DEFAULT_BASE_URL
from timix_assets.keys import KEY_PREFIX

from .answers import Json, csv_of, json_of, status_error
from .errors import Closed, ContractError, NotFound, RateLimited, ReadOnly, SettingsError, TimixError, Unauthorized
from .limits import Limits, is_known, plan_sentence, requests_per_minute
from .listing import Envelope, Page, Row, RowKey, envelope_of, key_of_fields, only_page, read_listing
from .pacing import FileBucket, HeldTooLong, MemoryBucket, Pacer
from .redaction import Redactor
from .retries import backoff_seconds, is_worth_repeating, reset_in
from .transport import Answer, Auth, Call, Parameters, Transport, checked_base_url, path_of, query_of

T = TypeVar("T")

_SHORTEST_REQUEST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Stats:
    """What a client has done so far; `after - before` is what happened between.

    requests: all that were sent. retries: those among them that repeat another. rate_limited: answers of 429.
    waited_seconds: time in which requests waited for the rate limit. bytes: received bodies, as they came.
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

    auth: which header carries the key. read_only: refuse `create`, `update` and `delete`.
    pacing_folder: where processes that use the same key share its rate limit; None keeps it to this client.
    notify: told, in one sentence, of waits and of listings read again; any thread may call it.
    me_path, plan_of: where the key's own record is, and how its plan is read from it; a workspace may differ.
    transport: replaces the network, for tests.
    Raises SettingsError for a key or a base URL that cannot be right; every other failure is a TimixError too.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_BASE_URL,
        key: str = "",
        *,
        auth: Auth = "x-api-key",
        limits: Limits = Limits(),  # noqa: B008 - immutable
        read_only: bool = True,
        pacing_folder: Path | None = None,
        notify: Callable[[str], None] | None = None,
        me_path: str = "/me",
        plan_of: Callable[[dict[str, Any]], str | None] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = checked_base_url(base_url)
        _check_key(key)
        if auth not in ("x-api-key", "bearer"):
            raise SettingsError("auth must be “x-api-key” or “bearer”, the two headers that Timix knows.")
        self._limits = limits
        self._read_only = read_only
        self._notify = notify or _silence
        self._redact = Redactor(key)
        self._transport = Transport(self.base_url, key, auth, limits, transport)
        bucket = FileBucket(pacing_folder, self.base_url, key) if pacing_folder else MemoryBucket()
        self._pacer = Pacer(bucket, limits, self._notify)
        self._me_call = Call("GET", path_of(me_path))
        self._plan_of = plan_of or _plan_of
        self._plan: str | None = None
        self._me: dict[str, Any] | None = None
        self._me_stats = Stats()
        self._me_lock = threading.Lock()
        self._me_failure: tuple[TimixError | None, float] = None, 0.0
        self._refused: Unauthorized | None = None
        self._counts = Stats()
        self._counts_lock = threading.Lock()

    def __repr__(self) -> str:
        return f"TimixClient(base_url={self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends every wait at once and gives the connections back; what is asked after that raises Closed."""
        self._pacer.close()
        self._transport.close()

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def stats(self) -> Stats:
        with self._counts_lock:
            counts = self._counts
        return replace(counts, waited_seconds=self._pacer.waited_seconds)

    # Reading

    def me(self) -> dict[str, Any]:
        """Who the key is; asked once. Its plan sets the rate limit, so every other call asks this first.

        When all tries failed, whoever asks within the next `window_seconds` gets that failure, and nothing is sent.
        """
        with self._me_lock:
            self._raise_if_refused()
            if self._me is None:
                before = self.stats
                call = self._me_call
                self._me = self._ask_me()
                # Whoever else would ask waits for this answer, so nothing else is counted meanwhile.
                self._me_stats = self.stats - before
                self._plan = self._plan_of(self._me)
                self._pacer.allow(requests_per_minute(self._plan))
                if not is_known(self._plan):
                    self._notify(f"{call}: {plan_sentence(self._plan)}.")
            return self._me

    def _ask_me(self) -> dict[str, Any]:
        """Without /me nothing can be read, so that a table after another would wait for the same failure."""
        call, (failure, stands_until) = self._me_call, self._me_failure
        if failure is not None and time.monotonic() < stands_until:
            raise failure.with_traceback(None)
        try:
            return self._ask(call, lambda answer: _object_of(call, json_of(call, answer)))
        except Closed:
            raise
        except TimixError as error:
            self._me_failure = error, time.monotonic() + self._limits.window_seconds
            raise

    @property
    def plan(self) -> str | None:
        """The organization's plan, once `me` was asked; None when it names none."""
        return self._plan

    @property
    def requests_per_minute(self) -> int:
        """How many requests a minute this client makes at most, by the plan."""
        return requests_per_minute(self._plan)

    @property
    def me_path(self) -> str:
        return self._me_call.path

    @property
    def me_stats(self) -> Stats:
        """What it took to ask `me`: no table's own cost, for every call needs it."""
        return self._me_stats

    def get(self, path: str, params: Parameters | None = None) -> Json:
        """The JSON of one answer, whole. Fractions are Decimal, exact; a lone surrogate stays in its text."""
        call = Call("GET", path_of(path), query_of(params or {}))
        if call == self._me_call:
            return self.me()
        self.me()
        return self._ask(call, lambda answer: json_of(call, answer))

    def envelope(self, path: str, params: Parameters | None = None, *, object_is_row: bool = False) -> Envelope:
        """One answer alone, read as a page of a listing: its rows, and what the server says of those it has in all.

        object_is_row: a bare object is a listing of that one row.
        """
        call = Call("GET", path_of(path), query_of(params or {}))
        if call == self._me_call:
            return envelope_of(call, self.me(), {}, object_is_row=object_is_row)
        self.me()
        return self._envelope(call, object_is_row=object_is_row)

    def _envelope(self, call: Call, *, object_is_row: bool) -> Envelope:
        return self._ask(
            call,
            lambda answer: envelope_of(call, json_of(call, answer), answer.headers, object_is_row=object_is_row),
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
        """Every page of a listing, as it arrives, in any order; see `listing.py`.

        **When a page's `reading` is higher than before, discard everything of the lower readings.** The last reading is
        complete, but a key may be in it twice. key: the fields that identify a row, or a function that gives a row's key
        as text (None where it has none). names: our name of a parameter (`page` and `pageSize` too) to the name that is
        sent. object_is_row: a bare object is a listing of that one row. paged: False asks once, without `page` and
        `pageSize`; an answer that says there is more is a ContractError then.
        """
        self.me()
        names = names or {}
        key_of = key if callable(key) else key_of_fields(key)

        def ask(paging: Parameters, number: int | None) -> Envelope:
            sent = {names.get(name, name): value for name, value in {**(params or {}), **paging}.items()}
            return self._envelope(Call("GET", path_of(path), query_of(sent), page=number), object_is_row=object_is_row)

        def fetch(number: int, size: int) -> Envelope:
            return ask({"pageSize": size, "page": number}, number)

        listing = Call("GET", path_of(path))
        if not paged:
            yield only_page(listing, ask({}, None))
            return
        yield from read_listing(listing, fetch, key_of, self._limits, self._notify)

    def list(self, path: str, params: Parameters | None = None, *, key: str = "id") -> list[Row]:
        """All rows of a listing, in memory, by page; of two with the same key, the one with the later `updatedAt`."""
        reading, pages = 0, dict[int, list[Row]]()
        for page in self.pages(path, params, key=(key,)):
            if page.reading > reading:
                reading, pages = page.reading, {}
            pages[page.number] = page.items
        return _latest_of_each((row for number in sorted(pages) for row in pages[number]), key)

    def csv(self, path: str, params: Parameters | None = None) -> bytes:
        """An official CSV export, byte for byte; only the API key itself would be masked in it."""
        self.me()
        call = Call("GET", path_of(path), query_of(params or {}), accept="text/csv")
        return self._ask(call, lambda answer: csv_of(call, answer))

    # Writing

    def create(self, resource: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Creates a record and gives it back as the server stored it. Repeated only when it surely did not arrive."""
        return self._write(Call("POST", path_of(resource), body=_json_body(record)))

    def update(self, resource: str, id: object, record: Mapping[str, Any]) -> dict[str, Any]:
        """Replaces the record of that id."""
        return self._write(Call("PUT", _record_path(resource, id), body=_json_body(record)))

    def delete(self, resource: str, id: object) -> None:
        """Deletes the record of that id; Timix keeps it in its recycle bin for 30 days."""
        self._write(Call("DELETE", _record_path(resource, id)))

    def _write(self, call: Call) -> dict[str, Any]:
        if self._read_only:
            raise ReadOnly(
                f"{call}: this client may only read; make it with read_only=False to change the live organization."
            )
        self.me()
        return self._ask(call, lambda answer: _object_of(call, json_of(call, answer)) if answer.body.strip() else {})

    # One answer, with its retries

    def _ask(self, call: Call, read: Callable[[Answer], T]) -> T:
        """Asks until there is an answer that `read` can read, within the limits; what `read` raises may be retried."""
        failures, repeats, spent = 0, 0, 0.0
        while True:
            deadline = min(self._limits.request_deadline_seconds, self._limits.retry_budget_seconds - spent)
            started = time.monotonic()
            try:
                with self._pacer.turn():
                    self._raise_if_refused()
                    started = time.monotonic()
                    answer = self._send(call, max(deadline, _SHORTEST_REQUEST_SECONDS), is_repeat=repeats > 0)
                return read(answer)
            except HeldTooLong as held:
                said = f"{call}: not asked, for the server answered 429 before"
                raise _over_budget(said, held.seconds, held.left) from None
            except RateLimited as error:
                self._hold_back(call, error)
            except Unauthorized as error:
                self._refused = self._refused or error
                raise
            except TimixError as error:
                if call.method == "DELETE" and failures and isinstance(error, NotFound):
                    return read(Answer(204, {}, b""))
                failures += 1
                pause = backoff_seconds(failures, self._limits, random.random())
                spent += time.monotonic() - started + pause
                if (
                    not is_worth_repeating(error, call.method)
                    or failures >= self._limits.attempts
                    or spent >= self._limits.retry_budget_seconds
                ):
                    error.tried(failures)
                    raise
                self._pacer.pause(pause)
            repeats += 1

    def _send(self, call: Call, seconds: float, *, is_repeat: bool) -> Answer:
        self._count(Stats(requests=1, retries=int(is_repeat)))
        answer = self._transport.exchange(call, seconds)
        self._count(Stats(bytes=answer.received_bytes, rate_limited=int(answer.status == 429)))
        if answer.status >= 400:
            raise status_error(call, answer, self._limits, self._redact, datetime.now(UTC))
        return answer

    def _hold_back(self, call: Call, error: RateLimited) -> None:
        left = self._pacer.budget_left_seconds
        if not self._pacer.hold_back(error.retry_after):
            said = f"{call}: the server answered 429"
            raise _over_budget(said, error.retry_after, left, error.code, error.server_message)

    def _raise_if_refused(self) -> None:
        """After a 401 nothing more is asked: the first refusal says why."""
        if self._refused is not None:
            raise self._refused.with_traceback(None)

    def _count(self, more: Stats) -> None:
        with self._counts_lock:
            self._counts += more


def _over_budget(said: str, seconds: float, left: float, code: str = "", server_message: str = "") -> RateLimited:
    return RateLimited(
        f"{said}, and the limit resets {reset_in(seconds)}, longer than the {left:,.0f} s that this run may still wait; "
        "run it again then.",
        code=code,
        server_message=server_message,
        retry_after=seconds,
    )


def _silence(_: str) -> None:
    """For who wants no notices."""


def _check_key(key: str) -> None:
    if not key:
        raise SettingsError(
            "TIMIX_API_KEY is not set: make a key in Timix, under Settings, and put it into the environment."
        )
    if not key.startswith(KEY_PREFIX) or len(key) == len(KEY_PREFIX):
        raise SettingsError(f"TIMIX_API_KEY is not a Timix key: such a key starts with {KEY_PREFIX}.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError("TIMIX_API_KEY holds blanks or other characters that no key has: copy it again.")


def _object_of(call: Call, body: Json) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ContractError(f"{call}: the answer is no JSON object where one was due; the API has changed.")
    return body


def _plan_of(me: Mapping[str, Any]) -> str | None:
    plan = me.get("plan")
    name = plan.get("name") if isinstance(plan, dict) else plan
    return None if name is None else str(name)


def _record_path(resource: str, id: object) -> str:
    return path_of(f"{resource.strip('/')}/{str(id).replace('/', '%2F')}")


def _latest_of_each(rows: Iterator[Row], key: str) -> list[Row]:
    """Each key once, where it first came, with the latest version; rows without a key are all kept."""
    latest: dict[object, Row] = {}
    for row in rows:
        identity = row.get(key)
        name: object = object() if identity is None else str(identity)
        if name not in latest or _updated_at(row) >= _updated_at(latest[name]):
            latest[name] = row
    return list(latest.values())


def _updated_at(row: Row) -> datetime:
    """The row's `updatedAt`; the beginning of time when it has none that can be read."""
    try:
        moment = datetime.fromisoformat(row.get("updatedAt") or "")
    except (ValueError, TypeError):
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json_body(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, default=_plain, allow_nan=False, ensure_ascii=False).encode()


def _plain(value: object) -> object:
    """Dates in ISO form; a Decimal as the JSON number of exactly that value."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        number = int(value) if value == value.to_integral_value() else float(value)
        if Decimal(repr(number)) == value:
            return number
        raise ValueError(f"{value} has more digits than a JSON number keeps: round it first")
    raise TypeError(f"{type(value).__name__} has no JSON form")
