"""The faults that a sandbox can simulate: what a real API, its network or its changes might do to a client.

    sandbox.faults.add(Fault("server_error", path="/time-reports", page=2, times=1))

A kind declares at which stage of a request it acts. The kinds themselves are in `fault_answers`, `fault_pages`,
`fault_records` and `fault_delivery`. `GET /_sandbox/faults` lists every kind with its meaning.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from threading import RLock
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from timix_assets.text.wording import excerpt

MAX_TEXT_LENGTH = 1_000
IN_HEADERS = ("to", "retry_after")
MAX_NUMBER = 1_000_000_000
"""Of a fault's numbers: bytes, rows, seconds."""


class Stage(Enum):
    """When a kind acts, in order."""

    REQUEST = "changes how the request is parsed"
    RESPONSE = "responds instead of the endpoint"
    LISTING = "changes the listing before it is cut into pages"
    SLICE = "changes which rows the page holds"
    RECORD = "changes the records of the page"
    PAGE = "changes the envelope around the records"
    FINISHED = "changes the finished response"
    DELIVERY = "changes how the response is sent"
    AFTER_RESPONSE = "changes the data after the response was sent"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: when it applies, and the settings of its kind (each kind's description names those that it reads).

    Attributes:
        path: Below the base URL with a leading slash, `*` and `?` as wildcards; None is every path. Over HTTP a path that the
            sandbox does not serve is rejected.
        method: In capitals; None is every method.
        page: Only requests for that page; a request that names none is for page 1.
        nth: Only the nth matching request, from 1.
        after: Skip the first N matching requests.
        times: Maximum number of times; None is unlimited.
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
            raise ValueError(f"There is no fault {quoted_input(self.kind)}; use one of {', '.join(sorted(KINDS))}.")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Fault":
        """A fault from a JSON object. ValueError or TypeError names an unknown or invalid setting."""
        types = get_type_hints(cls)
        if unknown := sorted(set(settings) - set(types)):
            raise ValueError(
                f"A fault has no setting {quoted_input(unknown[0])}; use one of {', '.join(sorted(types))}."
            )
        if "kind" not in settings:
            raise ValueError("A fault needs a kind; GET /_sandbox/faults lists them.")
        for name, value in settings.items():
            _check(name, value, get_args(types[name]) or (types[name],))
        return cls(**settings)

    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def _check(name: str, value: Any, types: tuple[type, ...]) -> None:
    """ValueError when a setting's value cannot be what it is for."""
    if value is None and NoneType in types:
        return
    if str in types:
        if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH or not _can_be_sent(name, value):
            raise ValueError(f"{name} must be text of at most {MAX_TEXT_LENGTH} characters that can be sent.")
        return
    number = "a number" if float in types else "a whole number"
    if isinstance(value, bool) or not isinstance(value, int | float if float in types else int):
        raise TypeError(f"{name} must be {number}.")
    if not abs(value) <= MAX_NUMBER:
        raise ValueError(f"{name} must be {number} of at most {MAX_NUMBER}.")
    if name == "status" and not 200 <= value <= 599:
        raise ValueError("status must be from 200 to 599.")


def _can_be_sent(name: str, text: str) -> bool:
    """Some faults need odd text, but a lone surrogate cannot be encoded, and a header is a single line."""
    if name in IN_HEADERS:
        return text.isascii() and text.isprintable()
    return not any("\ud800" <= character <= "\udfff" for character in text)


def quoted_input(text: object) -> str:
    """Text of a request as a response repeats it: quoted and shortened."""
    return excerpt(ascii(text))


@dataclass(frozen=True, slots=True)
class Kind:
    stage: Stage
    meaning: str
    act: Callable[..., Any]


KINDS: dict[str, Kind] = {}
FaultFunction = TypeVar("FaultFunction", bound=Callable[..., Any])


def declare(name: str, stage: Stage, meaning: str, act: Callable[..., Any]) -> None:
    """Declare a kind."""
    KINDS[name] = Kind(stage, meaning, act)


def kind(stage: Stage) -> Callable[[FaultFunction], FaultFunction]:
    """Declare a function as the kind of its own name, acting at that stage; its docstring is the meaning."""

    def declared(act: FaultFunction) -> FaultFunction:
        declare(act.__name__, stage, " ".join((act.__doc__ or "").split()), act)
        return act

    return declared


@dataclass
class _ActiveFault:
    fault: Fault
    met: int = 0
    struck: int = 0

    def matches(self, method: str, path: str, page: int) -> bool:
        """Whether the fault applies to this request; counts the request."""
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
    """The active faults. Thread-safe."""

    _active: list[_ActiveFault] = field(default_factory=list)
    _lock: Any = field(default_factory=RLock, repr=False)

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._active.extend(map(_ActiveFault, faults))

    def clear(self) -> None:
        with self._lock:
            self._active.clear()

    def __iter__(self) -> Any:
        with self._lock:
            return iter([active.fault for active in self._active])

    def struck(self, kind_name: str) -> int:
        """How often faults of a kind have been applied."""
        with self._lock:
            return sum(active.struck for active in self._active if active.fault.kind == kind_name)

    def matching(self, method: str, path: str, page: int) -> "ActiveFaults":
        """The faults that apply to a request."""
        with self._lock:
            return ActiveFaults(tuple(a.fault for a in self._active if a.matches(method, path, page)))


@dataclass(frozen=True, slots=True)
class ActiveFaults:
    """The faults that apply to one request, by stage."""

    faults: tuple[Fault, ...] = ()

    def at(self, stage: Stage) -> list[tuple[Fault, Callable[..., Any]]]:
        return [(fault, KINDS[fault.kind].act) for fault in self.faults if KINDS[fault.kind].stage is stage]

    def apply(self, stage: Stage, thing: Any) -> Any:
        """The object of the stage, after each fault of that stage has changed it."""
        for fault, act in self.at(stage):
            thing = act(fault, thing)
        return thing

    def changes_rows(self) -> bool:
        return any(KINDS[f.kind].stage in (Stage.LISTING, Stage.RECORD) for f in self.faults)
