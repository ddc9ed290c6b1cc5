"""A workspace as a Dagster component: `type: timix_assets.TimixComponent` in a `defs.yaml`."""

import os
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from dagster import AssetSpec, Definitions, in_process_executor
from dagster.components import (
    Component,
    ComponentLoadContext,
    ComponentTypeSpec,
    Model,
    Resolvable,
    Scaffolder,
    ScaffoldRequest,
    scaffold_with,
)
from dagster.components.component_scaffolding import scaffold_component
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import BaseModel, Field

from timix_assets.settings import Settings
from timix_assets.workspace import RUN_JOB, Workspace, build_definitions


def _word(prefix: str) -> str:
    """The prefix as a part of names: `acme-corp` is `acme_corp`, and `3m` is `_3m`."""
    return re.sub(r"\W|^(?=\d)", "_", prefix, flags=re.ASCII)


class TimixConnection(Resolvable, Model):
    """The API of one organization."""

    api_key: Annotated[
        str | None,
        Field(default=None, repr=False, description='The key, as `"{{ env.ACME_KEY }}"`: the file must not hold it.'),
    ] = None
    base_url: Annotated[str | None, Field(default=None, description="Default: the documented one.")] = None
    overrides: Annotated[
        str | None,
        Field(default=None, description="YAML file that corrects what the contract assumes about the workspace."),
    ] = None


class ScaffoldParams(BaseModel):
    """What `dg scaffold defs timix_assets.TimixComponent` takes."""

    key_prefix: str = Field(default="", description="Of the asset keys. Default: the name of the folder.")


class TimixScaffolder(Scaffolder[ScaffoldParams]):
    """Writes a `defs.yaml` whose key comes from the environment."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldParams]:
        return ScaffoldParams

    def scaffold(self, request: ScaffoldRequest[ScaffoldParams]) -> None:
        prefix = request.params.key_prefix or request.target_path.name
        scaffold_component(
            request,
            {
                "key_prefix": prefix,
                "timix": {"api_key": f"{{{{ env.{_word(prefix).upper()}_TIMIX_KEY }}}}"},
                "lake": f"{{{{ context.project_root }}}}/data/{prefix}",
            },
        )


@scaffold_with(TimixScaffolder)
class TimixComponent(Component, Resolvable, Model):
    """A Timix.AI workspace: its raw tables, rollups, checks, jobs, schedules and sensors."""

    key_prefix: Annotated[
        str | list[str],
        Field(
            description="Stands before every asset key, and as one word (`acme_corp` of `acme-corp`) before the names of jobs "
            "and sensors."
        ),
    ]
    lake: Annotated[
        str | None, Field(description="Folder or object-store URL that holds the tables of this organization alone.")
    ]
    timix: Annotated[TimixConnection, Field(description="The API of the organization.")] = TimixConnection()
    start_month: Annotated[
        str | None, Field(default=None, description=Settings.model_fields["start_month"].description)
    ] = None
    endpoints: Annotated[
        list[str] | None, Field(default=None, description="The endpoints to read, such as time_reports. Default: all.")
    ] = None
    schedules: Annotated[
        Mapping[str, str | None] | None,
        Field(
            default=None, description="Name -> cron expression of the schedules. Default: all, at their usual times."
        ),
    ] = None
    settings: Annotated[
        Mapping[str, Any],
        Field(
            default={}, repr=False, description="Further settings, such as timezone or firm_config (docs/library.md)."
        ),
    ] = {}
    in_process: Annotated[
        bool,
        Field(
            default=True, description="False where other definitions of the project set an executor (docs/library.md)."
        ),
    ] = True
    translation: Annotated[
        TranslationFn[str] | None,
        TranslationFnResolver[str](lambda table: {"table": table}),
        Field(default=None, description="Changes asset specs; `spec` and its `table` can be used in templates."),
    ] = None

    @classmethod
    def get_spec(cls) -> ComponentTypeSpec:
        return ComponentTypeSpec(
            description=cls.__doc__,
            tags=["timix"],
            produces=["asset", "asset_check", "job", "schedule", "sensor", "resource"],
        )

    def get_asset_spec(self, spec: AssetSpec) -> AssetSpec:
        """The spec of an asset after the translation; a subclass may override it, as of `Workspace`."""
        return self.translation(spec, self.workspace().table(spec)) if self.translation else spec

    def workspace(self) -> Workspace:
        """The workspace that it describes."""
        return self._workspace

    @cached_property
    def _workspace(self) -> Workspace:
        component = self
        prefix = [self.key_prefix] if isinstance(self.key_prefix, str) else self.key_prefix

        class Translated(Workspace):
            def get_asset_spec(self, spec: AssetSpec) -> AssetSpec:
                return component.get_asset_spec(spec)

        # One that changes specs makes its assets twice, the first time to learn their keys.
        changes_specs = self.translation or type(self).get_asset_spec is not TimixComponent.get_asset_spec
        made = Translated if changes_specs else Workspace
        attributes: dict[str, Any] = {
            "name": _word("_".join(prefix)),
            "api_key": self.timix.api_key or "",
            "lake": self.lake,
            "start_month": self.start_month,
            "key_prefix": prefix,
            "endpoints": self.endpoints,
            "schedules": self.schedules,
            "base_url": self.timix.base_url,
            "overrides": self.timix.overrides,
        }
        workspace = made(**{**self.settings, **attributes})
        for field in sorted(attributes.keys() & self.settings.keys()):
            workspace.reject(f"settings: {field} is an attribute of the component; set it there alone.")
        for field in self._without_value:
            workspace.reject(
                f"{field}: no value is given; set the variable that it comes from where Dagster runs, or leave it out."
            )
        return workspace

    @property
    def _without_value(self) -> list[str]:
        """What the file sets by a template that gives nothing. A run that needs the key says that there is none."""
        given = {
            **{field: getattr(self, field) for field in self.model_fields_set - {"lake"}},
            **{f"timix.{field}": getattr(self.timix, field) for field in self.timix.model_fields_set - {"api_key"}},
            **{f"schedules.{name}": cron for name, cron in (self.schedules or {}).items()},
            **{f"settings.{field}": value for field, value in self.settings.items()},
        }
        return sorted(field for field, value in given.items() if value is None)

    def build_defs(self, context: ComponentLoadContext) -> Definitions:
        executor = in_process_executor if self.in_process else None
        if self._is_beside_the_run(context):
            return Definitions.merge(self.workspace().build_outline(), Definitions(executor=executor))
        return build_definitions(self.workspace(), executor=executor)

    def _is_beside_the_run(self, context: ComponentLoadContext) -> bool:
        """Whether this process is the container of a run of another component's job."""
        if RUN_JOB not in os.environ or self.workspace().is_of_this_run:
            return False
        return any(
            each.workspace().is_of_this_run for each in context.component_tree.get_all_components(TimixComponent)
        )
