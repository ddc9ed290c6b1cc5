"""Models whose fields declare settings, and what to tell a person whose value does not fit.

pydantic finds the wrong value; its own messages do not reach people.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from timix_assets.settings.errors import SettingsError
from timix_assets.text.wording import quoted, quoted_name

PLURALS = {"a whole number": "whole numbers", "a number": "numbers", "text": "texts"}


class Declaration(BaseModel):
    """A frozen group of settings. Each field has a default and a description."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        from_attributes=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _reject_digit_separator(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic takes `1_0` for 10, as Python does; a person who writes it has mistyped something else."""
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, str) and "_" in value and field.annotation in (int, float, Decimal):
            raise PydanticCustomError("number", "digits and nothing between them")
        return value

    @classmethod
    def read(cls, data: Any, *, where: str = "", quote: bool = True) -> Self:
        """The validated settings.

        Args:
            data: A mapping of fields, or an object that has them as attributes.
            where: What the message says before the field's name, such as `targets.` or `firm.yaml: `.
            quote: Whether the message may quote the wrong value. It must not where the value can be the text of another
                variable, as in Dagster's launchpad.

        Raises:
            SettingsError: A field does not fit; the message names the first one.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as wrong:
            problem = explain(wrong, cls, where=where, quote=quote)
        except ValueError:
            problem = f"{where}a number has too many digits; set a smaller one."
        # Outside the except block: a log shows the whole chain of errors, and pydantic's would show the value.
        raise SettingsError(problem)


def explain(
    wrong: ValidationError,
    model: type[BaseModel],
    *,
    where: str = "",
    names: Mapping[str, str] | None = None,
    quote: bool = True,
) -> str:
    """The first problem as a message: `targets.utilization: 75 is not valid; set a number above 0 and at most 1.5.`

    names: what people call a field, where that is not its name.
    """
    first = wrong.errors(include_url=False)[0]
    path, value, problem = list(first["loc"]), first["input"], first["type"]
    shown = [
        quoted_name((names or {}).get(str(part), part))
        for part in path
        if part != "[key]" and not isinstance(part, int)
    ]
    at = f"{where}{'.'.join(shown)}".rstrip(".: ")
    shown_value = quoted(value) if quote else "the value"
    if problem in ("extra_forbidden", "invalid_key"):
        return f"{at}: there is no such field; {suggestion(path[-1], _declared(model, path[:-1])[0].model_fields)}"
    if problem == "value_error":
        text = str(first["ctx"]["error"])
        return f"{at}: {text}" if isinstance(value, dict | list | tuple) else f"{at}: {shown_value} {text}"
    if path and path[-1] == "[key]":
        return f"{at}: the name {shown_value} is not text; put it into quotes."
    return f"{at}: {shown_value} is not valid; set {wanted(*_declared(model, path))}."


def suggestion(name: Any, known: Iterable[str]) -> str:
    """`did you mean tuesday?`, or the names that there are."""
    known = list(known)
    near = get_close_matches(str(name), known, n=1)
    return f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}."


def wanted(annotation: Any, metadata: Sequence[Any] = (), examples: Sequence[Any] | None = None) -> str:
    """What a field takes, in words: `a whole number from 1 to 64`."""
    text = _kind(annotation, metadata)
    return f"{text}, e.g. {examples[0]}" if examples else text


def _declared(model: Any, path: Sequence[Any]) -> tuple[Any, Sequence[Any], Sequence[Any] | None]:
    """Annotation, metadata and examples at a path of pydantic's, through nested models and containers of them."""
    annotation: Any = model
    metadata: Sequence[Any] = ()
    examples: Sequence[Any] | None = None
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields[part]
            annotation, metadata, examples = field.annotation, field.metadata, field.examples
        else:
            annotation, metadata, examples = _element(annotation), (), None
        if get_origin(annotation) is Annotated:
            annotation, *metadata = get_args(annotation)
    return annotation, metadata, examples


def _element(container: Any) -> Any:
    """What a list or mapping holds."""
    elements = [each for each in get_args(container) if each is not ...]
    return elements[-1] if elements else container


def _kind(annotation: Any, metadata: Sequence[Any]) -> str:
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metadata = [*metadata, *more]
    origin = get_origin(annotation)
    if origin in (tuple, list, frozenset):
        return _list(_element(annotation), metadata)
    if annotation in (int, float, Decimal):
        text = ("a whole number" if annotation is int else "a number") + _range(metadata)
    elif annotation is bool:
        text = "1 or 0"
    elif origin is Literal:
        text = f"one of {', '.join(get_args(annotation))}"
    elif origin is dict:
        text = "names, each with fields and values"
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        text = f"fields and values, such as `{next(iter(annotation.model_fields))}`"
    else:
        text = "text"
    return text


def _list(element: Any, metadata: Sequence[Any]) -> str:
    """`a list of 1 to 20 whole numbers from 0 to 3660`"""
    kind, _, numbers = _kind(element, ()).partition(" from ")
    shortest, longest = _bound(metadata, "min_length"), _bound(metadata, "max_length")
    count = f"{shortest} to {longest} " if longest else "one or more " if shortest else ""
    return f"a list of {count}{PLURALS.get(kind, kind)}{f' from {numbers}' if numbers else ''}"


def _range(metadata: Sequence[Any]) -> str:
    """` from 1 to 64`, ` of at least 1`, ` above 0 and at most 1.5`; empty when every number will do."""
    above, least, most = (_bound(metadata, kind) for kind in ("gt", "ge", "le"))
    if above:
        return f" above {above}" + (f" and at most {most}" if most else "")
    if least:
        return f" from {least} to {most}" if most else f" of at least {least}"
    return ""


def _bound(metadata: Sequence[Any], kind: str) -> str:
    """A bound such as `ge`, or `min_length`, in plain digits; empty when there is none."""
    flat = [inner for each in metadata for inner in (each.metadata if isinstance(each, FieldInfo) else [each])]
    found = next((bound for each in flat if (bound := getattr(each, kind, None)) is not None), None)
    return "" if found is None else f"{Decimal(str(found)).normalize():f}"
