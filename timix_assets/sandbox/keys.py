"""API keys of the sandbox, what their roles may do, and how many requests a minute each may make."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import ceil
from secrets import token_hex

from timix_assets.vendor import ROLES_WITHOUT_COST

from .serialization import Visibility

VISIBILITY_OF_ROLE = dict.fromkeys(ROLES_WITHOUT_COST, Visibility.NO_COST) | {"Viewer": Visibility.NO_COST_NO_CONTACTS}


@dataclass(frozen=True, slots=True)
class Key:
    """What the sandbox knows of a key; of its text only a hash, like the vendor. organization None: the firm's own."""

    digest: str = field(repr=False)
    name: str
    role: str
    expires_at: datetime | None
    revoked: bool = False
    organization: str | None = None

    @property
    def visibility(self) -> Visibility:
        return VISIBILITY_OF_ROLE.get(self.role, Visibility.EVERYTHING)

    def may_write(self, endpoint: str) -> bool:
        return self.role not in VISIBILITY_OF_ROLE or (self.role == "Member" and endpoint == "time_reports")


def digest_of(secret: str) -> str:
    return sha256(secret.encode("utf-8", "replace")).hexdigest()


class KeyRing:
    """The keys that were handed out."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._keys: dict[str, Key] = {}

    def issue(
        self,
        role: str = "Owner",
        *,
        secret: str | None = None,
        lasts: timedelta | None = None,
        revoked: bool = False,
        organization: str | None = None,
    ) -> str:
        """A new key, `bbl_…`, or the one that the caller passes. lasts: None is indefinitely."""
        secret = secret or f"bbl_{token_hex(20)}"
        expires_at = None if lasts is None else self._now() + lasts
        self._keys[digest_of(secret)] = Key(digest_of(secret), f"{role} key", role, expires_at, revoked, organization)
        return secret

    def revoke(self, secret: str) -> None:
        """Revoke a key immediately; KeyError if it was never issued."""
        digest = digest_of(secret)
        self._keys[digest] = replace(self._keys[digest], revoked=True)

    def find(self, secret: str | None) -> tuple[Key | None, str]:
        """The key, or None and why it does not open."""
        key = self._keys.get(digest_of(secret)) if secret else None
        if key is None:
            return None, "The API key is missing or unknown."
        if key.revoked:
            return None, "The API key was revoked."
        if key.expires_at is not None and key.expires_at <= self._now():
            return None, "The API key has expired."
        return key, ""


class RateLimit:
    """At most `max_requests` of a key in a window. fixed: windows by the clock; else any stretch of that length counts."""

    def __init__(
        self, max_requests: int, clock: Callable[[], float], *, seconds: float = 60.0, fixed: bool = False
    ) -> None:
        self.max_requests = max_requests
        self._clock = clock
        self._seconds = seconds
        self._fixed = fixed
        self._seen: dict[str, deque[float]] = {}

    def admit(self, key: Key) -> int | None:
        """None when the request may pass, else the whole seconds to wait. A refused request does not count."""
        now = self._clock()
        seen = self._seen.setdefault(key.digest, deque())
        begin = now - now % self._seconds if self._fixed else now - self._seconds
        while seen and (seen[0] < begin or (seen[0] == begin and not self._fixed)):
            seen.popleft()
        if len(seen) < self.max_requests:
            seen.append(now)
            return None
        free = (begin if self._fixed else seen[0]) + self._seconds
        return max(1, ceil(free - now))


def utc(clock: Callable[[], float]) -> Callable[[], datetime]:
    return lambda: datetime.fromtimestamp(clock(), UTC)
