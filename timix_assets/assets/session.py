"""What every asset does before its first request or write: wait for its turn, and make sure whose data this is."""

from weakref import WeakKeyDictionary

import polars as pl
from dagster import AssetExecutionContext

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import Forbidden
from timix_assets.assets.fetch import rows_of
from timix_assets.contract.records import decode
from timix_assets.lake.io_manager import LakeResource
from timix_assets.resources import TimixResource

Organization = tuple[str, str | None]
"""Id and name."""

_ORGANIZATIONS: WeakKeyDictionary[TimixClient, Organization | None] = WeakKeyDictionary()
"""What each run's client found, so that no asset after the first asks /organization again."""


def begin(context: AssetExecutionContext, timix: TimixResource, lake: LakeResource) -> TimixClient:
    """The run's client, once the lake is this process's and the key belongs to the lake's organization.

    TurnTimeout when another run holds the lake too long; OtherOrganization before anything is written.
    """
    client = timix.client()
    lake.take_turn(context.instance, context.run)
    if client not in _ORGANIZATIONS:
        _ORGANIZATIONS[client] = _organization(client, timix)
    organization = _ORGANIZATIONS[client]
    if organization is None:
        context.log.warning(
            "Neither /me nor /organization tells this key its organization's id, so this lake cannot tell whose data it holds; "
            "set columns.organization_id of the endpoint me by an override."
        )
    else:
        lake.lake.memory.verify_organization(*organization)
    return client


def role_of(client: TimixClient, timix: TimixResource) -> str | None:
    """The role that the key acts in; None when /me does not say."""
    me = _identity(client, timix)
    return None if me.is_empty() else me["role"][0]


def _identity(client: TimixClient, timix: TimixResource) -> pl.DataFrame:
    """The row of /me, or none."""
    return decode(timix.endpoint("me"), rows_of(client.me(), client.me_path)).rows


def _organization(client: TimixClient, timix: TimixResource) -> Organization | None:
    """As /me says; /organization is asked only when /me is silent. None where neither names one, or may name it."""
    me = _identity(client, timix)
    if not me.is_empty() and me["organization_id"][0] is not None:
        return me["organization_id"][0], me["organization_name"][0]
    endpoint = timix.endpoint("organization")
    try:
        answer = client.get(endpoint.path)
    except Forbidden:
        if not endpoint.skip_forbidden:
            raise
        return None
    organization = decode(endpoint, rows_of(answer, endpoint.path)).rows
    if organization.is_empty():
        return None
    return organization["id"][0], organization["name"][0]
