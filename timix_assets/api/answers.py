"""What an answer holds: JSON, CSV, or an error in the server's own words. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from .errors import (
    ContractError,
    EmptyAnswer,
    Forbidden,
    Invalid,
    NotCsv,
    NotFound,
    NotJson,
    RateLimited,
    ServerError,
    StatusError,
    Unauthorized,
)
from .limits import Limits
from .redaction import Redactor
from .retries import reset_in, retry_after_seconds
from .transport import Answer, Call

Json = Any
"""What the standard json module gives, with Decimal instead of float."""

_BOM = b"\xef\xbb\xbf"
_UNREADABLE = Decimal("NaN")


def _decimal(token: str) -> Decimal:
    try:
        return Decimal(token)
    except InvalidOperation:
        return _UNREADABLE


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=Decimal)
_CAREFUL_DECODER = json.JSONDecoder(parse_float=_decimal, parse_constant=Decimal)


def json_of(call: Call, answer: Answer) -> Json:
    """The answer's JSON. Decimals are exact; NaN and Infinity, which are no JSON but happen, are Decimals of that name.

    Raises EmptyAnswer, NotJson (both may pass), ContractError.
    """
    body = answer.body.removeprefix(_BOM)
    if not body.strip():
        raise EmptyAnswer(f"{call}: the answer ({answer.status}) is empty where JSON was due; try again later.")
    try:
        return _decoded(body.decode("utf-8", "surrogatepass"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        what = _not_json(answer.content_type)
    except (ValueError, RecursionError):
        raise ContractError(
            f"{call}: the answer holds a number of thousands of digits, or nests too deep to be read; "
            "report it to Timix."
        ) from None
    raise NotJson(f"{call}: {what}, or try again later.")


def _not_json(content_type: str) -> str:
    """What came in the place of JSON, and where to look."""
    if content_type == "application/json":
        return "the JSON of the answer is cut off or broken; look for a proxy on the way that shortens answers"
    kind = content_type or "an answer of no named type"
    return f"got {kind} where JSON was due; look for a proxy or a login page on the way"


def _decoded(text: str) -> Json:
    try:
        return _DECODER.decode(text)
    except InvalidOperation:
        # An exponent beyond what a Decimal can hold: read again, with a marker in its place.
        return _CAREFUL_DECODER.decode(text)


def csv_of(call: Call, answer: Answer) -> bytes:
    """The answer's body as it is, unparsed. Raises EmptyAnswer, and NotCsv when it is HTML or JSON."""
    if not answer.body:
        raise EmptyAnswer(f"{call}: the answer ({answer.status}) is empty where CSV was due; try again later.")
    kind = answer.content_type
    opening = answer.body.removeprefix(_BOM).lstrip()[:1]
    if "html" in kind or "json" in kind or opening in (b"<", b"{", b"["):
        raise NotCsv(
            f"{call}: got {kind or 'no content type'} instead of CSV; try again later, or leave the export out."
        )
    return answer.body


_REFUSED = "run `timix-assets doctor`, which says what of the request to put right in TIMIX_OVERRIDES"
_ERRORS: Mapping[int, tuple[type[StatusError], str]] = {
    400: (Invalid, _REFUSED),
    401: (Unauthorized, "TIMIX_API_KEY is wrong, expired or revoked: set a valid key"),
    403: (Forbidden, "use a key whose role and plan may see it, or leave it out by skip_forbidden in TIMIX_OVERRIDES"),
    404: (NotFound, "check TIMIX_BASE_URL, and run `timix-assets doctor` to put another path into TIMIX_OVERRIDES"),
    422: (Invalid, _REFUSED),
}
_TO_CORRECT_A_WRITE = "correct the record, or use a key that may write it"


def status_error(call: Call, answer: Answer, limits: Limits, redact: Redactor, now: datetime) -> StatusError:
    """The error of an answer whose status is 400 or more."""
    code, words = _server_words(answer, redact)
    said = ", ".join(word for word in (code, f"“{words}”" if words else "") if word)
    what = f"{call}: the server answered {answer.status}" + (f" ({said})" if said else "")
    facts: dict[str, Any] = {"status": answer.status, "code": code, "server_message": words}
    if answer.status == 429:
        seconds = retry_after_seconds(answer.headers, limits, now)
        return RateLimited(f"{what}; the limit resets {reset_in(seconds)}.", **facts, retry_after=seconds)
    if answer.status >= 500:
        return ServerError(f"{what}; Timix has trouble, try again later.", **facts)
    kind, remedy = _ERRORS.get(answer.status, (StatusError, "check the path and the parameters"))
    if call.method != "GET" and kind in (Invalid, Forbidden):
        remedy = _TO_CORRECT_A_WRITE
    return kind(f"{what}; {remedy}.", **facts)


def _server_words(answer: Answer, redact: Redactor) -> tuple[str, str]:
    """The server's code and message; both empty when the body is no JSON of a known shape, such as a proxy's HTML."""
    try:
        body = json.loads(answer.body.removeprefix(_BOM))
    except (ValueError, RecursionError):
        plain = answer.content_type == "text/plain"
        return "", redact(answer.body.decode("utf-8", "replace")) if plain else ""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        code, words = error.get("code"), error.get("message")
        return redact(str(code or ""))[:80], redact(str(words or ""))
    return "", redact(error) if isinstance(error, str) else ""
