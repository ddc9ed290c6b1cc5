"""Whatever is sent to the sandbox is answered as an API answers: never with a crash, always with a message."""

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.sandbox import Firm, Sandbox
from timix_assets.sandbox.faults import KINDS, Fault

SWITCH = "/_sandbox/faults"

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["9" * 400, "\x1b[2J", "2026-01-01", "0001-01-01", "Active", "-1", "1e400", "\ud800"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
settings_of_faults = st.sampled_from([field.name for field in fields(Fault)]) | st.just("often")
faults = st.dictionaries(settings_of_faults, values, max_size=5) | st.fixed_dictionaries(
    {"kind": st.sampled_from(sorted(KINDS))}, optional={"path": st.just("/*"), "times": values, "count": values}
)


@pytest.fixture(scope="module")
def client(firm: Firm) -> Iterator[httpx.Client]:
    with (
        Sandbox(firm, requests_per_minute=10**6) as running,
        httpx.Client(base_url=running.origin, headers={"X-Api-Key": running.key}, trust_env=False) as client,
    ):
        yield client


def said(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


@given(body=faults)
@example(body={"kind": "html", "seconds": float("nan")})
@example(body={"kind": "html", "value": "\ud800"})
@example(body={"kind": ["html"]})
@example(body={"kind": "server_error", "times": "often"})
@example(body={"kind": "server_error", "page": True})
@example(body={"kind": "html", "path": "/" + "*a" * 60 + "!"})
def test_any_fault_is_accepted_or_rejected_with_a_reason(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = client.post(SWITCH, content=json.dumps(body).encode("utf-8", "surrogatepass"))
    assert answer.status_code in (201, 422)
    if answer.status_code == 422:
        assert said(answer).endswith((".", "?"))
        assert "Error" not in said(answer)
    assert client.get(SWITCH).status_code == 200
    assert client.delete(SWITCH).status_code == 204


@given(body=st.binary(max_size=200), content_type=st.sampled_from(["application/json", "text/plain", ""]))
@example(body=b"[" * 100_000, content_type="application/json")
@example(body=b'{"kind": "html", "count": ' + b"9" * 5000 + b"}", content_type="application/json")
@example(body=b'{"kind": "' + b"x" * 2_000_000 + b'"}', content_type="application/json")
def test_any_bytes_sent_to_the_switch_are_refused(client: httpx.Client, body: bytes, content_type: str) -> None:
    answer = client.post(SWITCH, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 422
    assert len(said(answer)) < 500


PATHS = [endpoint.path for endpoint in ENDPOINTS]
SOURCES = sorted({column.source for endpoint in ENDPOINTS for column in endpoint.columns})


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
    path=st.sampled_from(PATHS),
    rest=st.sampled_from(["", "/x", "/x/restore", "/x/issue", "/%00", "/a/b/c", "/export/csv"]),
    query=st.dictionaries(
        st.sampled_from(["page", "pageSize", "startDate", "endDate", "customerId", "x"]),
        st.text(max_size=12),
        max_size=3,
    ),
    body=st.dictionaries(st.sampled_from(SOURCES), values, max_size=4) | values,
)
@example(method="GET", path="/time-reports", rest="", query={"page": "9" * 5000}, body=None)
@example(
    method="GET", path="/time-reports", rest="", query={"startDate": "0001-01-01", "endDate": "9999-12-31"}, body=None
)
@example(method="GET", path="/time-reports", rest="", query={"startDate": "2026-02-30"}, body=None)
def test_any_request_is_answered_as_an_api_answers(
    client: httpx.Client, method: str, path: str, rest: str, query: dict[str, str], body: Any
) -> None:
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    answer = client.request(method, f"/api/integration/v1{path}{rest}", params=query, content=content)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert said(answer)
