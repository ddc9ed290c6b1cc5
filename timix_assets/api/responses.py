"""Reads a response: JSON, CSV, or an error with the server's own message. Pure functions."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from timix_assets.text.csv_table import BrokenCsv, read_csv
from timix_assets.text.doctor_advice import FIND_OVERRIDE, SHOWS_HOW
from timix_assets.text.printable import without_markup

from .errors import (
    Conflict,
    ContractError,
    EmptyResponse,
    Forbidden,
    IncompleteResponse,
    Invalid,
    NotCsv,
    NotFound,
    NotJson,
    RateLimited,
    ServerError,
    StatusError,
    TryAgain,
    Unauthorized,
)
from .exact_json import Json, parse_json
from .limits import Limits
from .redaction import Redactor
from .retries import duration, parse_retry_after, retry_after_seconds
from .transport import Request, Response

_NO_CSV = "try again later, or skip the export"
_BOM = b"\xef\xbb\xbf"


def json_of(request: Request, response: Response) -> Json:
    """The JSON of a response. Fractions are exact Decimals, as are NaN and Infinity, which some servers send.

    Raises:
        EmptyResponse, NotJson: A retry may succeed.
        ContractError: Valid JSON that cannot be read.
    """
    body = response.body.removeprefix(_BOM)
    if not body.strip():
        raise EmptyResponse(f"{request}: expected JSON, got an empty response ({response.status}); try again later.")
    try:
        return parse_json(body)
    except (json.JSONDecodeError, UnicodeDecodeError):
        what = _not_json(response.content_type)
    except (ValueError, RecursionError):
        raise ContractError(
            f"{request}: the JSON has a number with thousands of digits or is nested too deeply to read; "
            "report it to Timix."
        ) from None
    raise NotJson(f"{request}: {what}, or try again later.")


def _not_json(content_type: str) -> str:
    """What was received instead of JSON, and where to look."""
    if content_type == "application/json":
        return "the JSON is truncated or invalid; look for a proxy that truncates responses"
    kind = content_type or "a response without a content type"
    return f"expected JSON, got {kind}; look for a proxy or a login page in between"


def csv_of(request: Request, response: Response) -> bytes:
    """The body, unchanged.

    Raises:
        EmptyResponse, NotCsv: There is no complete CSV; a retry may succeed.
    """
    if not response.body.strip():
        raise EmptyResponse(f"{request}: expected CSV, got an empty response ({response.status}); try again later.")
    kind = response.content_type
    opening = response.body.removeprefix(_BOM).lstrip()[:1]
    if "html" in kind or "json" in kind or opening in (b"<", b"{", b"["):
        raise NotCsv(f"{request}: expected CSV, got {kind or 'no content type'}; {_NO_CSV}.")
    try:
        table = read_csv(response.body)
    except BrokenCsv as broken:
        raise NotCsv(f"{request}: the response is not a complete CSV: {broken}; {_NO_CSV}.") from None
    if not response.has_length and not table.ends_its_line:
        raise NotCsv(
            f"{request}: the CSV does not end with a line break and the server sent no length, so it may be truncated; "
            f"{_NO_CSV}."
        )
    return response.body


_ERRORS: Mapping[int, tuple[type[StatusError], str]] = {
    400: (Invalid, FIND_OVERRIDE),
    401: (Unauthorized, "{key_setting} is wrong, expired or revoked: set a valid key"),
    403: (Forbidden, "use a key whose role and plan may see it, or set skip_forbidden for it in TIMIX_OVERRIDES"),
    404: (NotFound, f"check TIMIX_BASE_URL, or set another path in TIMIX_OVERRIDES{SHOWS_HOW}"),
    409: (Conflict, "read the record again, then decide what to write"),
    422: (Invalid, FIND_OVERRIDE),
}
_NOT_WHOLE: Mapping[int, str] = {
    206: "206 (partial content) to a request for the whole",
    304: "304 (not modified) to an unconditional request",
}
_TRY_AGAIN = (408, 425)
_FIX_THE_WRITE = "correct the record, or use a key that may write it"
_CHECK_THE_ID = "check the path and the id; a deleted record is not found either"
_ANOTHER_KEY = "use a key whose role and plan may see it"


def status_error(
    request: Request, response: Response, limits: Limits, redact: Redactor, now: datetime, key_setting: str
) -> StatusError | None:
    """The error for a status of 400 or more, 206 or 304; None for any other. key_setting: what people call the key."""
    if response.status in _NOT_WHOLE:
        what = f"{request}: the server answered {_NOT_WHOLE[response.status]}"
        return IncompleteResponse(f"{what}; look for a proxy or a cache in between.", status=response.status)
    if response.status < 400:
        return None
    code, message = _server_message(response, redact)
    what = answered(request, response.status, code, message)
    facts: dict[str, Any] = {"status": response.status, "code": code, "server_message": message}
    if response.status == 429:
        seconds = retry_after_seconds(response.headers, limits, now)
        return RateLimited(f"{what}; the limit resets in {duration(seconds)}.", **facts, retry_after=seconds)
    if response.status >= 500:
        return ServerError(f"{what}; try again later.", **facts, retry_after=parse_retry_after(response.headers, now))
    if response.status in _TRY_AGAIN:
        return TryAgain(f"{what}; try again later.", **facts, retry_after=parse_retry_after(response.headers, now))
    kind, remedy = _ERRORS.get(response.status, (StatusError, "check the path and the parameters"))
    if kind is Unauthorized:
        remedy = remedy.format(key_setting=key_setting)
    elif kind is NotFound and (request.single or request.method != "GET"):
        remedy = _CHECK_THE_ID
    elif kind is Forbidden and request.single:
        remedy = _ANOTHER_KEY
    elif request.method != "GET" and kind in (Invalid, Forbidden):
        remedy = _FIX_THE_WRITE
    return kind(f"{what}; {remedy}.", **facts)


def answered(request: Request, status: int, code: str, server_message: str) -> str:
    """The beginning of a message about an error status, with the code and message that the server sent, if any."""
    sent = ", ".join(part for part in (code, f"“{server_message}”" if server_message else "") if part)
    return f"{request}: the server answered {status}" + (f" ({sent})" if sent else "")


def _server_message(response: Response, redact: Redactor) -> tuple[str, str]:
    """The server's code and message; both empty when the body is not JSON of a known shape, such as a proxy's HTML."""
    try:
        body = json.loads(response.body.removeprefix(_BOM))
    except (ValueError, RecursionError):
        plain = response.content_type == "text/plain"
        return "", without_markup(redact(response.body.decode("utf-8", "replace"))) if plain else ""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        code, message = (without_markup(redact(str(error.get(name) or ""))) for name in ("code", "message"))
        return code[:80], message
    return "", without_markup(redact(error)) if isinstance(error, str) else ""
