"""Facts that the vendor documents, each declared once. Source: the vendor's page working-with-the-api."""

from collections.abc import Mapping

BASE_URL = "https://api.timix.ai/api/integration/v1"

MAX_PAGE_SIZE = 200
"""Largest pageSize."""

REQUESTS_PER_MINUTE: Mapping[str, int] = {
    "Free": 120,
    "Starter": 120,
    "Professional": 300,
    "Business": 1000,
}
"""Plan -> requests per minute and key."""

ROLES_WITHOUT_COST = ("Member", "Viewer")
"""Roles that never see cost, profit or margin."""
