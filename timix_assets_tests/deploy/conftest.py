"""What the deployment needs of this machine."""

import pytest

from timix_assets_tests.required import skip_without

from .compose import missing


@pytest.fixture(scope="session")
def production() -> None:
    """Skips, or fails where that is required, where PostgreSQL or .venv-production is missing."""
    skip_without("deployment", missing())
