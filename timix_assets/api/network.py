"""Which server the client may talk to, and how: the base URL, TLS and proxies."""

import ipaddress
import ssl
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from timix_assets.text.key_mask import contains_key

from .deadline import Deadline, DeadlineTransport
from .errors import ClientConfigError
from .limits import Limits

_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
"""OpenSSL's codes for a certificate whose signer is missing, self-signed or unknown."""


def checked_base_url(base_url: str) -> str:
    """`base_url` without its trailing slash.

    Raises:
        ClientConfigError: It is not https (http is fine on this machine), or contains an API key: URLs are logged.
    """
    if contains_key(unquote(base_url)):
        raise ClientConfigError(
            "TIMIX_BASE_URL contains an API key, which would be shown with it: set the key in TIMIX_API_KEY only, and "
            "write the URL as https://host/path."
        )
    try:
        parts, url = urlsplit(base_url), httpx.URL(base_url)
        # As when a request is sent: an invalid port, or a label that is empty, too long or not IDN, fails here.
        _ = parts.port, url.host, url.raw_host.decode().encode("idna")
    except (ValueError, httpx.InvalidURL):
        parts = urlsplit("")
    if not parts.hostname or parts.query or parts.fragment or parts.username or parts.scheme not in ("http", "https"):
        raise ClientConfigError(
            "TIMIX_BASE_URL is not the URL of an API: write it as https://host/path, without user, query or fragment."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ClientConfigError(
            f"TIMIX_BASE_URL must be https, as the API key would be sent to {parts.hostname} unencrypted: "
            "write https:// instead of http://."
        )
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _tls_for(base_url: str) -> ssl.SSLContext:
    """The trusted certificates; none for http, which stays on this machine: reading them takes 26 ms."""
    if urlsplit(base_url).scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.create_ssl_context()


def pooled_transport(base_url: str, limits: Limits, deadline: Deadline) -> httpx.BaseTransport:
    """A pool of connections to the base URL; ClientConfigError for certificates or a proxy that cannot be used."""
    try:
        tls = _tls_for(base_url)
    except (OSError, ssl.SSLError) as fault:
        raise ClientConfigError(
            f"SSL_CERT_FILE or SSL_CERT_DIR does not name readable certificates ({fault}): name a PEM file, or unset it."
        ) from None
    try:
        pool = httpx.Limits(max_connections=None, max_keepalive_connections=limits.concurrency)
        return DeadlineTransport(tls, pool, _proxy_for(base_url), deadline)
    except (ValueError, httpx.InvalidURL, ImportError):
        message = "HTTPS_PROXY or ALL_PROXY names a proxy that cannot be used: write it as http://host:port."
    raise ClientConfigError(message)


def _proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for `base_url`; None for this machine and for what NO_PROXY lists."""
    parts = urlsplit(base_url)
    if is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def tls_fault_of(fault: BaseException) -> ssl.SSLError | None:
    """The TLS error behind a failure; None when the cause was another."""
    cause: BaseException | None = fault
    while cause is not None:
        # A connection that ends during the handshake is broken, not a failed verification.
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def why_refused(fault: ssl.SSLError) -> str:
    """Why there is no secure connection, and what to do."""
    if not isinstance(fault, ssl.SSLCertVerificationError):
        reason = (fault.reason or "no reason given").replace("_", " ").lower()
        return f"the server does not speak TLS correctly ({reason}); check TIMIX_BASE_URL and the proxy variables"
    reason = fault.verify_message.rstrip(".")
    if fault.verify_code in _UNKNOWN_AUTHORITY:
        return (
            f"its certificate is signed by an authority that this machine does not trust ({reason}); "
            "if your company signs its own certificates, set SSL_CERT_FILE to its CA file"
        )
    return (
        f"its certificate is not valid ({reason}); check TIMIX_BASE_URL and this machine's clock, "
        "or ask the operator of the server"
    )
