"""Signing and verifying events by the scheme of the settings. Pure: the clock is passed in."""

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

from timix_assets.errors import TimixAssetsError
from timix_assets.settings.errors import SettingsError
from timix_assets.settings.webhooks import Scheme, WebhookSettings

MAX_SECRETS = 2
MILLISECONDS_FROM = 100_000_000_000
"""A timestamp from here on counts milliseconds: as seconds it would be the year 5138."""

_SECRET_PREFIX = "whsec_"
_SIGNATURE_PREFIX = re.compile(r"^(v1,|v1=|sha256=)")


class EventRefused(TimixAssetsError):  # noqa: N818  it reads as what happened
    """The event is not from the sender, or too old. The message names no secret and nothing that was sent."""


@dataclass(frozen=True, slots=True)
class _Headers:
    signature: str
    timestamp: str
    id: str


_DEFAULT_HEADERS: Mapping[Scheme, _Headers] = {
    "standard-webhooks": _Headers("webhook-signature", "webhook-timestamp", "webhook-id"),
    "hmac-sha256-hex": _Headers("x-webhook-signature", "", ""),
    "hmac-sha256-base64": _Headers("x-webhook-signature", "", ""),
    "token": _Headers("authorization", "", ""),
}


@dataclass(frozen=True)
class Signatures:
    """One scheme with its secrets.

    Args:
        scheme: Decides what is signed and how the signature is written.
        secrets: The keys that are accepted; the first one signs.
        headers: Their names in lower case; empty where there is none.
        tolerance_seconds: How far the time of sending may be from now, in both directions.
    """

    scheme: Scheme
    secrets: Sequence[bytes] = field(repr=False)
    headers: _Headers
    tolerance_seconds: int

    @classmethod
    def of(cls, settings: WebhookSettings) -> Self:
        """The scheme of the settings; SettingsError when they do not fit together, without the secret."""
        texts = settings.webhook_secrets.get_secret_value().split()
        if not texts:
            raise SettingsError(
                "TIMIX_WEBHOOK_SECRETS is not set; put the secret that your sender signs with into .env, or name a file that "
                "holds it in TIMIX_WEBHOOK_SECRETS_FILE (docs/webhooks.md)."
            )
        if len(texts) > MAX_SECRETS:
            raise SettingsError(
                f"TIMIX_WEBHOOK_SECRETS holds {len(texts)} secrets; keep the new one and the one before it."
            )
        scheme = settings.webhook_scheme
        if scheme == "token" and settings.webhook_timestamp_header:
            raise SettingsError(
                "TIMIX_WEBHOOK_TIMESTAMP_HEADER: a token signs no time; leave it empty, or choose an HMAC scheme."
            )
        if scheme == "token" and not all(text.isascii() for text in texts):
            raise SettingsError(
                "TIMIX_WEBHOOK_SECRETS: a token is sent in a header, which holds only ASCII characters; choose another token."
            )
        default = _DEFAULT_HEADERS[scheme]
        headers = _Headers(
            (settings.webhook_signature_header or default.signature).lower(),
            (settings.webhook_timestamp_header or default.timestamp).lower(),
            (settings.webhook_id_header or default.id).lower(),
        )
        keys = [_standard_key(text) if scheme == "standard-webhooks" else text.encode() for text in texts]
        return cls(scheme, keys, headers, settings.webhook_tolerance_seconds)

    def sign(self, event_id: str, now: float, body: bytes) -> dict[str, str]:
        """The headers that make an event of this scheme. now: seconds since 1970."""
        timestamp = str(int(now))
        if self.scheme == "token":
            signature = self.secrets[0].decode()
        else:
            digest = _hmac(self.secrets[0], self._signed_content(event_id, timestamp, body))
            signature = self._written(digest)
        sent = {self.headers.signature: signature, self.headers.timestamp: timestamp, self.headers.id: event_id}
        return {name: value for name, value in sent.items() if name}

    def verify(self, headers: Mapping[str, str], body: bytes, now: float) -> str:
        """The event's key: the same for each copy of one event, and different for every other.

        Only Standard Webhooks sign the id. With another scheme, whoever recorded an event can give its copies other ids, and
        so other keys: all they do is make the sensor look.

        Args:
            headers: By their names in lower case.
            body: The bytes as they were sent.
            now: Seconds since 1970.

        Raises:
            EventRefused: A header is missing, the event is too old, or no secret fits.
        """
        signature = _required(headers, self.headers.signature)
        event_id = headers.get(self.headers.id, "")
        timestamp = ""
        if self.headers.timestamp:
            timestamp = _required(headers, self.headers.timestamp)
            if abs(now - _seconds(timestamp)) > self.tolerance_seconds:
                raise EventRefused("the time of sending is outside the tolerance")
        if self.scheme == "standard-webhooks":
            event_id = _required(headers, self.headers.id)
        content = self._signed_content(event_id, timestamp, body)
        if not self._fits(signature, content):
            raise EventRefused("the token is wrong" if self.scheme == "token" else "the signature is wrong")
        return sha256(event_id.encode() if event_id else content).hexdigest()

    def _fits(self, sent: str, content: bytes) -> bool:
        """Whether one of the signatures fits one of the secrets, in constant time for each pair."""
        if self.scheme == "token":
            candidates, expected = [sent.removeprefix("Bearer ").strip().encode()], list(self.secrets)
        else:
            signatures = [_SIGNATURE_PREFIX.sub("", each) for each in re.split(r" +|,(?=v1|sha)", sent)]
            is_hex = self.scheme == "hmac-sha256-hex"
            candidates = [(each.lower() if is_hex else each).encode() for each in signatures]
            expected = [self._written(_hmac(key, content), bare=True).encode() for key in self.secrets]
        return any([hmac.compare_digest(one, other) for one in candidates for other in expected])  # noqa: C419  no early end

    def _signed_content(self, event_id: str, timestamp: str, body: bytes) -> bytes:
        if self.scheme == "standard-webhooks":
            return f"{event_id}.{timestamp}.".encode() + body
        return f"{timestamp}.".encode() + body if timestamp and self.headers.timestamp else body

    def _written(self, digest: bytes, *, bare: bool = False) -> str:
        if self.scheme == "hmac-sha256-hex":
            return digest.hex()
        text = base64.b64encode(digest).decode()
        return f"v1,{text}" if self.scheme == "standard-webhooks" and not bare else text


def _hmac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, sha256)


def _standard_key(text: str) -> bytes:
    encoded = text.removeprefix(_SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        # Raised below: this error is about the secret.
        key = b""
    if key:
        return key
    raise SettingsError(
        "TIMIX_WEBHOOK_SECRETS: a secret of Standard Webhooks is base64, with or without whsec_ before it; copy it again from "
        "the sender."
    )


def _required(headers: Mapping[str, str], name: str) -> str:
    if not headers.get(name):
        raise EventRefused(f"the header {name} is missing")
    return headers[name]


def _seconds(timestamp: str) -> float:
    if not re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,9})?", timestamp):
        raise EventRefused("the time of sending is not a count of seconds or milliseconds since 1970")
    number = float(timestamp)
    return number / 1000 if number >= MILLISECONDS_FROM else number
