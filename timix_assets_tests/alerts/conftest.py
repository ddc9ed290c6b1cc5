"""A webhook for each test that wants one, and a lake in an object store."""

from collections.abc import Iterator

import pytest

from timix_assets_tests.alerts.receiver import WebhookReceiver
from timix_assets_tests.lake.s3 import options, url

__all__ = ["options", "url"]


@pytest.fixture
def webhook() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def second_webhook() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver
