"""Settings as Dagster resources: the launchpad's fields are made from the models that declare the settings.

Dagster enforces neither ranges nor exact decimals, so a resource validates what a run sets by building the model from it.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin

from dagster import Config, ConfigurableResource
from pydantic import BaseModel, Field, create_model

from timix_assets.settings.declaration import Declaration
from timix_assets.settings.firm import FirmConfig

C = TypeVar("C")
R = TypeVar("R", bound=ConfigurableResource)  # type: ignore[type-arg]

_CLASSES: dict[Hashable, type] = {}
"""Classes by what they are made of: most workspaces differ in none of these settings, and share them."""


def _made_once(key: Hashable, make: Callable[[], type[C]]) -> type[C]:
    if key not in _CLASSES:
        _CLASSES[key] = make()
    return cast("type[C]", _CLASSES[key])


def with_fields(base: type[R], *models: type[Declaration], values: Declaration | None = None) -> type[R]:
    """The resource class with a launchpad field for each setting of the models.

    values: what holds when a run sets nothing; the declared defaults when left out.
    """
    fields = {name: field for model in models for name, field in launchpad_fields(model, values or model()).items()}
    return _made_once(
        (base, *(repr(field) for field in fields.items())),
        lambda: create_model(base.__name__, __base__=base, __doc__=base.__doc__, **fields),
    )


def launchpad_fields(model: type[Declaration], values: Declaration, *, skip: Iterable[str] = ()) -> dict[str, Any]:
    """Name -> (type, field) for `create_model`, with the types that Dagster's configuration knows."""
    return {
        name: (_type(field.annotation), Field(default=_value(getattr(values, name)), description=field.description))
        for name, field in model.model_fields.items()
        if name not in skip
    }


class FirmSection(ConfigurableResource):  # type: ignore[type-arg]
    """One section of the firm config."""

    def value(self) -> Declaration:
        """The section as the formulas take it; SettingsError names a field that does not fit, without its value."""
        raise NotImplementedError


def firm_resources(config: FirmConfig) -> dict[str, Any]:
    """Each section as a resource: what the firm's file sets is fixed by it, the rest can be set in the launchpad."""
    return {name: _section(name, getattr(config, name)).configure_at_launch() for name in FirmConfig.model_fields}


def _section(name: str, filed: Declaration) -> type[FirmSection]:
    return _made_once((name, repr(filed), *sorted(filed.model_fields_set)), lambda: _new_section(name, filed))


def _new_section(name: str, filed: Declaration) -> type[FirmSection]:
    model, fixed = type(filed), filed.model_fields_set

    class Section(FirmSection):
        def value(self) -> Declaration:
            open_fields = {field: _data(getattr(self, field)) for field in model.model_fields if field not in fixed}
            kept = {field: getattr(filed, field) for field in fixed}
            return model.read({**kept, **open_fields}, where=f"{name}.", quote=False)

    fields = launchpad_fields(model, filed, skip=fixed)
    return create_model(model.__name__, __base__=Section, __doc__=model.__doc__, **fields)


_CONFIGS: dict[type[BaseModel], type[Config]] = {}
"""Dagster's form of nested models, each made once."""


def _config(model: type[BaseModel]) -> type[Config]:
    if model not in _CONFIGS:
        fields = {
            name: (_type(field.annotation), Field(default=_value(field.default), description=field.description))
            for name, field in model.model_fields.items()
        }
        _CONFIGS[model] = create_model(model.__name__, __base__=Config, __doc__=model.__doc__, **fields)  # type: ignore[call-overload]
    return _CONFIGS[model]


def _type(annotation: Any) -> Any:
    """The type of a launchpad field: float for Decimal, list for tuples and sets, Config for models."""
    origin = get_origin(annotation)
    inner = [each for each in get_args(annotation) if each not in (..., NoneType)]
    if origin is Annotated:
        return _type(inner[0])
    if origin is UnionType:
        return _type(inner[0]) | None
    if origin in (tuple, frozenset):
        return list[_type(inner[0])]  # type: ignore[misc]
    if origin is dict:
        return dict[str, _type(inner[1])]  # type: ignore[misc]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _config(annotation)
    return float if annotation is Decimal else annotation


def _value(value: Any) -> Any:
    """A setting as the launchpad's field holds it."""
    if isinstance(value, BaseModel):
        return _config(type(value))(**{name: _value(inner) for name, inner in value})
    if isinstance(value, Mapping):
        return {name: _value(inner) for name, inner in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    return float(value) if isinstance(value, Decimal) else value


def _data(value: Any) -> Any:
    """What a launchpad's field holds, as a model reads it. A float becomes a Decimal through its shortest text."""
    if isinstance(value, Config):
        return {name: _data(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {name: _data(inner) for name, inner in value.items()}
    return value
