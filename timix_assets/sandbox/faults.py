"""Faults that a sandbox can be switched to, one by one: what a real API, its network or its changes might do to a reader.

    sandbox.faults.add(Fault("server_error", path="/time-reports", page=2, times=1))

A kind says *when* in the life of a request it acts. The kinds themselves are in `fault_answers`, `fault_pages`,
`fault_records` and `fault_delivery`. `GET /_sandbox/faults` lists every kind with its meaning.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import Enum
from fnmatch import fnmatchcase
from threading import RLock
from typing import Any, TypeVar


class Stage(Enum):
    """When a kind acts, in order."""

    REQUEST = "changes how the request is understood"
    INSTEAD = "answers in the endpoint's place"
    LISTING = "changes the listing before it is cut into pages"
    CUT = "changes where the page is cut"
    RECORD = "changes the records of the page"
    PAGE = "changes the envelope around the records"
    ANSWER = "changes the finished answer"
    DELIVERY = "changes how the answer travels"
    AFTERWARDS = "changes the data once the page is sent"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, where it strikes, and the settings of its kind (each kind's description says which it reads).

    path: below the base URL with a leading slash, `*` and `?` as wildcards; None is every path. Here it may be any; over HTTP
    one that nobody can ask for is refused. method: in capitals; None is every method. page: only requests for that page; one
    that names none is for page 1. nth: only the nth such request, from 1. after: only those behind the first so many of
    them. times: at most so often; None is for ever.
    """

    kind: str
    path: str | None = None
    method: str | None = None
    page: int | None = None
    nth: int | None = None
    after: int | None = None
    times: int | None = None
    field: str | None = None
    value: str | None = None
    old: str | None = None
    new: str | None = None
    to: str | None = None
    status: int | None = None
    retry_after: str | None = None
    seconds: float | None = None
    count: int | None = None
    size: int | None = None
    amount: str | None = None
    share: float | None = None
    skew: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"There is no fault {self.kind!r}; known are {', '.join(sorted(KINDS))}.")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Fault":
        """A fault from a JSON object; raises ValueError naming a setting that does not exist."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(settings) - known):
            raise ValueError(f"A fault has no setting {unknown[0]!r}; known are {', '.join(sorted(known))}.")
        if "kind" not in settings:
            raise ValueError("A fault needs a kind; GET /_sandbox/faults lists them.")
        return cls(**settings)

    def set_up(self, **defaults: Any) -> "Fault":
        """This fault with defaults in the place of settings that were not given."""
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})

    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    stage: Stage
    act: Callable[..., Any]

    @property
    def meaning(self) -> str:
        return " ".join((self.act.__doc__ or "").split())


KINDS: dict[str, Kind] = {}
Act = TypeVar("Act", bound=Callable[..., Any])


def kind(stage: Stage) -> Callable[[Act], Act]:
    """Declare a function as the kind of its own name, acting at that stage."""

    def declare(act: Act) -> Act:
        KINDS[act.__name__] = Kind(act.__name__, stage, act)
        return act

    return declare


@dataclass
class _Armed:
    fault: Fault
    met: int = 0
    struck: int = 0

    def strikes(self, method: str, path: str, page: int) -> bool:
        """Whether the fault strikes this request; counts it."""
        fault = self.fault
        if fault.method not in (None, method) or fault.page not in (None, page):
            return False
        paths = (fault.path,) if fault.kind != "moved" else (fault.path, fault.to)
        if fault.path is not None and not any(fnmatchcase(path, p or "") for p in paths):
            return False
        self.met += 1
        if fault.nth not in (None, self.met) or self.met <= (fault.after or 0):
            return False
        if fault.times is not None and self.struck >= fault.times:
            return False
        self.struck += 1
        return True


@dataclass
class Faults:
    """The switch: which faults are on. Safe to use from any thread."""

    _armed: list[_Armed] = field(default_factory=list)
    _lock: Any = field(default_factory=RLock, repr=False)

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._armed.extend(map(_Armed, faults))

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def __iter__(self) -> Any:
        with self._lock:
            return iter([armed.fault for armed in self._armed])

    def struck(self, kind_name: str) -> int:
        """How often faults of a kind struck so far."""
        with self._lock:
            return sum(armed.struck for armed in self._armed if armed.fault.kind == kind_name)

    def meet(self, method: str, path: str, page: int) -> "Struck":
        """The faults that strike a request."""
        with self._lock:
            return Struck(tuple(a.fault for a in self._armed if a.strikes(method, path, page)))


@dataclass(frozen=True, slots=True)
class Struck:
    """The faults that strike one request, asked stage by stage."""

    faults: tuple[Fault, ...] = ()

    def at(self, stage: Stage) -> list[tuple[Fault, Callable[..., Any]]]:
        return [(fault, KINDS[fault.kind].act) for fault in self.faults if KINDS[fault.kind].stage is stage]

    def bend(self, stage: Stage, thing: Any) -> Any:
        """Whatever the stage is about, after every fault of that stage changed it in turn."""
        for fault, act in self.at(stage):
            thing = act(fault, thing)
        return thing

    def touches_rows(self) -> bool:
        return any(KINDS[f.kind].stage in (Stage.LISTING, Stage.RECORD) for f in self.faults)
