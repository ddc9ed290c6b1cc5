"""One deadline for a whole request, on httpx's private network backend."""

import ssl

import httpcore
import httpx
import pytest

from timix_assets.api.deadline import Deadline, DeadlineTransport


@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:9"])
def test_httpx_connects_through_the_backend_with_the_deadline(proxy: str | None) -> None:
    deadline = Deadline()
    deadline.start(-1)
    transport = DeadlineTransport(ssl.create_default_context(), httpx.Limits(), proxy, deadline)

    with pytest.raises(httpx.ConnectTimeout, match="deadline has passed"):
        transport.handle_request(httpx.Request("GET", "http://127.0.0.1:9/"))


def test_pool_of_httpx_has_the_private_attribute() -> None:
    with httpx.HTTPTransport() as plain:
        assert isinstance(plain._pool, httpcore.ConnectionPool)
        assert isinstance(plain._pool._network_backend, httpcore.NetworkBackend)
