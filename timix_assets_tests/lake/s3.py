"""S3 stores on this machine: moto, and stores with defects."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any
from urllib.request import Request, urlopen

import pytest
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from timix_assets.lake.tables import Lake

Asked = list[tuple[str, str]]


class _WithoutLog(WSGIRequestHandler):
    """A refresh makes 3,000 requests."""

    def log_request(self, *_: object) -> None:
        pass


@contextmanager
def store(
    *,
    ignores_conditions: bool = False,
    loses: str | None = None,
    away: Event | None = None,
    stalls: Event | None = None,
) -> Iterator[tuple[dict[str, str], Asked]]:
    """An S3 store on this machine with a bucket: the options to reach it, and the requests (method, path) that it got.

    Args:
        ignores_conditions: Puts are made whatever their condition.
        loses: A part of a path; the first put there is done, and answered with 500.
        away: While it is set, every request is answered with 503 and does nothing.
        stalls: Once it is set, the next put is done and never answered; then it is cleared.
    """
    moto = create_backend_app("s3")
    asked: Asked = []
    lost: list[bool] = []
    one_put = Lock()
    ended = Event()

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if away is not None and away.is_set():
            start("503 Service Unavailable", [("Content-Length", "0")])
            return []
        if ignores_conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
            environ.pop("HTTP_IF_MATCH", None)
        if loses and environ["REQUEST_METHOD"] == "PUT" and loses in environ["PATH_INFO"] and not lost:
            lost.append(True)
            list(moto(environ, lambda *_: None))
            start("500 Internal Server Error", [("Content-Length", "0")])
            return []
        if environ["REQUEST_METHOD"] != "PUT":
            return moto(environ, start)
        # moto looks at a condition and writes in two steps, a real store in one.
        with one_put:
            answer = list(moto(environ, start))
        if stalls is not None and stalls.is_set():
            stalls.clear()
            ended.wait()
        return answer

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_WithoutLog)
    serving = Thread(target=server.serve_forever, daemon=True)
    serving.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    urlopen(Request(f"{endpoint}/lakes", method="PUT")).close()
    options = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
    }
    try:
        yield options, asked
    finally:
        ended.set()
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, str]]:
    """The options of one store for all tests of a file. Imported by the conftest of each room that wants it."""
    with store() as (options, _):
        yield options


@pytest.fixture
def url() -> str:
    """Where no lake is yet."""
    return f"s3://lakes/{secrets.token_hex(4)}"


def new_lake(options: dict[str, str]) -> Lake:
    return Lake(f"s3://lakes/{secrets.token_hex(4)}", options)
