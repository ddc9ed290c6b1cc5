"""What a user configures, each field with a description that the launchpad shows."""

from enum import Enum
from functools import partial
from pathlib import Path
from typing import Self

from dagster import Config, ConfigurableResource, EnvVar, InitResourceContext, get_dagster_logger
from pydantic import Field, PrivateAttr

from timix_assets import bounds, environment
from timix_assets.api.client import TimixClient
from timix_assets.api.limits import MEGABYTE, Limits
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.identity import plan_in
from timix_assets.contract.overrides import Overrides, apply, load_overrides, parse_overrides
from timix_assets.contract.schema import Endpoint


class Authentication(Enum):
    """How the key travels."""

    X_API_KEY = "x-api-key"
    BEARER = "bearer"


class EndpointOverride(Config):
    """What differs from the contract at one endpoint."""

    path: str | None = Field(default=None, description="Path below the base URL, e.g. /time-entries.")
    skip_forbidden: bool = Field(
        default=False, description="The key may not read this: a 403 skips the asset instead of failing it."
    )
    end_exclusive: bool = Field(
        default=False,
        description="The server leaves out the day of endDate (the doctor tests it): send the day after.",
    )
    parameters: dict[str, str] = Field(
        default_factory=dict,
        description="Our parameter name -> the name that your workspace wants, e.g. startDate: from.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description='Column -> Polars SQL expression over the record, e.g. hours: "durationMinutes / 60.0".',
    )


class TimixResource(ConfigurableResource):  # type: ignore[type-arg]
    """The Timix Integration API, with one client per run: nothing is fetched twice, and a revoked key stops the run."""

    api_key: str = Field(
        default=EnvVar(environment.API_KEY.name),
        repr=False,
        description="The API key (`bbl_…`). It comes from the environment; typed here, it would be stored in clear.",
    )
    base_url: str = Field(
        default=environment.BASE_URL.read(environment.ENVIRON),
        description="Where the Integration API answers. https, unless it is this machine.",
    )
    authentication: Authentication = Field(
        default=Authentication(environment.authentication()),
        description="Send the key as `X-Api-Key` or as `Authorization: Bearer`.",
    )
    endpoints: dict[str, EndpointOverride] = Field(
        default_factory=dict,
        description="What your workspace names differently, by endpoint (e.g. time_reports). Goes over overrides_file.",
    )
    overrides_file: str = Field(
        default=environment.OVERRIDES.read(environment.ENVIRON),
        description="YAML file of the same shape as `endpoints`; empty: none.",
    )
    max_rejected_rows: int = Field(
        default=int(environment.limit(bounds.MAX_REJECTED_ROWS)), description=bounds.MAX_REJECTED_ROWS.meaning
    )
    max_rejected_share: float = Field(
        default=environment.limit(bounds.MAX_REJECTED_SHARE), description=bounds.MAX_REJECTED_SHARE.meaning
    )
    concurrency: int = Field(default=int(environment.limit(bounds.CONCURRENCY)), description=bounds.CONCURRENCY.meaning)
    attempts: int = Field(default=int(environment.limit(bounds.ATTEMPTS)), description=bounds.ATTEMPTS.meaning)
    request_deadline_seconds: float = Field(
        default=environment.limit(bounds.REQUEST_DEADLINE), description=bounds.REQUEST_DEADLINE.meaning
    )
    retry_budget_seconds: float = Field(
        default=environment.limit(bounds.RETRY_BUDGET), description=bounds.RETRY_BUDGET.meaning
    )
    wait_budget_seconds: float = Field(
        default=environment.limit(bounds.WAIT_BUDGET), description=bounds.WAIT_BUDGET.meaning
    )
    max_answer_mb: int = Field(
        default=int(environment.limit(bounds.MAX_ANSWER_MB)), description=bounds.MAX_ANSWER_MB.meaning
    )

    _client: TimixClient | None = PrivateAttr(default=None)

    @classmethod
    def configured(cls) -> Self:
        """Outside a run, where nobody looks the key's variable up; for commands that start no run."""
        return cls(api_key=environment.require_key())

    def check(self) -> None:
        """Refuses wrong settings, without a request: SettingsError, SettingError or OverrideError names the one."""
        self._overrides()
        self.client()
        self.close()

    def client(self) -> TimixClient:
        """The run's client. Settings are checked here, before any request: SettingsError or SettingError names the wrong one."""
        if self._client is None:
            environment.check_limits(self, bounds.OF_THE_CLIENT)
            me = self.endpoint("me")
            self._client = TimixClient(
                self.base_url,
                self.api_key,
                auth=self.authentication.value,
                limits=Limits(
                    concurrency=self.concurrency,
                    attempts=self.attempts,
                    request_deadline_seconds=self.request_deadline_seconds,
                    retry_budget_seconds=self.retry_budget_seconds,
                    run_wait_budget_seconds=self.wait_budget_seconds,
                    max_answer_bytes=self.max_answer_mb * MEGABYTE,
                ),
                pacing_folder=environment.state_folder(),
                notify=get_dagster_logger().info,
                me_path=me.path,
                plan_of=partial(plan_in, me),
            )
        return self._client

    def endpoint(self, name: str) -> Endpoint:
        """The contract's endpoint with the overrides applied; OverrideError names a line that does not fit."""
        endpoint = BY_NAME[name]
        for overrides in self._overrides():
            endpoint = apply(endpoint, overrides)
        return endpoint

    def _overrides(self) -> tuple[Overrides, Overrides]:
        """The file's, then the launchpad's, which go over them."""
        filed = load_overrides(Path(self.overrides_file)) if self.overrides_file else Overrides()
        configured = {name: override.model_dump(exclude_defaults=True) for name, override in self.endpoints.items()}
        return filed, parse_overrides({"endpoints": configured})

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        self.close()

    def close(self) -> None:
        """Gives the client's connections back."""
        if self._client is not None:
            self._client.close()
            self._client = None
