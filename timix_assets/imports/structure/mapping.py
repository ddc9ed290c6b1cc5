"""The mapping of an import of structure: which column of a file means what."""

from collections.abc import Collection
from typing import Self

from pydantic import Field, field_validator

from ..mapping import FieldMapping, MappingFile
from .levels import COLUMNS, LEVELS

FIELDS = ("reference", "path", *LEVELS, *(name for name in COLUMNS if name != "name"))


class StructureMapping(MappingFile):
    """What a mapping file of structure says."""

    fields: dict[str, FieldMapping] = Field(default={}, description="Where each field comes from.")

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, fields: dict[str, FieldMapping]) -> dict[str, FieldMapping]:
        if unknown := sorted(fields.keys() - set(FIELDS)):
            raise ValueError(f"has {', '.join(unknown)}; the fields are {', '.join(FIELDS)}.")
        return fields

    @classmethod
    def of_columns(cls, columns: Collection[str]) -> Self:
        return cls(fields={name: FieldMapping(columns=(name,)) for name in FIELDS if name in columns})
