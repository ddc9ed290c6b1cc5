"""Which of an endpoint's paths answers; the same for assets, doctor and change sensor."""

from collections.abc import Callable
from typing import TypeVar

from timix_assets.api.errors import NotFound
from timix_assets.contract.schema import Endpoint
from timix_assets.text.doctor_advice import SHOWS_HOW

Answer = TypeVar("Answer")


def first_answer(
    endpoint: Endpoint, request: Callable[[str], Answer], known_path: str | None = None
) -> tuple[str, Answer]:
    """Requests the path, and each fallback path in order as long as the server answers 404.

    Args:
        known_path: the path that answered before, which is tried first.

    Returns:
        The path that answered, and its answer.

    Raises:
        NotFound: no path exists; the message names all of them.
    """
    paths = sorted((endpoint.path, *endpoint.fallback_paths), key=lambda path: path != known_path)
    for path in paths:
        try:
            return path, request(path)
        except NotFound as error:
            not_found = error
    if len(paths) == 1:
        raise not_found
    raise NotFound(
        f"GET {paths[0]}: the server answered 404, and for {' and '.join(paths[1:])} too; check TIMIX_BASE_URL, or set "
        f"another path in TIMIX_OVERRIDES{SHOWS_HOW}.",
        status=not_found.status,
        code=not_found.code,
        server_message=not_found.server_message,
    ) from None
