"""How webhooks are verified and how much of them is accepted. The vendor publishes no scheme, so the scheme is a setting."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from timix_assets.settings.declaration import Declaration

Scheme = Literal["standard-webhooks", "hmac-sha256-hex", "hmac-sha256-base64", "token"]
"""How an event proves that it comes from the sender."""

_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def _header_name(name: str) -> str:
    if name and not _HEADER.fullmatch(name):
        raise ValueError("is not the name of a header; use letters, digits and hyphens, e.g. X-Signature.")
    return name


_HeaderName = Annotated[str, AfterValidator(_header_name)]


class WebhookSettings(Declaration):
    """Settings of `timix-assets webhooks`, and of the sandbox that sends to it."""

    webhook_secrets: SecretStr = Field(
        default=SecretStr(""),
        repr=False,
        description="The secret that events are signed with; during a rotation the old and the new one, separated by a space. "
        "With it, `timix_changes` reacts to webhooks (docs/webhooks.md).",
    )
    webhook_scheme: Annotated[Scheme, BeforeValidator(lambda value: str(value).casefold())] = Field(
        default="standard-webhooks",
        description="How events are verified: `standard-webhooks`, `hmac-sha256-hex`, `hmac-sha256-base64` or `token`.",
    )
    webhook_signature_header: _HeaderName = Field(
        default="",
        description="Header with the signature or token. Default: `webhook-signature` of Standard Webhooks, "
        "`X-Webhook-Signature` of HMAC, `Authorization` of a token.",
    )
    webhook_timestamp_header: _HeaderName = Field(
        default="",
        description="Header with the time of sending, which is signed with the body (`timestamp.body`). Default: "
        "`webhook-timestamp` of Standard Webhooks, none of HMAC: the body alone is signed.",
    )
    webhook_id_header: _HeaderName = Field(
        default="",
        description="Header with the event's id. Default: `webhook-id` of Standard Webhooks, else none: the hash of what was "
        "sent is the id.",
    )
    webhook_tolerance_seconds: int = Field(
        default=300, ge=1, le=86_400, description="An event whose time of sending differs by more than this is refused."
    )
    webhook_max_body_kb: int = Field(default=256, ge=1, le=10_240, description="Largest event, in kilobytes.")
    webhook_per_minute: int = Field(
        default=600, ge=1, le=100_000, description="Events accepted in any minute; further ones are answered with 429."
    )
    webhook_inbox_mb: int = Field(
        default=16, ge=1, le=1024, description="Size of the inbox, in megabytes. When it is full, the oldest events go."
    )
