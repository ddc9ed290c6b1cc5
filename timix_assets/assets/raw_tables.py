"""The raw tables: every endpoint of the contract as an asset, made by one factory."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    Failure,
    MaterializeResult,
    MetadataValue,
    MonthlyPartitionsDefinition,
    TableSchema,
    asset,
)

from timix_assets.api.client import Stats, TimixClient
from timix_assets.api.errors import Forbidden, StatusError
from timix_assets.assets.asset_details import HOURLY, NIGHTLY
from timix_assets.assets.checks.outcome import MAX_SHOWN, check_result
from timix_assets.assets.io_manager import PRIMARY_KEY_METADATA, ReadRows
from timix_assets.assets.preflight import prepare_client
from timix_assets.assets.quarantine import observation
from timix_assets.assets.table_schema import code_version, column_schema
from timix_assets.contract.endpoints import BY_NAME, ENDPOINTS, ORGANIZATION
from timix_assets.contract.schema import Endpoint, Window
from timix_assets.ingest.fetch import MAX_REJECTED_KEPT, Fetched, fetch, skipped_message
from timix_assets.ingest.identical_months import identical_months_message
from timix_assets.ingest.organization import key_role
from timix_assets.ingest.progress import Progress, progress_log
from timix_assets.lake.quarantine import quarantine
from timix_assets.lake.spool import Spool
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.partitions import months_of_run
from timix_assets.resources import LakeResource, TimixResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.state.time_zone import store_time_zone
from timix_assets.text.printable import markdown, printable, without_markup
from timix_assets.text.wording import count_noun

KINDS = {"http", "polars", "deltalake"}

RELOAD = "A running UI reads settings and overrides again with *Reload definitions* (Deployment)."

PARTITIONED = "Partitioned by month; the key of a partition is the first day of its month, e.g. 2026-11-01."

MATCHES_CONTRACT = "matches_contract"
ALL_ROWS_PARSED = "all_rows_parsed"
NO_CONFLICTING_DUPLICATES = "no_conflicting_duplicates"
CHECKS = {
    MATCHES_CONTRACT: "The fields, values and rows match the contract. Anything else that the API sent is kept in "
    "_rescued_data.",
    ALL_ROWS_PARSED: "Every row could be parsed; the others are in the quarantine table, an asset of its own.",
    NO_CONFLICTING_DUPLICATES: "Rows that the API sent twice with the same key are identical.",
}


def raw_asset(endpoint: Endpoint, months: MonthlyPartitionsDefinition, names: Namespace = PROJECT) -> AssetsDefinition:
    """The asset that reads an endpoint, or the run's months of a dated one, into the lake."""
    table = f"timix/{endpoint.name}"
    key = names.key(table)
    dated = endpoint.window is not Window.NONE

    @asset(
        key=key,
        description=_description(endpoint),
        group_name=f"raw_{endpoint.group}",
        kinds=KINDS,
        tags=HOURLY if endpoint.changes_during_day else NIGHTLY,
        code_version=code_version(endpoint.schema),
        partitions_def=months if dated else None,
        backfill_policy=BackfillPolicy.single_run(),
        metadata={
            PRIMARY_KEY_METADATA: list(endpoint.key),
            "dagster/column_schema": _columns(endpoint.name),
            "dagster/table_name": table,
            "path": endpoint.path,
            "path_source": _path_source(endpoint),
        },
        check_specs=[AssetCheckSpec(name, asset=key, description=passed) for name, passed in CHECKS.items()],
        output_required=False,
        io_manager_key=names.named("io_manager"),
    )
    @names.bound
    def read(
        context: AssetExecutionContext, timix: TimixResource, lake: LakeResource
    ) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        with as_dagster_failure():
            run_months = months_of_run(context) if dated else None
            overridden = timix.endpoint(endpoint.name)
            client = prepare_client(context, timix, lake)
            before = client.stats
            target = lake.snapshot_before(context.run, table) or lake.store.snapshot(table)
            log_progress = progress_log(context.log, lambda: (client.stats - before).waited_seconds)

            def on_progress(progress: Progress) -> None:
                log_progress(progress)
                timix.on_progress(progress)

            with Spool(overridden.schema, overridden.key, target=target) as spool:
                try:
                    fetched = fetch(
                        client,
                        overridden,
                        spool,
                        run_months,
                        lambda: _customer_ids(client, timix),
                        max_rejected=max(timix.max_rejected_rows, MAX_REJECTED_KEPT),
                        on_progress=on_progress,
                    )
                except Forbidden as refused:
                    if not overridden.skip_forbidden:
                        raise
                    yield from _skipped(key, skipped_message(refused))
                    return
                is_held = quarantine(
                    lake.store,
                    endpoint.name,
                    fetched.rejected,
                    months=run_months,
                    run_id=context.run.run_id,
                    seen_at=datetime.now(UTC),
                )
                if is_held:
                    context.log_event(observation(endpoint, lake))
                _fail_if_unreadable(endpoint, fetched, timix)
                if endpoint is ORGANIZATION:
                    zones = fetched.spooled.frame.select(pl.col("time_zone").first()).collect()
                    store_time_zone(lake.machine_folder, lake.url, zones.item() if zones.height else None)
                # Requests for /me count towards the asset `me`, whichever asset needed it first.
                initial = client.me_stats if endpoint.name == "me" else Stats()
                yield MaterializeResult(
                    value=ReadRows(fetched.spooled, _metadata(fetched, client.stats - before + initial)),
                    check_results=_check_results(key, overridden, fetched, key_role(client, timix.endpoint("me"))),
                )

    return read


@cache
def _columns(endpoint: str) -> TableSchema:
    """Of all workspaces: it is most of what an asset holds."""
    return column_schema(BY_NAME[endpoint].table_columns)


def _description(endpoint: Endpoint) -> str:
    read = {
        Window.NONE: "Each run reads the whole table.",
        Window.RANGE: f"{PARTITIONED} A run reads one listing for all its months and replaces them.",
        Window.MONTH: f"{PARTITIONED} A run requests the report once for each of its months.",
    }[endpoint.window]
    return f"{endpoint.description}\n\n{read} `GET {endpoint.path}`, {_path_source(endpoint)}."


def _path_source(endpoint: Endpoint) -> str:
    if endpoint.documented:
        return f"documented path (timix.ai, {endpoint.documented})"
    return "assumed path: not documented by the vendor; an override can change it"


def _customer_ids(client: TimixClient, timix: TimixResource) -> Sequence[str]:
    """Every customer, for a report that the server gives for one customer at a time.

    A forbidden /customers is not raised as Forbidden: an override may skip only a refusal of the report itself.
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


def _fail_if_unreadable(endpoint: Endpoint, fetched: Fetched, timix: TimixResource) -> None:
    """Fails before anything is replaced if a required field is missing everywhere, or too many rows cannot be read."""
    rejected, records = fetched.rejected_rows, fetched.report.records
    missing = fetched.report.missing_required(endpoint)
    if missing:
        what = "key field" if missing[0] in endpoint.key else "required field"
        raise Failure(
            f"{fetched.path}: none of the {records:,} records has the {what} {', '.join(missing)}; table unchanged. Run "
            f"`timix-assets doctor` for candidate fields and set one in TIMIX_OVERRIDES. {RELOAD}",
            allow_retries=False,
        )
    share_exceeded = rejected > 1 and rejected > timix.max_rejected_share * records
    if rejected > timix.max_rejected_rows or share_exceeded:
        variable = "TIMIX_MAX_REJECTED_SHARE" if share_exceeded else "TIMIX_MAX_REJECTED_ROWS"
        reason = without_markup(printable(fetched.reasons.most_common(1)[0][0]))
        raise Failure(
            f"{fetched.path}: {rejected:,} of {records:,} rows cannot be read (most often: {reason}); table unchanged. "
            f"Look at the first of them in quarantine/{endpoint.name}, then fix the column in TIMIX_OVERRIDES, "
            f"or raise {variable}. {RELOAD}",
            allow_retries=False,
        )


def _metadata(fetched: Fetched, stats: Stats) -> dict[str, MetadataValue[Any]]:
    return {
        "requests": MetadataValue.int(stats.requests),
        "retries": MetadataValue.int(stats.retries),
        "rate_limited": MetadataValue.int(stats.rate_limited),
        "seconds_waited": MetadataValue.float(round(stats.waited_seconds, 3)),
        "records_received": MetadataValue.int(fetched.report.records),
        "rows_rejected": MetadataValue.int(fetched.rejected_rows),
        "rows_outside_window": MetadataValue.int(fetched.rows_outside_window),
        "duplicates_dropped": MetadataValue.int(fetched.spooled.duplicates),
        "path_read": MetadataValue.text(fetched.path),
    }


def _skipped(key: AssetKey, why: str) -> Iterator[AssetCheckResult]:
    """Results for an asset that is not materialized: one check says why. Dagster requires a result of each."""
    yield _warning(key, MATCHES_CONTRACT, [why])
    for name in (ALL_ROWS_PARSED, NO_CONFLICTING_DUPLICATES):
        yield _warning(key, name, [], ["Not read."])


def _check_results(key: AssetKey, endpoint: Endpoint, fetched: Fetched, role: str | None) -> list[AssetCheckResult]:
    issues = fetched.report.messages(endpoint, role)
    expected = [*fetched.report.hidden_field_messages(endpoint, role), *fetched.report.spelling_messages(endpoint)]
    if fetched.rows_outside_window:
        issues.append(
            f"{fetched.rows_outside_window:,} rows outside the requested months were dropped: the server may not know the date "
            "parameters by these names."
        )
    if fetched.identical_months:
        issues.append(identical_months_message(endpoint, fetched.identical_months))
    return [
        _warning(key, MATCHES_CONTRACT, issues, expected),
        _warning(
            key,
            ALL_ROWS_PARSED,
            [f"{reason}: {count_noun(rows, 'row')}" for reason, rows in fetched.reasons.most_common()],
        ),
        _warning(
            key,
            NO_CONFLICTING_DUPLICATES,
            [f"{duplicate} was sent twice with different content" for duplicate in fetched.spooled.conflicting],
        ),
    ]


def _warning(key: AssetKey, name: str, issues: Sequence[str], expected: Sequence[str] = ()) -> AssetCheckResult:
    """Fails if there are issues; expected differences are only listed."""
    shown = list(issues[:MAX_SHOWN])
    if len(issues) > MAX_SHOWN:
        shown.append(f"… and {len(issues) - MAX_SHOWN} more")
    shown += expected
    return check_result(
        key,
        name,
        passed=not issues,
        lines=list(map(printable, shown)),
        metadata={"issues": MetadataValue.md("\n".join(f"- {markdown(line)}" for line in shown))} if shown else {},
    )


def raw_assets(months: MonthlyPartitionsDefinition, names: Namespace = PROJECT) -> list[AssetsDefinition]:
    """Every table of the contract; months: the partitions of the dated ones."""
    return [raw_asset(endpoint, months, names) for endpoint in ENDPOINTS]
