"""The outbox of an alert: its state and the messages on their way, one small file or object that is replaced atomically.

A message is written down before it is sent, each attempt before it is made, and each delivery right after it succeeded. So
no message is lost, whatever is killed when, and a full disk stops the sending instead of repeating it. A receiver gets a
message twice only if the process is killed, or the answer is lost, between the receiver accepting it and our next write;
after a kill the second copy says so.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import AliasChoices, Field, TypeAdapter, ValidationError

from timix_assets.alerts.message import Message
from timix_assets.errors import TimixAssetsError

FORMAT = 1

T = TypeVar("T")


class OutboxError(TimixAssetsError):
    """The outbox cannot be used; the message says why and what to do."""


class OutboxBusy(OutboxError):  # noqa: N818  it reads as what happened
    """Another process is delivering from it."""


class Storage(Protocol):
    """Where an outbox is kept: `OutboxFile`, or `OutboxObject` for a lake in an object store. As text, its place.

    Each method raises OutboxBusy if another process delivers, and OutboxError if the outbox cannot be reached.
    """

    def exclusive(self) -> AbstractContextManager[None]:
        """No other process writes while the block lasts; the other methods are for this block."""

    def read(self) -> bytes | None:
        """What was written last; None before the first time."""

    def write(self, content: bytes) -> None:
        """Replaces it, atomically, and returns when it is safe."""

    def attach(self, name: str, data: bytes) -> str:
        """Keeps a file to send with a message, until the next one of that name; returns the message's `attachment`."""

    def fetch(self, attachment: str) -> str:
        """The path of that file on this machine."""


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
    """What is stored. state was called memory in version 0.1."""

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

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.state: Any = None
        self.pending: list[Pending] = []
        content = storage.read()
        if content is not None:
            self._parse(content)

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

    def attach(self, name: str, data: bytes) -> str:
        """Keeps a file to send with a message, until the next one of that name; returns the message's `attachment`."""
        return self._storage.attach(name, data)

    def to_send(self, pending: Pending) -> Message:
        """The message, with its attachment as a file of this machine."""
        message = pending.message
        return replace(message, attachment=self._storage.fetch(message.attachment)) if message.attachment else message

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

    def _parse(self, content: bytes) -> None:
        try:
            stored = _STORED.validate_json(content, strict=True)
        except ValidationError as error:
            raise self._unreadable() from error
        self.state, self.pending = stored.state, stored.pending

    def _unreadable(self) -> OutboxError:
        return OutboxError(
            f"The alert outbox {self._storage} cannot be read; move it away. The next tick then records the current state and "
            "sends nothing."
        )

    def _write(self) -> None:
        content = {"format": FORMAT, "state": self.state, "pending": [asdict(each) for each in self.pending]}
        self._storage.write(json.dumps(content, ensure_ascii=False).encode())


@contextmanager
def open_outbox(storage: Storage) -> Iterator[Outbox]:
    """Opens the outbox for this process alone while the block lasts.

    Raises:
        OutboxBusy: Another process has it open.
        OutboxError: It cannot be read or written.
    """
    with storage.exclusive():
        yield Outbox(storage)
