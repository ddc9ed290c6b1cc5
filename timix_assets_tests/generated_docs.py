"""The documents that repeat declarations. `make docs` writes them; a test fails when one is stale."""

import re
from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from dagster import DefaultSensorStatus

from timix_assets.automation.month_ranges import clip
from timix_assets.automation.schedules import ScheduleSpec, schedule_specs
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.ingest.probes import PROBED_ENDPOINTS
from timix_assets.reporting.dictionary import DECLARED
from timix_assets.sandbox.firm import Firm
from timix_assets.settings import Settings
from timix_assets.settings.declaration import wanted
from timix_assets.settings.environment import FILE_SUFFIX, SECRETS, VARIABLES
from timix_assets.settings.limits import ClientLimits, ImportLimits, LakeLimits, QuarantineLimits
from timix_assets.settings.webhooks import WebhookSettings
from timix_assets.workspace import build_definitions
from timix_assets_tests.automation.request_counts import requests_due
from timix_assets_tests.metrics.column_tables import generated_tables

ROOT = Path(__file__).parent.parent
MIDDLE_OF_A_MONTH = date(2026, 11, 18)
"""The request counts are those of this day."""

AUTOMATION_CONDITIONS = "Computes rollups whose raw tables were materialized by hand, once."
"""Dagster makes the sensor `default_automation_condition_sensor` by itself, without a description."""

LIMIT_FIELDS = [
    name for model in (ClientLimits, QuarantineLimits, LakeLimits, ImportLimits) for name in model.model_fields
]
WEBHOOK_FIELDS = list(WebhookSettings.model_fields)
GENERAL_FIELDS = [name for name in VARIABLES.values() if name not in (*LIMIT_FIELDS, *WEBHOOK_FIELDS)]
ENV_EXAMPLE_HEAD = """# Copy to .env and fill in. Everything but the key has a default.

# The API key (`bbl_…`). It has its owner's role; a Finance, Admin or Owner key sees cost.
TIMIX_API_KEY=

# A lake of its own for your workspace: `timix-assets demo` fills data/lake, and a lake belongs to one organization.
TIMIX_LAKE=data/workspace
"""


def documents() -> dict[Path, str]:
    """Each document as it should be."""
    env = ROOT / ".env.example"
    pages = {
        ROOT / "README.md": {"settings": _settings_table(GENERAL_FIELDS)},
        ROOT / "docs" / "behaviour.md": {"spellings": _spellings_table()},
        ROOT / "docs" / "reliability.md": {"limits": _limits_table()},
        ROOT / "docs" / "metrics.md": generated_tables(),
        ROOT / "docs" / "webhooks.md": {"settings": _settings_table(WEBHOOK_FIELDS)},
        ROOT / "docs" / "operations.md": {"schedules": _schedules_table(), "sensors": _sensors_table()},
    }
    return {
        env: _env_example(),
        ROOT / "docs" / "sources.yml": _dbt_sources(),
        ROOT / "timix_assets" / "project_files" / "env.example": _env_example(),
        **{page: _with_tables(page.read_text(encoding="utf-8"), tables) for page, tables in pages.items()},
    }


def _with_tables(text: str, tables: dict[str, str]) -> str:
    for name, table in tables.items():
        block = re.compile(rf"<!-- generated: {re.escape(name)} -->\n.*?<!-- end -->", re.DOTALL)
        assert block.search(text), f"no marker for {name}"
        text = block.sub(lambda _, name=name, table=table: f"<!-- generated: {name} -->\n{table}<!-- end -->", text)
    return text


def _default(name: str) -> str:
    value = Settings.model_fields[name].default
    if name in SECRETS or value is None or value == "":
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _settings_table(fields: Collection[str]) -> str:
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for variable, name in VARIABLES.items():
        if name in fields:
            names = f"`{variable}`" + (f" or `{variable}{FILE_SUFFIX}`" if name in SECRETS else "")
            default = f"`{_default(name)}`" if _default(name) else ""
            lines.append(f"| {names} | {default} | {Settings.model_fields[name].description} |")
    return "".join(f"{line}\n" for line in lines)


def _limits_table() -> str:
    lines = ["| setting | default | allowed | meaning |", "| --- | --- | --- | --- |"]
    for variable, name in VARIABLES.items():
        if name in LIMIT_FIELDS:
            field = Settings.model_fields[name]
            takes = wanted(field.annotation, field.metadata, field.examples)
            lines.append(f"| `{variable}` | {_default(name)} | {takes} | {field.description} |")
    return "".join(f"{line}\n" for line in lines)


def _spellings_table() -> str:
    """A line per value, with every column that reads the same words as that value."""
    columns: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for endpoint in ENDPOINTS:
        for column in endpoint.columns:
            for value, words in column.spellings.items():
                columns.setdefault((value, words), []).append(f"{endpoint.name}.{column.name}")
    lines = ["| stored as | also read | columns |", "| --- | --- | --- |"]
    for (value, words), names in columns.items():
        lines.append(f"| `{value}` | {_code(words)} | {_code(names)} |")
    return "".join(f"{line}\n" for line in lines)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _schedules_table() -> str:
    firm = Firm.generate(today=MIDDLE_OF_A_MONTH)
    lines = [
        "| schedule | job | when (variable) | months | requests | what it does |",
        "| --- | --- | --- | --- | ---: | --- |",
    ]
    for spec in schedule_specs(Settings()):
        months = clip(spec.months(MIDDLE_OF_A_MONTH), firm.first_day) if spec.months else None
        requests = requests_due(spec.job, months, firm) if months else 0
        when = f"`{_default(spec.cron_setting)}` (`TIMIX_{spec.cron_setting.upper()}`)"
        lines.append(f"| `{spec.name}` | `{spec.job}` | {when} | {_months(spec)} | {requests} | {spec.description} |")
    return "".join(f"{line}\n" for line in lines)


def _months(spec: ScheduleSpec) -> str:
    if spec.months is None:
        return ""
    first, last = (
        (MIDDLE_OF_A_MONTH.year - month.year) * 12 + MIDDLE_OF_A_MONTH.month - month.month
        for month in spec.months(MIDDLE_OF_A_MONTH)
    )
    return f"{('current', 'previous')[last]} and {first - last} before"


def _sensors_table() -> str:
    lines = ["| sensor | starts | ticks every | requests a tick | what it does |", "| --- | --- | ---: | ---: | --- |"]
    for sensor in build_definitions(Settings()).get_repository_def().sensor_defs:
        starts = ", ".join(f"`{target.job_name}`" for target in sensor.targets)
        requests = len(PROBED_ENDPOINTS) if "timix" in sensor.required_resource_keys else 0
        does = re.split(r"[.:](?:\s|$)", sensor.description or AUTOMATION_CONDITIONS)[0] + "."
        if sensor.default_status is DefaultSensorStatus.RUNNING:
            does = f"**On by default.** {does}"
        lines.append(f"| `{sensor.name}` | {starts} | {sensor.minimum_interval_seconds} s | {requests} | {does} |")
    return "".join(f"{line}\n" for line in lines)


def _dbt_sources() -> str:
    """Every declared table as a source of dbt, a source for each folder of the lake."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for name, definition in DECLARED.items():
        folder, _, table = name.partition("/")
        columns = [
            {"name": column, "description": f"{about.meaning} Unit: {about.unit}." if about.unit else about.meaning}
            for column, about in definition.columns.items()
        ]
        path = f"{{{{ env_var('TIMIX_LAKE', 'data/lake') }}}}/{name}"
        meta = {"plugin": "delta", "delta_table_path": path}
        tables.setdefault(folder, []).append(
            {"name": table, "description": definition.meaning, "config": {"meta": meta}, "columns": columns}
        )
    sources = [{"name": folder, "tables": below} for folder, below in tables.items()]
    head = "# Generated from the declarations of the tables by `make docs`; see docs/query.md.\n"
    return head + yaml.safe_dump({"version": 2, "sources": sources}, sort_keys=False, allow_unicode=True, width=120)


def _env_example() -> str:
    blocks = [ENV_EXAMPLE_HEAD]
    for variable, name in VARIABLES.items():
        if name in GENERAL_FIELDS and name not in ("api_key", "lake"):
            blocks.append(f"# {Settings.model_fields[name].description}\n# {variable}={_default(name)}\n")
    webhooks = [f"# {variable}={_default(name)}\n" for variable, name in VARIABLES.items() if name in WEBHOOK_FIELDS]
    blocks.append(
        "# Webhooks: how events are verified, and how many are accepted (docs/webhooks.md).\n" + "".join(webhooks)
    )
    limits = [f"# {variable}={_default(name)}\n" for variable, name in VARIABLES.items() if name in LIMIT_FIELDS]
    blocks.append(
        "# Limits: how far a run goes before it gives up or refuses (docs/reliability.md).\n" + "".join(limits)
    )
    return "\n".join(blocks)


if __name__ == "__main__":
    for path, content in documents().items():
        path.write_text(content, encoding="utf-8")
