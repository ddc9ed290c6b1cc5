"""Facts that the vendor documents and that several rooms go by, each declared once. Source: working-with-the-api."""

from collections.abc import Mapping

BASE_URL = "https://api.timix.ai/api/integration/v1"

LARGEST_PAGE = 200
"""pageSize is at most this."""

REQUESTS_PER_MINUTE: Mapping[str, int] = {
    "Free": 120,
    "Starter": 120,
    "Professional": 300,
    "Business": 1000,
}
"""Plan -> requests of one key in a minute."""

ROLES_WITHOUT_COST = ("Member", "Viewer")
"""They never see cost, profit or margin."""
