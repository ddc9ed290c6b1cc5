"""What reads one workspace: a client, and the contract with the overrides applied."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from timix_assets.api.client import TimixClient
from timix_assets.api.limits import Limits, Quota
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.identity import plan_in
from timix_assets.contract.overrides import Overrides, apply
from timix_assets.contract.schema import Endpoint
from timix_assets.lake.storage import is_folder
from timix_assets.settings.environment import Authentication, Settings, key_setting, require_api_key
from timix_assets.settings.limits import ClientLimits
from timix_assets.settings.overrides import load_overrides
from timix_assets.state.locations import FILE_SCHEME


@dataclass
class Connection:
    """The Timix Integration API as settings describe it, with one client, made on first use.

    Args:
        base_url: Where the API is.
        api_key: The key; without one no client is made.
        authentication: `x-api-key` or `bearer`.
        overrides_file: A path, or empty.
        state_folder: The folder on this machine for the rate limit that all processes share.
        limits: Of the client; other settings in it are not read.
        quota: The part of the plan's limit that the client keeps to.
        read_only: Whether the client refuses to write.
        workspace: The name of one of several workspaces.
        notify: Is called with what a person should know of a wait.
    """

    base_url: str
    api_key: str = field(repr=False)
    authentication: Authentication
    overrides_file: str
    state_folder: Path
    limits: ClientLimits
    quota: Quota = Quota.ALL
    read_only: bool = True
    workspace: str = ""
    notify: Callable[[str], None] | None = None
    _client: TimixClient | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, settings: Settings, notify: Callable[[str], None] | None = None) -> Self:
        """The connection of a command. notify: as of the class."""
        return cls(
            base_url=settings.base_url,
            api_key=settings.api_key.get_secret_value(),
            authentication=settings.authentication,
            overrides_file=settings.overrides,
            state_folder=settings.machine_folder,
            limits=settings,
            quota=quota_outside_runs(settings.lake),
            workspace=settings.workspace,
            notify=notify,
        )

    def check(self) -> None:
        """Refuses wrong settings, without a request: ClientConfigError, SettingsError or OverrideError names the one."""
        self.client()
        self.close()

    def client(self) -> TimixClient:
        """The client. OverrideError, ClientConfigError or SettingsError names a wrong setting."""
        if self._client is None:
            me = self.endpoint("me")
            self._client = TimixClient(
                self.base_url,
                require_api_key(self.api_key),
                auth=self.authentication,
                limits=Limits(**self.limits.model_dump(include=set(ClientLimits.model_fields))),
                read_only=self.read_only,
                rate_limit_folder=self.state_folder,
                quota=self.quota,
                notify=self.notify,
                me_path=me.path,
                key_setting=key_setting(self.workspace),
                plan_of=partial(plan_in, me),
            )
        return self._client

    def endpoint(self, name: str) -> Endpoint:
        """The contract's endpoint with the overrides applied; OverrideError names a line that does not fit."""
        return endpoint_of(name, self.overrides_file)

    def overrides(self) -> Overrides:
        """The overrides of the file; OverrideError names a line that does not fit."""
        return _overrides(self.overrides_file)

    def close(self) -> None:
        """Gives the client's connections back."""
        if self._client is not None:
            self._client.close()
            self._client = None


def quota_of_runs(lake: str) -> Quota:
    """The part of the plan's limit for runs. On a lake in an object store they take turns, whatever their machine."""
    return Quota.TURN if _takes_turns(lake) else Quota.ALL


def quota_outside_runs(lake: str) -> Quota:
    """The part of the plan's limit for requests that do not wait for runs, perhaps of another machine."""
    return Quota.RESERVE if _takes_turns(lake) else Quota.ALL


def _takes_turns(lake: str) -> bool:
    return not is_folder(lake.removeprefix(FILE_SCHEME))


def endpoint_of(name: str, overrides_file: str) -> Endpoint:
    """The contract's endpoint with the overrides of a file applied; OverrideError names a line that does not fit."""
    return apply(BY_NAME[name], _overrides(overrides_file))


def _overrides(file: str) -> Overrides:
    return load_overrides(Path(file)) if file else {}
