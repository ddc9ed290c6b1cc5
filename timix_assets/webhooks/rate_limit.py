"""At most so many events in any minute."""

from collections import deque

WINDOW_SECONDS = 60.0


class RateLimit:
    """A sliding window. per_minute: how many are admitted in it."""

    def __init__(self, per_minute: int) -> None:
        self._admitted = deque[float](maxlen=per_minute)

    def seconds_to_wait(self, now: float) -> float:
        """0 when one more is admitted, and counted; else the time until the next one is. now: of a clock that only rises."""
        times = self._admitted
        if len(times) == times.maxlen and (wait := times[0] + WINDOW_SECONDS - now) > 0:
            return wait
        times.append(now)
        return 0.0
