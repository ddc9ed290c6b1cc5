"""Everything that can go wrong when talking to Timix: one tree.

Each message is one sentence for a person: what happened, on which path and page, and what to do next.
"""

# ruff: noqa: N818 - they read as what happened: `except Unauthorized`


class TimixError(Exception):
    """The root of the tree: catch this to catch all of them. The API key is in none of them."""

    def tried(self, requests: int) -> None:
        """Adds to the message how often it was tried."""
        if requests > 1:
            self.args = (f"{str(self).rstrip('.')} (tried {requests} times).",)


class SettingsError(TimixError):
    """A setting is missing or wrong; raised before any request."""


class ReadOnly(TimixError):
    """A write was asked of a client that may only read."""


class Closed(TimixError):
    """The client was closed while, or before, this was asked of it."""


class ConnectionFailed(TimixError):
    """No whole answer came. sent: False when the request surely did not reach the server."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class DeadlineExceeded(TimixError):
    """The request, from its first byte to the answer's last, took longer than it may."""


class TlsFailed(TimixError):
    """The server's identity could not be verified, or no secure connection came about."""


class RedirectRefused(TimixError):
    """The server pointed elsewhere. Redirects are never followed: the key stays with the configured host."""


class AnswerTooLarge(TimixError):
    """The answer is larger than the limit."""


class NotJson(TimixError):
    """A successful answer whose body is no JSON, such as a proxy's HTML page."""


class NotCsv(TimixError):
    """A successful answer whose body is no CSV."""


class EmptyAnswer(TimixError):
    """A successful answer to a read that has no body."""


class ContractError(TimixError):
    """JSON, but not of the agreed shape."""


class ListingUnstable(TimixError):
    """A listing did not add up, however often it was read."""


class StatusError(TimixError):
    """The server answered with an error status.

    code, server_message: the server's own words, from `{"error": {"code", "message"}}`; at most 2 kB, without the key,
    and empty when it gave none.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "", server_message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.server_message = server_message


class Unauthorized(StatusError):
    """401: the key is wrong, expired or revoked."""


class Forbidden(StatusError):
    """403: the key's role or the organization's plan does not allow it."""


class NotFound(StatusError):
    """404: there is nothing at this path."""


class Invalid(StatusError):
    """400 or 422: the server does not accept the parameters or the record."""


class RateLimited(StatusError):
    """429: too many requests in the minute. retry_after: seconds to wait, from the answer's arrival."""

    def __init__(
        self, message: str, *, status: int = 429, code: str = "", server_message: str = "", retry_after: float = 0.0
    ) -> None:
        super().__init__(message, status=status, code=code, server_message=server_message)
        self.retry_after = retry_after


class ServerError(StatusError):
    """5xx: the server, or a proxy before it, has failed."""
