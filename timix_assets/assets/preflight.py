"""What every asset does before its first request or write: lock the lake, and verify whose data it holds."""

from weakref import WeakKeyDictionary

from dagster import AssetExecutionContext

from timix_assets.api.client import TimixClient
from timix_assets.ingest.organization import Organization, key_organization
from timix_assets.resources import LakeResource, TimixResource

READ_HERE = ("timix/me", "timix/organization")
"""Tables whose rows are requested here, before their own assets start; the client caches the answers."""

_ORGANIZATIONS: WeakKeyDictionary[TimixClient, Organization | None] = WeakKeyDictionary()
"""The organization of each run's client, so that only the first asset requests it."""


def prepare_client(context: AssetExecutionContext, timix: TimixResource, lake: LakeResource) -> TimixClient:
    """The run's client, once this process has locked the lake and the key belongs to the lake's organization.

    Raises:
        LakeError: another run holds the lock too long, or the lake belongs to another organization.
    """
    client = timix.client()
    lake.acquire_lock(context.instance, context.run)
    if client not in _ORGANIZATIONS:
        lake.take_turn(client)
        lake.take_snapshots(context.run, READ_HERE)
        _ORGANIZATIONS[client] = key_organization(client, timix.endpoint)
    organization = _ORGANIZATIONS[client]
    if organization is None:
        context.log.warning(
            "/me and /organization return no organization id, so the lake's owner cannot be verified; set "
            "columns.organization_id of the endpoint me by an override."
        )
    else:
        lake.store.metadata.verify_organization(*organization)
    return client
