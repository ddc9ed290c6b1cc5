"""How a refresh ended: each asset, what failed, what was skipped, and what was not computed because others failed."""

from collections.abc import Mapping
from dataclasses import dataclass

from dagster import DagsterEvent, DagsterEventType

from timix_assets.commands.skipped_downstream import SkippedAssets, skipped_by_cause
from timix_assets.dagster_internals import ExecutionResult
from timix_assets.runs.failure_messages import error_message, was_interrupted


@dataclass(frozen=True, slots=True)
class AssetLine:
    """A line of the closing table. rows: of the whole table; None for an asset without rows, such as an export."""

    asset: str
    rows: int | None
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a refresh ended.

    Args:
        lines: The assets that were materialized.
        failures: (asset, message) of what failed.
        warnings: (asset, message) of checks that did not pass.
        skipped: (asset, message) of what was left out on purpose.
        not_computed: What was not computed because an upstream asset failed.
    """

    lines: list[AssetLine]
    failures: list[tuple[str, str]]
    warnings: list[tuple[str, str]]
    skipped: list[tuple[str, str]]
    not_computed: list[SkippedAssets]

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def requests(self) -> int:
        return sum(line.requests for line in self.lines)


def cause_of(asset: str, message: str) -> str:
    """The message without the asset's name at its start, so that one cause of several assets is one message."""
    return message.removeprefix(f"{asset}: ")


def outcome_of(result: ExecutionResult) -> Outcome:
    """Reads the outcome from the events of a run.

    Raises:
        KeyboardInterrupt: A step was interrupted.
    """
    # Step key -> asset key: they differ in the separator.
    keys = result.job_def.asset_layer.executable_asset_keys
    names = {key.to_python_identifier(): key.to_user_string() for key in keys}
    lines: dict[str, AssetLine] = {}
    failures: list[tuple[str, str]] = []
    warnings: list[tuple[str, str]] = []
    skipped: list[tuple[str, str]] = []
    seconds: dict[str, float] = {}
    for event in result.all_events:
        asset = _asset_of(event.step_key, names)
        if event.event_type is DagsterEventType.STEP_SUCCESS:
            seconds[asset] = event.step_success_data.duration_ms / 1000
        elif event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            lines[asset] = _line_of(asset, event)
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            if was_interrupted(event.step_failure_data.error):
                raise KeyboardInterrupt
            failures.append((asset, error_message(event.step_failure_data.error)))
        elif event.event_type is DagsterEventType.STEP_SKIPPED and asset in names.values():
            skipped.append((asset, "an upstream asset has no data."))
        elif event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                warnings.append(
                    (check.asset_key.to_user_string(), f"{check.check_name}: {check.description or 'see the UI'}")
                )
    if not result.success and not failures:
        failures.append(("the run", "it ended before it was complete; start it again."))
    for asset in sorted(seconds.keys() & set(names.values()) - lines.keys()):
        # It succeeded without a materialization: its check says why, if it has one.
        why = [message.partition(": ")[2] for warned, message in warnings if warned == asset][:1]
        warnings = [(warned, message) for warned, message in warnings if warned != asset]
        skipped.append((asset, why[0] if why else "not read, because of skip_forbidden."))
    timed = [AssetLine(line.asset, line.rows, line.requests, seconds.get(line.asset, 0.0)) for line in lines.values()]
    causes = {asset: cause_of(asset, message) for asset, message in failures}
    started = {_asset_of(event.step_key, names) for event in result.all_events} & set(names.values())
    return Outcome(timed, failures, warnings, skipped, skipped_by_cause(causes, _parents(result), started))


def _line_of(asset: str, event: DagsterEvent) -> AssetLine:
    metadata = event.step_materialization_data.materialization.metadata
    values = {name: value.value for name, value in metadata.items()}
    rows, requests = values.get("dagster/row_count"), values.get("requests")
    return AssetLine(asset, rows if isinstance(rows, int) else None, requests if isinstance(requests, int) else 0, 0.0)


def _parents(result: ExecutionResult) -> dict[str, set[str]]:
    """Each asset of the run, and its upstream assets."""
    layer = result.job_def.asset_layer
    return {
        key.to_user_string(): {parent.to_user_string() for parent in layer.asset_graph.get(key).parent_keys}
        for key in layer.executable_asset_keys
    }


def _asset_of(step_key: str | None, names: Mapping[str, str]) -> str:
    """The asset of a step; a step of checks has the name of their asset."""
    if step_key is None:
        return "the run"
    # An asset that is a graph has a step within it.
    asset_step = step_key.partition(".")[0]
    return names.get(asset_step) or asset_step.replace("__", "/", 1).replace("__", " ")
