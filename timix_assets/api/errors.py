"""The errors of the client. Each message says what happened, on which path and page, and what to do next."""

from timix_assets.errors import TimixAssetsError

# ruff: noqa: N818 - they read as what happened: `except Unauthorized`


class TimixError(TimixAssetsError):
    """Root of the client's errors. No message contains the API key.

    Attributes:
        maybe_applied: True when a `create`, `update` or `delete` was sent and no readable success or refusal came back: the
            server may have applied it, so look for the record before you send it again.
    """

    maybe_applied = False

    def tried(self, requests: int) -> None:
        """Adds the number of attempts to the message."""
        if requests > 1:
            self.args = (f"{str(self).rstrip('.')} (tried {requests} times).",)


class ClientConfigError(TimixError):
    """A key, base URL, proxy or limit is missing or wrong; raised before any request."""


class ReadOnly(TimixError):
    """A write was requested from a client that may only read."""


class Closed(TimixError):
    """The client was closed before or during the request."""


class ConnectionFailed(TimixError):
    """No complete response arrived.

    Attributes:
        sent: False if the request is known not to have reached the server.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class DeadlineExceeded(TimixError):
    """No complete response arrived before the deadline of the request."""


class TlsFailed(TimixError):
    """The server's identity could not be verified, or TLS failed.

    Attributes:
        sent: False if the request is known not to have reached the server.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class RedirectRefused(TimixError):
    """The server redirected. Redirects are never followed: the key is only sent to the configured host."""


class ResponseTooLarge(TimixError):
    """The response is larger than the limit."""


class NotJson(TimixError):
    """A successful response whose body is not JSON, such as a proxy's HTML page."""


class NotCsv(TimixError):
    """A successful response whose body is not a complete CSV."""


class EmptyResponse(TimixError):
    """A successful response without the body that belongs to it."""


class ContractError(TimixError):
    """JSON of an unexpected shape."""


class ListingUnstable(TimixError):
    """A listing changed during every attempt to read it."""


class StatusError(TimixError):
    """The server answered with an error status.

    Attributes:
        status: The HTTP status.
        code, server_message: From `{"error": {"code", "message"}}`; at most 2 kB, the key masked, empty when not sent.
        retry_after: Seconds that the server asks to wait, from the arrival of the response; None when it names none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        server_message: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.server_message = server_message
        self.retry_after = retry_after


class Unauthorized(StatusError):
    """401: the key is wrong, expired or revoked."""


class Forbidden(StatusError):
    """403: the key's role or the organization's plan does not allow it."""


class NotFound(StatusError):
    """404: the path does not exist."""


class Invalid(StatusError):
    """400 or 422: the server does not accept the parameters or the record."""


class Conflict(StatusError):
    """409: the record conflicts with another one, or with a change that was made meanwhile."""


class RateLimited(StatusError):
    """429: too many requests in the minute."""


class IncompleteResponse(StatusError):
    """206 or 304: partial content, or none because it has not changed, where the whole was requested."""


class TryAgain(StatusError):
    """408, 425 or 5xx: a retry may succeed."""


class ServerError(TryAgain):
    """5xx: the server, or a proxy in front of it, failed."""
