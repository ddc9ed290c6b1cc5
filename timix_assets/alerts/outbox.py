"""The outbox of an alert: its state and the messages on their way, one small file that is replaced atomically.

A message is written down before it is sent, each attempt before it is made, and each delivery right after it succeeded. So
no message is lost, whatever is killed when, and a full disk stops the sending instead of repeating it. A receiver gets a
message twice only if the process is killed, or the answer is lost, between the receiver accepting it and our next write;
after a kill the second copy says so.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, Field, TypeAdapter, ValidationError

from timix_assets.alerts.message import Message
from timix_assets.errors import TimixAssetsError
from timix_assets.state.files import write_atomically
from timix_assets.state.locks import LockBusy, acquire_lock

FORMAT = 1

T = TypeVar("T")


class OutboxError(TimixAssetsError):
    """The outbox cannot be used; the message says why and what to do."""


class OutboxBusy(OutboxError):  # noqa: N818  it reads as what happened
    """Another process is delivering from it."""


@dataclass(slots=True)
class Pending:
    """A message on its way.

    Args:
        message: What to send.
        delivered: Ids of the receivers that have it.
        attempted: Id of the receiver of an attempt whose outcome is not known.
    """

    message: Message
    delivered: list[str] = field(default_factory=list)
    attempted: str | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    """The file. state was called memory in version 0.1."""

    format: Literal[1]
    state: Annotated[Any, Field(validation_alias=AliasChoices("state", "memory"))]
    pending: list[Pending]


_STORED = TypeAdapter(_Stored)


class Outbox:
    """One alert's outbox, opened by `open_outbox`.

    Attributes:
        state: The alert's own state as JSON; None before its first tick.
        pending: Messages that not every receiver has, the oldest first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.state: Any = None
        self.pending: list[Pending] = []
        if path.exists():
            self._read()

    def load_state(self, state_type: TypeAdapter[T]) -> T | None:
        """The state of the alert, validated; None before the first tick.

        Raises:
            OutboxError: It is not of this type.
        """
        if self.state is None:
            return None
        try:
            return state_type.validate_python(self.state)
        except ValidationError as error:
            raise self._unreadable() from error

    def record(self, state: Any, messages: Iterable[Message] = ()) -> None:
        """Stores the new state and the messages that it is worth, together or not at all."""
        self.pending.extend(Pending(message) for message in messages)
        self.state = state
        self._write()

    def mark_attempted(self, pending: Pending, receiver: str | None) -> None:
        """The message is about to be sent to the receiver; None: the attempt is known to have failed."""
        pending.attempted = receiver
        self._write()

    def mark_delivered(self, pending: Pending, receiver: str) -> None:
        """The receiver has the message."""
        pending.delivered.append(receiver)
        pending.attempted = None
        self._write()

    def prune(self, receivers: Collection[str]) -> None:
        """Removes the messages that all of these receivers have."""
        left = [each for each in self.pending if not set(receivers) <= set(each.delivered)]
        if len(left) < len(self.pending):
            self.pending = left
            self._write()

    def _read(self) -> None:
        try:
            stored = _STORED.validate_json(self._path.read_bytes(), strict=True)
        except ValidationError as error:
            raise self._unreadable() from error
        except OSError as error:
            raise _inaccessible(self._path, error) from error
        self.state, self.pending = stored.state, stored.pending

    def _unreadable(self) -> OutboxError:
        return OutboxError(
            f"The alert outbox {self._path} cannot be read; move it away. The next tick then records the current state and "
            "sends nothing."
        )

    def _write(self) -> None:
        content = {"format": FORMAT, "state": self.state, "pending": [asdict(each) for each in self.pending]}
        try:
            # It contains names of customers: for its owner only.
            write_atomically(self._path, json.dumps(content, ensure_ascii=False).encode(), fsync=True, mode=0o600)
        except OSError as error:
            raise OutboxError(
                f"The alert outbox {self._path} cannot be written ({error.strerror}), so nothing more is sent; free disk "
                "space or make it writable. The next tick continues."
            ) from error


@contextmanager
def open_outbox(path: Path) -> Iterator[Outbox]:
    """Opens the outbox at `path` for this process alone while the block lasts.

    Raises:
        OutboxBusy: Another process has it open.
        OutboxError: It cannot be read or written.
    """
    try:
        lock = acquire_lock(path.with_suffix(".lock"))
    except LockBusy as busy:
        raise OutboxBusy(f"Another process is delivering from {path.name}; the next tick tries again.") from busy
    except OSError as error:
        raise _inaccessible(path, error) from error
    try:
        yield Outbox(path)
    finally:
        lock.release()


def _inaccessible(path: Path, error: OSError) -> OutboxError:
    """Most often its files belong to root, after somebody started Dagster with `sudo`."""
    return OutboxError(
        f"The alert outbox {path} cannot be opened ({error.strerror}); make yourself the owner of {path.parent} "
        f"(`sudo chown -R $USER {path.parent}`). The next tick continues."
    )
