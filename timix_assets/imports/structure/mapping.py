"""The mapping of an import of structure: which column of a file means what."""

from collections.abc import Collection

from pydantic import Field, field_validator

from timix_assets.settings.declaration import Declaration

from ..mapping import FieldMapping, Source
from .levels import COLUMNS, LEVELS

FIELDS = ("reference", "path", *LEVELS, *(name for name in COLUMNS if name != "name"))


class StructureMapping(Declaration):
    """What a mapping file says."""

    source: Source = Field(default="rows", description="The tool that the rows come from; references are unique in it.")
    page: str = Field(default="", description="The page that documents the columns.")
    fields: dict[str, FieldMapping] = Field(default={}, description="Where each field comes from.")
    sheet: str = Field(default="", description="The sheet of an Excel file. Default: the first one.")

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, fields: dict[str, FieldMapping]) -> dict[str, FieldMapping]:
        if unknown := sorted(fields.keys() - set(FIELDS)):
            raise ValueError(f"has {', '.join(unknown)}; the fields are {', '.join(FIELDS)}.")
        return fields


def own_columns(columns: Collection[str]) -> StructureMapping:
    """The mapping of a file whose columns have the names of the fields."""
    return StructureMapping(fields={name: FieldMapping(columns=(name,)) for name in FIELDS if name in columns})
