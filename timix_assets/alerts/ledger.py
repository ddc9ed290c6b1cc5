"""What an alert has seen, and what is still to be said to whom: one small file, replaced as a whole.

A message is written down before it is sent, each attempt before it is made, and each receiver is ticked off right after it
took the message. So nothing is lost, whatever is killed when, and a full disk stops the sending instead of repeating it. A
receiver hears twice only if we are killed, or its answer is lost, between its taking the message and our next line; after a
kill the second one says so.
"""

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from timix_assets.alerts.messages import Message

FORMAT = 1


class LedgerError(Exception):
    """The ledger cannot be used; the message says why and what to do."""


class LedgerBusy(LedgerError):  # noqa: N818  it reads as what happened
    """Another process is delivering from it."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A message on its way. delivered: ids of the receivers that have it. attempted: the one that may have it, or not."""

    number: int
    message: Message
    delivered: tuple[str, ...] = ()
    attempted: str | None = None


class Ledger:
    """One alert's ledger, held by `opened`. memory: JSON of the alert's own, None before its first look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 1
        self.memory: Any = None
        self.pending: list[Pending] = []
        if path.exists():
            self._read()

    def record(self, memory: Any, messages: Iterable[Message] = ()) -> None:
        """What was seen and what is to be said of it, written down together or not at all."""
        for message in messages:
            self.pending.append(Pending(self._next, message))
            self._next += 1
        self.memory = memory
        self._write()

    def attempt(self, number: int, receiver: str) -> None:
        """The message is about to be sent to the receiver."""
        self._change(number, lambda each: replace(each, attempted=receiver))

    def give_up(self, number: int) -> None:
        """The attempt failed for sure."""
        self._change(number, lambda each: replace(each, attempted=None))

    def tick_off(self, number: int, receiver: str) -> None:
        """The receiver has the message."""
        self._change(number, lambda each: replace(each, delivered=(*each.delivered, receiver), attempted=None))

    def settle(self, receivers: Collection[str]) -> None:
        """Forgets the messages that all of these receivers have."""
        left = [each for each in self.pending if not set(receivers) <= set(each.delivered)]
        if left != self.pending:
            self.pending = left
            self._write()

    def _change(self, number: int, change: Callable[[Pending], Pending]) -> None:
        self.pending = [change(each) if each.number == number else each for each in self.pending]
        self._write()

    def _read(self) -> None:
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
            if held["format"] != FORMAT:
                raise ValueError  # noqa: TRY301  an unknown format is as unreadable as none
            self._next, self.memory = held["next"], held["memory"]
            self.pending = [
                Pending(each["number"], Message(**each["message"]), tuple(each["delivered"]), each["attempted"])
                for each in held["pending"]
            ]
        except (ValueError, KeyError, TypeError) as unreadable:
            raise LedgerError(
                f"The ledger of alerts {self._path} cannot be read; move it away, and the next look only remembers how "
                "things stand."
            ) from unreadable

    def _write(self) -> None:
        words = {
            "format": FORMAT,
            "next": self._next,
            "memory": self.memory,
            "pending": [asdict(each) for each in self.pending],
        }
        draft = self._path.with_suffix(".draft")
        try:
            # Customers' names stand in it: for its owner's eyes only.
            with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                json.dump(words, file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            _sync(self._path.parent)
        except OSError as error:
            raise LedgerError(
                f"The ledger of alerts {self._path} cannot be written ({error.strerror}), so nothing more is sent; make "
                "room or make it writable, and the next tick goes on."
            ) from error


@contextmanager
def opened(path: Path) -> Iterator[Ledger]:
    """The ledger at `path`, this process's alone while the block lasts. LedgerBusy, LedgerError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as held:
        raise LedgerBusy(f"Another process is delivering from {path.name}; the next tick looks again.") from held
    try:
        yield Ledger(path)
    finally:
        lock.release()


def _sync(folder: Path) -> None:
    """Makes a rename outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
