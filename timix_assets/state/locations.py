"""The one spelling of a lake's location, by which this machine's files about it are named."""

from pathlib import Path

FILE_SCHEME = "file://"


def normalized_location(url: str) -> str:
    """An absolute folder, or the URL of an object store, without a slash at its end."""
    if "://" in url and not url.startswith(FILE_SCHEME):
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{rest.rstrip('/')}"
    return str(Path(url.removeprefix(FILE_SCHEME)).expanduser().resolve())
