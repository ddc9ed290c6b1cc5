"""When the sensor looks: after its interval, and sooner when events came."""

import pytest

from timix_assets.webhooks.inbox import Looks
from timix_assets.webhooks.look_timing import MIN_GAP_SECONDS, look_is_due


@pytest.mark.parametrize(
    ("looks", "due"),
    [
        (Looks(), True),
        (Looks(newest=1), True),
        (Looks(at=1000 - 59), False),
        (Looks(at=1000 - 60), True),
        (Looks(at=1001), True),
        (Looks(newest=2, up_to=1, at=1000 - MIN_GAP_SECONDS + 1), False),
        (Looks(newest=2, up_to=1, at=1000 - MIN_GAP_SECONDS), True),
        (Looks(newest=2, up_to=2, at=1000 - MIN_GAP_SECONDS), False),
        (Looks(newest=0, up_to=2, at=1000 - MIN_GAP_SECONDS), False),
    ],
)
def test_a_look_is_due(looks: Looks, due: bool) -> None:
    assert look_is_due(looks, 1000, 60) is due
