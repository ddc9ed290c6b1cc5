"""When the sensor looks at Timix: at its interval, and at once when events came."""

from timix_assets.webhooks.inbox import Looks

EVENT_TICK_SECONDS = 3
"""The sensor's interval with webhooks: less than the 5 s in which Dagster goes through all sensors, so it ticks every time."""

MIN_GAP_SECONDS = 10
"""Between two looks for events: one is 12 requests, and a sender may send an event a second."""


def look_is_due(looks: Looks, now: float, every_seconds: float) -> bool:
    """Whether to look now.

    Args:
        looks: What has come, and the last look.
        now: Seconds since 1970.
        every_seconds: The interval without events.
    """
    # A clock that was put back must not stop the looks until it catches up.
    since = float("inf") if looks.at is None or looks.at > now else now - looks.at
    return since >= every_seconds or (looks.new > 0 and since >= MIN_GAP_SECONDS)
