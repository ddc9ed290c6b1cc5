"""The organization and the role of an API key, as /me and /organization say."""

from collections.abc import Callable

import polars as pl

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import Forbidden
from timix_assets.contract.records import decode
from timix_assets.contract.schema import Endpoint
from timix_assets.ingest.fetch import records_in

Organization = tuple[str, str | None]
"""Id and name."""


def key_role(client: TimixClient, me: Endpoint) -> str | None:
    """The role that the key acts in; None when /me does not say."""
    row = _key_record(client, me)
    return None if row.is_empty() else row["role"][0]


def key_organization(client: TimixClient, endpoint_named: Callable[[str], Endpoint]) -> Organization | None:
    """The organization that the key belongs to; /organization is requested only if /me does not name it.

    Returns:
        None if neither names one, or an override skips a forbidden /organization.
    """
    me = _key_record(client, endpoint_named("me"))
    if not me.is_empty() and me["organization_id"][0] is not None:
        return me["organization_id"][0], me["organization_name"][0]
    endpoint = endpoint_named("organization")
    try:
        answer = client.get(endpoint.path)
    except Forbidden:
        if not endpoint.skip_forbidden:
            raise
        return None
    row = decode(endpoint, records_in(answer, endpoint.path)).rows
    return None if row.is_empty() else (row["id"][0], row["name"][0])


def _key_record(client: TimixClient, me: Endpoint) -> pl.DataFrame:
    """The row of /me, or none."""
    return decode(me, records_in(client.me(), client.me_path)).rows
