"""A Google Cloud store on this machine: as much of its XML API as puts, gets and heads of objects need."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock, Thread

METADATA = "x-goog-meta-"


@contextmanager
def store() -> Iterator[dict[str, str]]:
    """The options to reach it as `gs://lakes/…`. A put is made on the condition of a generation, never of a tag."""
    objects: dict[str, tuple[int, bytes, dict[str, str]]] = {}
    one_put = Lock()
    generations = count(10**15)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            wanted = self.headers.get("x-goog-if-generation-match")
            with one_put:
                found = objects[self.path][0] if self.path in objects else 0
                if wanted is not None and int(wanted) != found:
                    self._answer(412)
                    return
                marks = {name: value for name, value in self.headers.items() if name.lower().startswith(METADATA)}
                generation = next(generations)
                objects[self.path] = (generation, content, marks)
            self._answer(200, b"", generation)

        def do_GET(self) -> None:
            if self.path in objects:
                generation, content, marks = objects[self.path]
                self._answer(200, content, generation, marks)
            else:
                self._answer(404)

        do_HEAD = do_GET  # noqa: N815

        def _answer(
            self, status: int, content: bytes = b"", generation: int = 0, marks: Mapping[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for name, value in (marks or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            if generation:
                self.send_header("x-goog-generation", str(generation))
                self.send_header("ETag", f'"{md5(content, usedforsecurity=False).hexdigest()}"')
                self.send_header("Last-Modified", formatdate(usegmt=True))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = Thread(target=server.serve_forever, daemon=True)
    serving.start()
    account = {"gcs_base_url": f"http://127.0.0.1:{server.server_port}", "disable_oauth": True}
    unused = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    try:
        yield {"google_service_account_key": json.dumps({**account, **unused}), "allow_http": "true"}
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
