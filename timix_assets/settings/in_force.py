"""Which value each setting has in this process, and where it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from timix_assets.settings.environment import FILE_SUFFIX, SECRETS, VARIABLES, Settings


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """One setting. value: as text; of a secret only whether it is set. source: environment, .env, file or default."""

    variable: str
    value: str
    source: str


def settings_in_force(
    settings: Settings, environ: Mapping[str, str], dotenv: Mapping[str, str | None]
) -> Iterator[SettingInForce]:
    """Every setting, in the order of their declaration.

    Args:
        settings: What was read from `environ`.
        environ: The variables of the process, those of the .env included.
        dotenv: The variables of the .env alone.
    """
    for variable, field in VARIABLES.items():
        if field in SECRETS and environ.get(f"{variable}{FILE_SUFFIX}", "").strip():
            source = "file"
        elif value := environ.get(variable, "").strip():
            source = ".env" if (dotenv.get(variable) or "").strip() == value else "environment"
        else:
            source = "default"
        yield SettingInForce(variable, _value(settings, field), source)


def _value(settings: Settings, field: str) -> str:
    if field in SECRETS:
        return "set" if getattr(settings, field).get_secret_value() else "not set"
    if field == "start_month":
        return f"{settings.first_month():%Y-%m}"
    if field == "as_of":
        return f"{settings.as_of_date()}"
    value = getattr(settings, field)
    return f"{value:g}" if isinstance(value, float) else str(value) or "not set"
