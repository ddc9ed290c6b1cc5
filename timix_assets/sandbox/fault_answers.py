"""Faults in the answer as a whole: refusals, limits, redirects, servers that break, bodies that are something else."""

import re
from dataclasses import replace
from datetime import date, timedelta
from email.utils import formatdate

from .answers import JSON, Answer, Asked, refusal
from .faults import Fault, Stage, kind

HTML = b"<!doctype html><html><head><title>Something went wrong</title></head><body><h1>Please try again</h1></body></html>"
TOTAL = re.compile(rb',"totalCount":\d+')
LONG_AGO = 3600.0
RETRY_AFTER = {"absurd": "86400", "negative": "-5", "garbage": "in a while"}


@kind(Stage.REQUEST)
def moved(fault: Fault, asked: Asked) -> Asked:
    """The endpoint at `path` answers at `to` instead; `path` itself is 404."""
    return replace(asked, path=f"/moved{asked.path}" if asked.path == fault.path else str(fault.path))


@kind(Stage.REQUEST)
def ignore_parameters(fault: Fault, asked: Asked) -> Asked:
    """Query parameters are ignored: those of `value`, by commas; else startDate and endDate."""
    ignored = (fault.value or "startDate,endDate").split(",")
    return replace(asked, query={name: value for name, value in asked.query.items() if name not in ignored})


@kind(Stage.REQUEST)
def end_exclusive(fault: Fault, asked: Asked) -> Asked:
    """endDate is taken as the first day after the window, not as its last."""
    if not asked.query.get("endDate"):
        return asked
    last = date.fromisoformat(asked.query["endDate"]) - timedelta(days=1)
    return replace(asked, query={**asked.query, "endDate": last.isoformat()})


@kind(Stage.INSTEAD)
def refuse_parameters(fault: Fault, asked: Asked) -> Answer | None:
    """422, or `status`, when a query parameter of `value` (by commas, default page and pageSize) is given."""
    refused = [name for name in (fault.value or "page,pageSize").split(",") if name in asked.query]
    return refusal(fault.status or 422, f"{refused[0]} is unknown.") if refused else None


@kind(Stage.INSTEAD)
def unauthorized(fault: Fault, asked: Asked) -> Answer:
    """401, as for a key that was revoked."""
    return refusal(401, "The API key was revoked.")


@kind(Stage.INSTEAD)
def forbidden(fault: Fault, asked: Asked) -> Answer:
    """403, as for a plan or role that may not see this."""
    return refusal(403, "Your plan or role does not allow this.")


@kind(Stage.INSTEAD)
def not_found(fault: Fault, asked: Asked) -> Answer:
    """404."""
    return refusal(404, f"There is no {asked.path}.")


@kind(Stage.INSTEAD)
def invalid(fault: Fault, asked: Asked) -> Answer:
    """422, or `status` (400, …); the message is `value`."""
    return refusal(fault.status or 422, fault.value or "The request cannot be processed.")


@kind(Stage.INSTEAD)
def key_echoed(fault: Fault, asked: Asked) -> Answer:
    """422, or `status`, with a message of several kB that repeats the key."""
    return refusal(fault.status or 422, f"Rejected request with key {asked.key_text}. " + "Details follow. " * 400)


@kind(Stage.INSTEAD)
def customer_required(fault: Fault, asked: Asked) -> Answer | None:
    """422 unless `customerId` is given."""
    return None if asked.query.get("customerId") else refusal(422, "customerId is required.")


@kind(Stage.INSTEAD)
def rate_limited(fault: Fault, asked: Asked) -> Answer:
    """429. `retry_after`: a text sent as it is ("2"), or one of date (in `seconds`), past, missing, absurd, negative, garbage.

    `skew`: the server's clock, and so its Date and a date in Retry-After, is off by so many seconds.
    """
    wish, now = str(fault.retry_after or 1), asked.now + (fault.skew or 0.0)
    dated = {"date": now + (fault.seconds or 1.0), "past": now - LONG_AGO}
    wait = formatdate(dated[wish], usegmt=True) if wish in dated else RETRY_AFTER.get(wish, wish)
    headers = {} if wish == "missing" else {"Retry-After": wait}
    return refusal(429, "Too many requests.", headers | {"Date": formatdate(now, usegmt=True)})


@kind(Stage.INSTEAD)
def server_error(fault: Fault, asked: Asked) -> Answer:
    """500, or `status`; with a page of HTML as its body when `value` is html, else with the API's error body."""
    status = fault.status or 500
    return (
        Answer(status, HTML, content_type="text/html") if fault.value == "html" else refusal(status, "Internal error.")
    )


@kind(Stage.INSTEAD)
def html(fault: Fault, asked: Asked) -> Answer:
    """A page of HTML with status 200, as from a captive portal."""
    return Answer(200, HTML, content_type="text/html; charset=utf-8")


@kind(Stage.INSTEAD)
def redirect(fault: Fault, asked: Asked) -> Answer:
    """A redirect with 302, or `status`. `to`: same_host, other_host, downgrade (https -> http), or a URL."""
    other = asked.origin.replace("127.0.0.1", "localhost")
    targets = {
        "same_host": f"{asked.origin}/elsewhere{asked.path}",
        "other_host": f"{other}/elsewhere{asked.path}",
        "downgrade": f"http://{asked.origin.partition('://')[2]}/elsewhere{asked.path}",
    }
    where = fault.to or "same_host"
    return Answer(fault.status or 302, b"", {"Location": targets.get(where, where)})


@kind(Stage.INSTEAD)
def empty_body(fault: Fault, asked: Asked) -> Answer:
    """Status 200 and not one byte of body."""
    return Answer(200, b"")


@kind(Stage.INSTEAD)
def no_content(fault: Fault, asked: Asked) -> Answer:
    """Status 204."""
    return Answer(204, b"")


@kind(Stage.ANSWER)
def text_plain_json(fault: Fault, answer: Answer) -> Answer:
    """The right JSON, called text/plain."""
    return replace(answer, content_type="text/plain; charset=utf-8")


@kind(Stage.ANSWER)
def bom(fault: Fault, answer: Answer) -> Answer:
    """The right JSON behind a UTF-8 byte order mark."""
    return replace(answer, body=b"\xef\xbb\xbf" + answer.body)


@kind(Stage.ANSWER)
def total_missing(fault: Fault, answer: Answer) -> Answer:
    """Nothing says how many rows a listing has: no totalCount, no X-Total-Count. The header stays when `value` is header."""
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "x-total-count"}
    kept = answer.headers if fault.value == "header" else headers
    return replace(answer, body=TOTAL.sub(b"", answer.body), headers=kept)


@kind(Stage.ANSWER)
def truncated_json(fault: Fault, answer: Answer) -> Answer:
    """The first `share` (default half) of the body, with a Content-Length that says so."""
    return replace(answer, body=answer.body[: int(len(answer.body) * (fault.share or 0.5))], content_type=JSON)
