"""A webhook on loopback: what Apprise's json:// URLs post to."""

import json
import secrets
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class WebhookReceiver:
    """Keeps every message that it took while it answers 2xx; `answers` can be set to another status. Its URL holds a secret."""

    def __init__(self) -> None:
        self.secret = secrets.token_hex(12)
        self.answers = 200
        self.asked = 0
        self.messages: list[tuple[str, str]] = []
        self.attachments: list[tuple[str, bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.asked += 1
                if receiver.answers < 300:
                    receiver.messages.append((sent["title"], sent["message"]))
                    receiver.attachments += [
                        (each["filename"], b64decode(each["base64"])) for each in sent.get("attachments", [])
                    ]
                self.send_response(receiver.answers)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"json://someone:{self.secret}@127.0.0.1:{self._server.server_port}/{self.secret}"

    @property
    def titles(self) -> list[str]:
        return [title for title, _ in self.messages]

    def __enter__(self) -> "WebhookReceiver":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
