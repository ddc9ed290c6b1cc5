"""Faults of a whole response: error statuses, rate limits, redirects, broken servers, wrong bodies."""

import gzip
import re
from dataclasses import replace
from datetime import date, timedelta
from email.utils import formatdate

from .faults import Fault, Stage, declare, kind
from .responses import ApiResponse, ParsedRequest, error_response

HTML = b"<!doctype html><html><head><title>Something went wrong</title></head><body><h1>Please try again</h1></body></html>"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type /Catalog>>\nendobj\n"
TOTAL = re.compile(rb',"totalCount":\d+')
LONG_AGO = 3600.0
RETRY_AFTER = {"absurd": "86400", "negative": "-5", "garbage": "in a while"}


@kind(Stage.REQUEST)
def moved(fault: Fault, parsed: ParsedRequest) -> ParsedRequest:
    """The endpoint at `path` answers at `to` instead; `path` itself is 404."""
    return replace(parsed, path=f"/moved{parsed.path}" if parsed.path == fault.path else str(fault.path))


@kind(Stage.REQUEST)
def ignore_parameters(fault: Fault, parsed: ParsedRequest) -> ParsedRequest:
    """Query parameters are ignored: those of `value`, by commas; else startDate and endDate."""
    ignored = (fault.value or "startDate,endDate").split(",")
    return replace(parsed, query={name: value for name, value in parsed.query.items() if name not in ignored})


@kind(Stage.REQUEST)
def end_exclusive(fault: Fault, parsed: ParsedRequest) -> ParsedRequest:
    """endDate is taken as the first day after the window, not as its last."""
    if not parsed.query.get("endDate"):
        return parsed
    last = date.fromisoformat(parsed.query["endDate"]) - timedelta(days=1)
    return replace(parsed, query={**parsed.query, "endDate": last.isoformat()})


@kind(Stage.RESPONSE)
def refuse_parameters(fault: Fault, parsed: ParsedRequest) -> ApiResponse | None:
    """422, or `status`, when a query parameter of `value` (by commas, default page and pageSize) is given."""
    refused = [name for name in (fault.value or "page,pageSize").split(",") if name in parsed.query]
    return error_response(fault.status or 422, f"{refused[0]} is unknown.") if refused else None


FIXED_RESPONSES = {
    "unauthorized": ("401, as for a key that was revoked.", error_response(401, "The API key was revoked.")),
    "forbidden": (
        "403, as for a plan or role that may not see this.",
        error_response(403, "Your plan or role does not allow this."),
    ),
    "html": (
        "A page of HTML with status 200, as from a captive portal.",
        ApiResponse(200, HTML, content_type="text/html; charset=utf-8"),
    ),
    "pdf": ("The beginning of a PDF with status 200.", ApiResponse(200, PDF, content_type="application/pdf")),
    "not_modified": ("304, as from a cache that takes the request for a conditional one.", ApiResponse(304, b"")),
    "empty_body": ("Status 200 with an empty body.", ApiResponse(200, b"")),
    "no_content": ("Status 204.", ApiResponse(204, b"")),
}
for _name, (_meaning, _response) in FIXED_RESPONSES.items():
    declare(_name, Stage.RESPONSE, _meaning, lambda fault, parsed, response=_response: response)


@kind(Stage.RESPONSE)
def not_found(fault: Fault, parsed: ParsedRequest) -> ApiResponse:
    """404."""
    return error_response(404, f"There is no {parsed.path}.")


@kind(Stage.RESPONSE)
def invalid(fault: Fault, parsed: ParsedRequest) -> ApiResponse:
    """422, or `status` (400, …); the message is `value`."""
    return error_response(fault.status or 422, fault.value or "The request cannot be processed.")


@kind(Stage.RESPONSE)
def key_echoed(fault: Fault, parsed: ParsedRequest) -> ApiResponse:
    """422, or `status`, with a message of several kB that repeats the key."""
    return error_response(
        fault.status or 422, f"Rejected request with key {parsed.key_text}. " + "Details follow. " * 400
    )


@kind(Stage.RESPONSE)
def customer_required(fault: Fault, parsed: ParsedRequest) -> ApiResponse | None:
    """422 unless `customerId` is given."""
    return None if parsed.query.get("customerId") else error_response(422, "customerId is required.")


@kind(Stage.RESPONSE)
def rate_limited(fault: Fault, parsed: ParsedRequest) -> ApiResponse:
    """429. `retry_after`: a text sent as it is ("2"), or one of date (in `seconds`), past, missing, absurd, negative, garbage.

    `skew`: the server's clock, and so its Date and a date in Retry-After, is off by so many seconds.
    """
    wish, now = str(fault.retry_after or 1), parsed.now + (fault.skew or 0.0)
    dated = {"date": now + (fault.seconds or 1.0), "past": now - LONG_AGO}
    wait = formatdate(dated[wish], usegmt=True) if wish in dated else RETRY_AFTER.get(wish, wish)
    headers = {} if wish == "missing" else {"Retry-After": wait}
    return error_response(429, "Too many requests.", headers | {"Date": formatdate(now, usegmt=True)})


@kind(Stage.RESPONSE)
def server_error(fault: Fault, parsed: ParsedRequest) -> ApiResponse:
    """500, or `status` (408, 425, …); with a page of HTML as its body when `value` is html, else with the API's error body.

    `retry_after`: a text that is sent as the header Retry-After.
    """
    status, headers = fault.status or 500, {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.value == "html":
        return ApiResponse(status, HTML, headers, content_type="text/html")
    return error_response(status, "Internal error.", headers)


@kind(Stage.RESPONSE)
def plain_text(fault: Fault, parsed: ParsedRequest) -> ApiResponse:
    """A line of plain text with status 200: `value`, or that the service is unavailable."""
    text = (fault.value or "Service temporarily unavailable").encode()
    return ApiResponse(200, text, content_type="text/plain; charset=utf-8")


@kind(Stage.RESPONSE)
def redirect(fault: Fault, parsed: ParsedRequest) -> ApiResponse:
    """A redirect with 302, or `status`. `to`: same_host, other_host, downgrade (https -> http), or a URL."""
    other = parsed.origin.replace("127.0.0.1", "localhost")
    targets = {
        "same_host": f"{parsed.origin}/elsewhere{parsed.path}",
        "other_host": f"{other}/elsewhere{parsed.path}",
        "downgrade": f"http://{parsed.origin.partition('://')[2]}/elsewhere{parsed.path}",
    }
    where = fault.to or "same_host"
    return ApiResponse(fault.status or 302, b"", {"Location": targets.get(where, where)})


@kind(Stage.FINISHED)
def lost_answer(fault: Fault, answer: ApiResponse) -> ApiResponse:
    """The request is carried out; then the answer is `status` (default 502) with an empty body, as from a proxy in between."""
    return ApiResponse(fault.status or 502, b"")


@kind(Stage.FINISHED)
def text_plain_json(fault: Fault, answer: ApiResponse) -> ApiResponse:
    """The correct JSON, with the content type text/plain."""
    return replace(answer, content_type="text/plain; charset=utf-8")


@kind(Stage.FINISHED)
def bom(fault: Fault, answer: ApiResponse) -> ApiResponse:
    """The correct JSON after a UTF-8 byte order mark."""
    return replace(answer, body=b"\xef\xbb\xbf" + answer.body)


@kind(Stage.FINISHED)
def total_missing(fault: Fault, answer: ApiResponse) -> ApiResponse:
    """No totalCount and no X-Total-Count. The header stays if `value` is `header`."""
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "x-total-count"}
    kept = answer.headers if fault.value == "header" else headers
    return replace(answer, body=TOTAL.sub(b"", answer.body), headers=kept)


@kind(Stage.FINISHED)
def text_replaced(fault: Fault, answer: ApiResponse) -> ApiResponse:
    """In the body, every `old` is replaced by `new`."""
    return replace(answer, body=answer.body.replace((fault.old or "").encode(), (fault.new or "").encode()))


@kind(Stage.FINISHED)
def partial_content(fault: Fault, answer: ApiResponse) -> ApiResponse:
    """206 with the first `share` (default half) of the body, up to the end of a line where it has lines."""
    part = answer.body[: int(len(answer.body) * (fault.share or 0.5))]
    part = part[: part.rfind(b"\n") + 1] or part
    return replace(
        answer, status=206, body=part, headers={"Content-Range": f"bytes 0-{len(part) - 1}/{len(answer.body)}"}
    )


@kind(Stage.FINISHED)
def gzip_members(fault: Fault, answer: ApiResponse) -> ApiResponse:
    """The body as a gzip of two members; only the first `share` of the second is sent (default all)."""
    middle = len(answer.body) // 2
    second = gzip.compress(answer.body[middle:])
    packed = (
        gzip.compress(answer.body[:middle]) + second[: int(len(second) * (1.0 if fault.share is None else fault.share))]
    )
    return replace(answer, body=packed, headers={**answer.headers, "Content-Encoding": "gzip"})


@kind(Stage.FINISHED)
def truncated_json(fault: Fault, answer: ApiResponse) -> ApiResponse:
    """The first `share` (default half) of the body, with a matching Content-Length."""
    return replace(answer, body=answer.body[: int(len(answer.body) * (fault.share or 0.5))])
