"""The lease of a lake in an object store: machines without a common folder take turns by one object in the lake itself.

The holder renews the object by conditional puts. Whoever waits takes it over when its tag stood still for its lifetime by the
waiter's own clock, so that the clocks of two machines are never compared. The object also tells the next holder which requests
of the holders before still count for the rate limit of a key; how long ago it was written, the store's clock says alone.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Self, TypeVar
from uuid import uuid4

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import ObjectStore

from timix_assets.errors import TimixAssetsError
from timix_assets.text.printable import printable

from .conditional_puts import unfit, version_of
from .errors import LakeError, LakeLockTimeout, LeaseLost
from .storage import describe_storage_error, is_folder, open_store

if TYPE_CHECKING:
    from obstore import UpdateVersion

OBJECT = "_timix_lease.json"
NO_VERSION: "UpdateVersion" = {"e_tag": '"timix"', "version": "1"}
"""A condition that no object meets: a store that accepts a put with it ignores conditions."""
UNKNOWN_FOR_SECONDS = 600.0
"""After that no request of a holder counts any more that was lost without saying how many it made."""
RUNS_FOLLOWED = 5
"""So many runs that fell silent the lease names: the sensor of their own instance looks at it every 30 s."""

LIFETIME_SECONDS = 30.0
RENEWALS_PER_LIFETIME = 3
REQUESTS_PER_LIFETIME = 6
"""So many without an answer fit into it: a renewal and its repetition leave time for the next try."""
MAX_TIMEOUT_SECONDS = 30.0
"""Of such a request."""
TRIES_PER_LIFETIME = 10
"""To take the lease, and to renew it after a renewal failed."""
MAX_PAUSE_SECONDS = 2.0
"""Between two of these tries."""

STEPS_IN_PARALLEL = (
    "Another process executes steps of this run, and holds the lock of the lake until the run ends, so this step would wait "
    "for it in vain. Set the executor of the job to in_process_executor: runs take turns here, and their steps share a process."
)

_log = logging.getLogger(__name__)

T = TypeVar("T")


def now() -> float:
    """Seconds of a clock that goes on while the machine sleeps, where it has one: others may take over meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease, as the object says.

    Args:
        who: What it does, such as `refresh_recent (run 1a2b3c4d)`; empty once it was released.
        run_id: Its run.
        machine: The name of its machine.
        since: When it took the lease, by its clock.
        lifetime_seconds: How long the object may stand still before others take it over.
        write: Another value in each write: whether an answer got lost can be seen by it.
        counted_by: The state folder whose own count has all requests of the holders so far; empty if none has.
        requests: For how many seconds each request still counts, once it was released; None if nobody knows.
        followed: The last runs that fell silent, so that others took over, and that may be of other Dagster instances.
    """

    who: str
    run_id: str
    machine: str
    since: str
    lifetime_seconds: float
    write: str
    counted_by: str = ""
    requests: Sequence[float] | None = None
    followed: tuple[str, ...] = ()

    @classmethod
    def of(cls, who: str, run_id: str, lifetime_seconds: float) -> Self:
        """This process, from now on."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(who, run_id, socket.gethostname(), since, lifetime_seconds, "")

    def __str__(self) -> str:
        return printable(f"{self.who} on {self.machine} since {self.since}")

    @property
    def is_released(self) -> bool:
        return not self.who

    def followed_by(self, run_id: str) -> tuple[str, ...]:
        """The runs that fell silent, for a run that follows this holder."""
        runs = self.followed if self.is_released else (*self.followed, self.run_id)
        return tuple(run for run in runs if run not in {"", run_id})[-RUNS_FOLLOWED:]


@dataclass(frozen=True, slots=True)
class Observation:
    """The object as it was read.

    Args:
        version: The condition of a put that replaces this object and no later one.
        written: When it was written, by the store's clock.
        at: When `observe` first saw it, by this machine's `now`.
    """

    holder: Holder
    version: "UpdateVersion"
    written: datetime
    at: float = 0.0

    def lapses_at(self) -> float:
        """When it may be taken over unless it is written again."""
        return self.at if self.holder.is_released else self.at + self.holder.lifetime_seconds


@dataclass(frozen=True, slots=True)
class Left:
    """What the holder before left to this one.

    Args:
        counted_by, requests: As of `Holder`.
        at: When it ended by this machine's `now`, or later.
    """

    counted_by: str = ""
    requests: Sequence[float] | None = ()
    at: float = 0.0


class Lease:
    """The lease of one lake, for one process.

    Args:
        store: The lake's object store.
        lake: How messages name it.
        lifetime_seconds: How long it outlives a holder that renews it no more.
        clock: Returns seconds, as `now`.
    """

    def __init__(
        self,
        store: ObjectStore,
        lake: str,
        *,
        lifetime_seconds: float = LIFETIME_SECONDS,
        clock: Callable[[], float] = now,
    ) -> None:
        self._store = store
        self._lake = lake
        self._lifetime = lifetime_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._holder: Holder | None = None
        self._version: UpdateVersion | None = None
        self._valid_until = 0.0
        self._lost = ""
        self._process = 0
        self._write = ""
        """Of a put that got no answer, and may have been done."""
        self._counting: Callable[[], Sequence[float]] | None = None
        self.left = Left()

    @property
    def is_ours(self) -> bool:
        """Whether this process took the lease and has not released it; `require` says whether it is still valid."""
        return self._holder is not None and self._process == os.getpid()

    def acquire(
        self, who: str, run_id: str, *, timeout_seconds: float, notify: Callable[[str], None], folder: str = ""
    ) -> Holder | None:
        """Takes the lease, and renews it from a thread until `release` or the end of the process.

        Args:
            who: How others name this process while they wait.
            run_id: The run that it executes.
            timeout_seconds: How long to wait for another holder.
            notify: Called with a message for each holder that this process waits for.
            folder: The id of its state folder.

        Returns:
            The holder that stopped renewing, if the lease was taken over from one.

        Raises:
            LakeLockTimeout: Another process still holds it.
            StoreUnfit: The store ignores conditions, so that two could hold it.
            LakeError: The store cannot be reached, or another process executes steps of the same run.
        """
        ours = Holder.of(who, run_id, self._lifetime)
        if self._holder and self.is_ours and not self._lost:
            # For its next run; the next renewal says so.
            self._holder = replace(self._holder, who=who, run_id=run_id, since=ours.since)
            return None
        give_up_at = self._clock() + timeout_seconds
        seen: Observation | None = None
        notified = ""
        while True:
            try:
                before, seen = seen, observe(self._store, seen, self._clock)
                if before and seen and seen is not before and before.holder.run_id == seen.holder.run_id == run_id:
                    raise LakeError(STEPS_IN_PARALLEL)
                asked_at = self._clock()
                is_free = seen is None or asked_at >= seen.lapses_at()
                if is_free and self._take(ours, seen, asked_at, folder):
                    return seen.holder if seen and not seen.holder.is_released else None
            except NotImplementedError as refused:
                raise unfit(self._lake, "does not accept conditional puts") from refused
            except BaseError as error:
                raise LakeError(
                    f"Cannot read or write the lease of the lake {self._lake} ({describe_storage_error(error)}). Check that "
                    "the store can be reached and that its credentials may write there, then run it again."
                ) from error
            if self._clock() >= give_up_at:
                raise self._timed_out(timeout_seconds, None if is_free else seen)
            if seen and not is_free and str(seen.holder) != notified:
                notified = str(seen.holder)
                notify(f"Waiting for the lease of the lake {self._lake}, held by {notified}.")
            time.sleep(_between_tries(seen.holder.lifetime_seconds if seen else self._lifetime))

    def _take(self, ours: Holder, seen: Observation | None, asked_at: float, folder: str) -> bool:
        """Takes the free lease; False if another process was faster. seen: the object to replace. asked_at: before the put."""
        # Others do not know yet what this run requests; a count that has all before it needs no more.
        ours = replace(
            ours,
            counted_by=folder if seen is None or seen.holder.counted_by == folder else "",
            followed=seen.holder.followed_by(ours.run_id) if seen else (),
        )
        version = self._put(ours, seen.version if seen else None)
        if version is None:
            return False
        self._refuse_store_without_conditions(ours)
        self._begin(ours, version, asked_at)
        self._counting, self.left = None, self._left_by(seen)
        return True

    def _timed_out(self, after: float, held: Observation | None) -> LakeLockTimeout:
        """held: None if it was free, and each put of ours was refused."""
        waiting = f"Timed out after {after:g} s waiting for the lease of the lake {self._lake}"
        if held is not None:
            return LakeLockTimeout(f"{waiting}, held by {held.holder}. Run it again when that has ended, or end it.")
        return LakeLockTimeout(
            f"{waiting}: it was free, but the store refused each write of it, as it does when others are faster. Run it again; "
            "if no other run waits, something between this machine and the store changes its tags (ETag): reach the store "
            "without that."
        )

    def require(self) -> None:
        """Makes sure that nobody else can hold the lease; call it before each write.

        Raises:
            LeaseLost: It was taken over, or could not be renewed in time.
        """
        if self._clock() < self._valid_until and self.is_ours and not self._lost:
            return
        why = self._lost or f"it could not be renewed for {self._lifetime:g} s"
        raise LeaseLost(
            f"Lost the lease of the lake {self._lake}: {why}. Nothing more was written, and every table is at its last committed "
            "version; run it again."
        )

    def count_requests(self, counted_by: str, counting: Callable[[], Sequence[float]]) -> None:
        """Says who counts the requests from now on, those that the holder before left among them.

        Args:
            counted_by: The state folder that has the count.
            counting: For how many seconds each request still counts; asked when the lease is released.
        """
        self._counting = counting
        if self._holder is not None:
            # The next renewal says so.
            self._holder = replace(self._holder, counted_by=counted_by)

    def release(self) -> None:
        """Lets the next one take the lease at once. Does nothing if this process does not hold it."""
        with self._lock:
            holder, self._holder = self._holder, None
            self._ended.set()
            self._valid_until = 0.0
            if holder is None or self._process != os.getpid() or self._lost:
                return
            try:
                self._put(self._released(holder), self._version)
            except BaseError as error:
                # It lapses by itself.
                _log.warning("The lease of the lake was not released (%s).", describe_storage_error(error))

    def release_silent(self, seen: Observation, end: Callable[[Holder], T]) -> T | None:
        """Takes the lease from a holder that let it lapse, calls `end` with that holder, and releases it.

        Returns:
            What `end` returned; None if the holder, or whoever took over from it, wrote the object meanwhile.
        """
        # The same words, written again: the holder's next renewal fails, and who follows a kill in `end` finds it named.
        version = self._put(seen.holder, seen.version)
        if version is None:
            return None
        result = end(seen.holder)
        self._put(replace(seen.holder, who=""), version)
        return result

    def _released(self, holder: Holder) -> Holder:
        """With the requests for the next holder. A run that made none leaves on what was left to it."""
        if self._counting is not None:
            try:
                return replace(holder, who="", requests=self._counting())
            except TimixAssetsError as error:
                _log.warning("The requests of the last minute could not be counted (%s).", error)
                return replace(holder, who="", requests=None)
        left, age = self.left, self._clock() - self.left.at
        unknown = left.requests is None and age < UNKNOWN_FOR_SECONDS
        requests = None if unknown else [each - age for each in left.requests or () if each > age]
        return replace(holder, who="", counted_by=left.counted_by, requests=requests)

    def _left_by(self, seen: Observation | None) -> Left:
        """What the holder before left."""
        if seen is None:
            return Left()
        try:
            now_there = self._store.head(OBJECT)["last_modified"]
        except (BaseError, OSError):
            return Left(requests=None, at=self._clock())
        # The store's clock counts in whole seconds.
        ended_for = (now_there - seen.written).total_seconds() - 1
        if not seen.holder.is_released:
            ended_for -= seen.holder.lifetime_seconds
        return Left(seen.holder.counted_by, seen.holder.requests, self._clock() - max(0.0, ended_for))

    def _begin(self, ours: Holder, version: "UpdateVersion", asked_at: float) -> None:
        self._holder, self._version, self._lost = ours, version, ""
        self._valid_until, self._process = asked_at + self._lifetime, os.getpid()
        self._ended = threading.Event()
        threading.Thread(target=self._renew, args=(self._ended,), name="timix-lease", daemon=True).start()

    def _renew(self, ended: threading.Event) -> None:
        pause = between_renewals = self._lifetime / RENEWALS_PER_LIFETIME
        while not ended.wait(pause):
            with self._lock:
                if ended.is_set() or self._holder is None:
                    return
                asked_at = self._clock()
                if asked_at >= self._valid_until:
                    self._lost = f"it could not be renewed for {self._lifetime:g} s"
                    return
                try:
                    version = self._put(self._holder, self._version)
                except BaseError as error:
                    _log.warning(
                        "The lease of the lake was not renewed (%s); trying again.", describe_storage_error(error)
                    )
                    pause = _between_tries(self._lifetime)
                    continue
                if version is None:
                    self._lost = "another process took it over"
                    return
                self._version, self._valid_until = version, asked_at + self._lifetime
                pause = between_renewals

    def _refuse_store_without_conditions(self, ours: Holder) -> None:
        if self._put(ours, NO_VERSION):
            raise unfit(self._lake, "ignores the condition of a put (If-Match)")

    def _put(self, holder: Holder, version: "UpdateVersion | None") -> "UpdateVersion | None":
        """Writes the object if it is still this version of it (None: if there is no object).

        Returns:
            The new version; None if somebody else was faster.
        """
        self._write = self._write or uuid4().hex
        written = replace(holder, write=self._write)
        try:
            put = self._put_once(written, version)
        except BaseError:
            # The store's client repeats no conditional put that got no answer.
            put = self._put_once(written, version)
        self._write = ""
        return put

    def _put_once(self, written: Holder, version: "UpdateVersion | None") -> "UpdateVersion | None":
        try:
            result = self._store.put(OBJECT, json.dumps(asdict(written)).encode(), mode=version or "create")
        except (AlreadyExistsError, PreconditionError):
            found = read_lease(self._store)
            if found is None or found.holder.write != written.write:
                return None
            # Our own put, of now or of the last renewal, whose answer got lost.
            return found.version if found.holder == written else self._put_once(written, found.version)
        return version_of(result)


def _between_tries(lifetime_seconds: float) -> float:
    return min(MAX_PAUSE_SECONDS, lifetime_seconds / TRIES_PER_LIFETIME)


def read_lease(store: ObjectStore, before: Observation | None = None) -> Observation | None:
    """Reads the object; None if there is none. before: what was seen last, returned if nobody wrote since."""
    try:
        answer = store.get(OBJECT)
    except FileNotFoundError:
        return None
    version = version_of(answer.meta)
    if before is not None and before.version == version:
        return before
    return Observation(holder_in(bytes(answer.bytes())), version, answer.meta["last_modified"])


def observe(store: ObjectStore, before: Observation | None, clock: Callable[[], float]) -> Observation | None:
    """Reads it for those who may take over: a new version counts from the answer on, as it can be younger than the request."""
    seen = read_lease(store, before)
    return seen if seen is None or seen is before else replace(seen, at=clock())


def holder_in(text: bytes) -> Holder:
    """The holder that the object names. What it lacks is unknown; it lapses after the default lifetime then."""
    try:
        words = json.loads(text)
    except ValueError:
        words = None
    if not isinstance(words, dict):
        words = {}
    lifetime = words.get("lifetime_seconds")
    return Holder(
        who=str(words.get("who", "an unknown process")),
        run_id=str(words.get("run_id", "")),
        machine=str(words.get("machine", "an unknown machine")),
        since=str(words.get("since", "an unknown time")),
        lifetime_seconds=float(lifetime) if isinstance(lifetime, int | float) and lifetime > 0 else LIFETIME_SECONDS,
        write=str(words.get("write", "")),
        counted_by=str(words.get("counted_by", "")),
        requests=_requests_in(words.get("requests")),
        followed=_runs_in(words.get("followed")),
    )


def _runs_in(listed: object) -> tuple[str, ...]:
    return tuple(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else ()


def _requests_in(listed: object) -> Sequence[float] | None:
    if not isinstance(listed, list) or not all(isinstance(each, int | float) and 0 <= each < inf for each in listed):
        return None
    return listed


_OF_THIS_PROCESS: dict[str, Lease] = {}


def lease_of(url: str, options: Mapping[str, str], lifetime_seconds: float) -> Lease | None:
    """This process's lease of a lake; None for a folder, whose lock is `LakeLock`."""
    if is_folder(url):
        return None
    known = _OF_THIS_PROCESS.get(url)
    if known is None or not known.is_ours:
        timeout = min(MAX_TIMEOUT_SECONDS, lifetime_seconds / REQUESTS_PER_LIFETIME)
        in_time = {"timeout": f"{timeout:.3f}s", "max_retries": "1"}
        known = Lease(open_store(url, {**options, **in_time}), url, lifetime_seconds=lifetime_seconds)
        _OF_THIS_PROCESS[url] = known
    return known
