"""What every asset does before its first request or write: wait for its turn, and make sure whose data this is."""

import polars as pl
from dagster import AssetExecutionContext

from timix_assets.api.client import TimixClient
from timix_assets.assets.fetch import rows_of
from timix_assets.contract.records import decode
from timix_assets.lake.io_manager import LakeResource
from timix_assets.resources import TimixResource


def begin(context: AssetExecutionContext, timix: TimixResource, lake: LakeResource) -> TimixClient:
    """The run's client, once the lake is this process's and the key belongs to the lake's organization.

    TurnTimeout when another run holds the lake too long; OtherOrganization before anything is written.
    """
    client = timix.client()
    lake.take_turn(context.instance, context.run)
    organization = _organization(client, timix)
    if organization is None:
        context.log.warning(
            "Neither /me nor /organization names an organization's id, so this lake cannot tell whose data it holds; "
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


def _organization(client: TimixClient, timix: TimixResource) -> tuple[str, str | None] | None:
    """Id and name, as /me says; /organization is asked only when /me is silent."""
    me = _identity(client, timix)
    if not me.is_empty() and me["organization_id"][0] is not None:
        return me["organization_id"][0], me["organization_name"][0]
    endpoint = timix.endpoint("organization")
    organization = decode(endpoint, rows_of(client.get(endpoint.path), endpoint.path)).rows
    if organization.is_empty():
        return None
    return organization["id"][0], organization["name"][0]
