import secrets

import pytest


@pytest.fixture
def key() -> str:
    return "bbl_" + secrets.token_hex(16)
