"""Ends a child process with its parent, however that ends: the child's standard input is closed then."""

import sys
import threading
from collections.abc import Callable


def on_parent_exit(callback: Callable[[], object]) -> None:
    """Calls `callback` once, from another thread, when the process at the other end of our standard input is gone."""

    def wait() -> None:
        sys.stdin.read()
        callback()

    threading.Thread(target=wait, daemon=True).start()
