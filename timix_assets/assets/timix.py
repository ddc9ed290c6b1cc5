"""Every resource and report of the contract as an asset, made by one factory."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    Failure,
    MaterializeResult,
    MetadataValue,
    asset,
)

from timix_assets import bounds, environment
from timix_assets.api.client import Stats, TimixClient
from timix_assets.api.errors import Forbidden, StatusError
from timix_assets.assets.alike import sentence as alike_sentence
from timix_assets.assets.columns import column_schema
from timix_assets.assets.fetch import MOST_REJECTED, Fetched, fetch, why_skipped
from timix_assets.assets.held import MOST_SHOWN
from timix_assets.assets.progress import logged
from timix_assets.assets.session import begin, role_of
from timix_assets.automation.partitions import MONTHLY
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.schema import Endpoint, Window
from timix_assets.failures import plainly
from timix_assets.lake.io_manager import KEY_METADATA, LakeResource, months_of_run
from timix_assets.lake.spool import Spool
from timix_assets.resources import TimixResource
from timix_assets.wording import counted

OWNERS = ["team:timix-data"]
KINDS = {"http", "polars", "deltalake"}

CONTRACT_KEPT = "contract_kept"
ROWS_READABLE = "rows_readable"
DOUBLES_AGREE = "doubles_agree"


def raw_asset(endpoint: Endpoint) -> AssetsDefinition:
    """The asset that reads one endpoint whole, or the run's months of a dated one, and hands it to the lake."""
    key = AssetKey(["timix", endpoint.name])
    dated = endpoint.window is not Window.NONE

    @asset(
        key=key,
        description=_description(endpoint),
        group_name=endpoint.group,
        kinds=KINDS,
        owners=OWNERS,
        partitions_def=MONTHLY if dated else None,
        backfill_policy=BackfillPolicy.single_run(),
        metadata={
            KEY_METADATA: list(endpoint.key),
            "dagster/column_schema": column_schema(endpoint.table_columns),
            "dagster/table_name": "/".join(key.path),
            "path": endpoint.path,
            "path_is": _basis(endpoint),
        },
        check_specs=_check_specs(key),
        output_required=False,
    )
    def read(
        context: AssetExecutionContext, timix: TimixResource, lake: LakeResource
    ) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        with plainly():
            months = months_of_run(context) if dated else None
            wanted = timix.endpoint(endpoint.name)
            client = begin(context, timix, lake)
            before = client.stats
            with Spool(wanted.schema, wanted.key) as spool:
                try:
                    with logged(context.log, lambda: (client.stats - before).waited_seconds):
                        fetched = fetch(
                            client,
                            wanted,
                            spool,
                            months,
                            lambda: _customer_ids(client, timix),
                            most_rejected=max(timix.max_rejected_rows, MOST_REJECTED),
                        )
                except Forbidden as refused:
                    if not wanted.skip_forbidden:
                        raise
                    yield from _skipped(key, why_skipped(refused))
                    return
                lake.lake.quarantine(
                    endpoint.name, fetched.rejected, months=months, run_id=context.run.run_id, seen_at=datetime.now(UTC)
                )
                _refuse_unreadable(endpoint, fetched, timix)
                yield MaterializeResult(
                    value=fetched.spooled,
                    metadata=_metadata(fetched, client.stats - before + _beforehand(endpoint, client)),
                    check_results=_check_results(key, wanted, fetched, role_of(client, timix)),
                )

    return read


def _description(endpoint: Endpoint) -> str:
    read = {
        Window.NONE: "Read whole in every run.",
        Window.RANGE: "Read by month: one listing for all months of a run, which replace those months.",
        Window.MONTH: "Read by month: the report is asked once for each month of a run.",
    }[endpoint.window]
    return f"{endpoint.description}\n\n{read} `GET {endpoint.path}`, {_basis(endpoint)}."


def _basis(endpoint: Endpoint) -> str:
    if endpoint.documented:
        return f"a documented path (timix.ai, {endpoint.documented})"
    return "an assumed path: the vendor does not document it, an override can change it"


def _customer_ids(client: TimixClient, timix: TimixResource) -> Sequence[str]:
    """Every customer, for a report that the server gives one customer at a time.

    A refusal of /customers is no Forbidden here: what the report may skip is a refusal of its own.
    """
    customers = timix.endpoint("customers")
    with Spool(customers.schema, customers.key) as spool:
        try:
            found = fetch(client, customers, spool).spooled.frame
        except Forbidden as refused:
            raise StatusError(
                str(refused), status=refused.status, code=refused.code, server_message=refused.server_message
            ) from None
        return found.select("id").collect()["id"].to_list()


def _refuse_unreadable(endpoint: Endpoint, fetched: Fetched, timix: TimixResource) -> None:
    """Red before anything is replaced: the key's field is gone, or too many rows cannot be read."""
    rejected, records = fetched.rejected_rows, fetched.findings.records
    gone = fetched.findings.missing_required(endpoint)
    if gone:
        what = "key field" if gone[0] in endpoint.key else "required field"
        raise Failure(
            f"{fetched.path}: none of the {records:,} records read has the {what} {', '.join(gone)}, so nothing was replaced; "
            f"run `timix-assets doctor` to see which field it could be, and name that in {environment.OVERRIDES.name}.",
            allow_retries=False,
        )
    share_passed = rejected > 1 and rejected > timix.max_rejected_share * records
    if rejected > timix.max_rejected_rows or share_passed:
        passed = bounds.MAX_REJECTED_SHARE if share_passed else bounds.MAX_REJECTED_ROWS
        raise Failure(
            f"{fetched.path}: {rejected:,} of {records:,} rows cannot be read "
            f"(most often: {fetched.reasons.most_common(1)[0][0]}), so nothing was replaced; "
            f"look at the table quarantine/{endpoint.name}, which holds the first of them, then put the column right in "
            f"{environment.OVERRIDES.name}, or raise {passed.variable}.",
            allow_retries=False,
        )


def _beforehand(endpoint: Endpoint, client: TimixClient) -> Stats:
    """What asking /me took goes to /me's own account, whichever asset was first to need it."""
    return client.me_stats if endpoint.name == "me" else Stats()


def _metadata(fetched: Fetched, stats: Stats) -> dict[str, MetadataValue[Any]]:
    return {
        "requests": MetadataValue.int(stats.requests),
        "retries": MetadataValue.int(stats.retries),
        "rate_limited": MetadataValue.int(stats.rate_limited),
        "seconds_waited": MetadataValue.float(round(stats.waited_seconds, 3)),
        "records_received": MetadataValue.int(fetched.findings.records),
        "rows_rejected": MetadataValue.int(fetched.rejected_rows),
        "rows_outside_window": MetadataValue.int(fetched.outside),
        "doubles_dropped": MetadataValue.int(fetched.spooled.duplicates),
        "path_read": MetadataValue.text(fetched.path),
    }


def _check_specs(key: AssetKey) -> list[AssetCheckSpec]:
    return [
        AssetCheckSpec(
            CONTRACT_KEPT,
            asset=key,
            description="The API sent the fields, values and rows that the contract expects. "
            "What it sent beyond that is kept in _rescued_data.",
        ),
        AssetCheckSpec(
            ROWS_READABLE, asset=key, description="Every row could be read; the others are in the quarantine table."
        ),
        AssetCheckSpec(
            DOUBLES_AGREE, asset=key, description="Rows that the API sent twice under one key were the same."
        ),
    ]


def _skipped(key: AssetKey, why: str) -> Iterator[AssetCheckResult]:
    """Nothing is materialized; one check says why, so that the table does not pass for fresh.

    Dagster wants a result of the others too.
    """
    yield _warning(key, CONTRACT_KEPT, [why])
    for name in (ROWS_READABLE, DOUBLES_AGREE):
        yield _warning(key, name, [], ["Not read."])


def _check_results(key: AssetKey, endpoint: Endpoint, fetched: Fetched, role: str | None) -> list[AssetCheckResult]:
    departures = fetched.findings.sentences(endpoint, role)
    expected = fetched.findings.on_hidden_fields(endpoint, role)
    if fetched.outside:
        departures.append(
            f"{fetched.outside:,} rows lay outside the asked months and were dropped: the server may not know the date "
            "parameters under these names."
        )
    if fetched.alike:
        departures.append(alike_sentence(endpoint, fetched.alike))
    conflicting = list(fetched.spooled.conflicting)
    return [
        _warning(key, CONTRACT_KEPT, departures, expected),
        _warning(
            key, ROWS_READABLE, [f"{reason}: {counted(rows, 'row')}" for reason, rows in fetched.reasons.most_common()]
        ),
        _warning(key, DOUBLES_AGREE, [f"{double} came twice with different content" for double in conflicting]),
    ]


def _warning(key: AssetKey, name: str, departures: Sequence[str], expected: Sequence[str] = ()) -> AssetCheckResult:
    """Fails when there are departures; what was expected is told beside them."""
    shown = list(departures[:MOST_SHOWN])
    if len(departures) > MOST_SHOWN:
        shown.append(f"… and {len(departures) - MOST_SHOWN} more")
    shown += expected
    return AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=not departures,
        severity=AssetCheckSeverity.WARN,
        description="\n".join(shown) or None,
        metadata={"departures": MetadataValue.md("\n".join(f"- {line}" for line in shown))} if shown else {},
    )


ASSETS = [raw_asset(endpoint) for endpoint in ENDPOINTS]
