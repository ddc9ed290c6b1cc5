"""`timix-assets webhooks`: receives events, so that the sensor `timix_changes` looks at once."""

import socket
from collections.abc import Callable

from timix_assets.settings import Settings
from timix_assets.text.wording import count_noun
from timix_assets.webhooks.inbox import Inbox
from timix_assets.webhooks.rate_limit import RateLimit
from timix_assets.webhooks.server import PATH, Receiver, http_server
from timix_assets.webhooks.signatures import Signatures


def run(settings: Settings, host: str, port: int, echo: Callable[[str], None], log: Callable[[str], None]) -> None:
    """Serves until the process is interrupted.

    Raises:
        SettingsError: No secret is set, or one that does not fit the scheme.
        InboxError: The inbox cannot be opened.
        OSError: The port is taken.
    """
    signatures = Signatures.of(settings)
    assert settings.webhook_inbox is not None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        Inbox(settings.webhook_inbox, settings.webhook_inbox_mb) as inbox,
        # More connections than are served: the others get an answer that says so.
        socket.create_server((host, port), family=family, backlog=1024) as listening,
    ):
        receiver = Receiver(
            inbox,
            signatures,
            RateLimit(settings.webhook_per_minute),
            settings.webhook_max_body_kb * 1024,
            log=log,
        )
        name = f"[{host}]" if ":" in host else host
        secrets = count_noun(len(signatures.secrets), "secret")
        echo(f"Receiving events at http://{name}:{listening.getsockname()[1]}{PATH} ({signatures.scheme}, {secrets}).")
        echo("timix_changes looks at once when one comes, if that sensor is on. Ctrl-C stops the receiver.")
        http_server(receiver).run([listening])
