"""The mapping of an import: which column of a file means what. Data, in YAML; ready ones are in `mappings/`."""

from abc import abstractmethod
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, StringConstraints, model_validator

from timix_assets.settings import SettingsError, yaml_file
from timix_assets.settings.declaration import Declaration
from timix_assets.text.near_miss import nearest

from .errors import ImportRefused

READY = Path(__file__).parent / "mappings"
READY_NAMES = tuple(sorted(file.stem for file in READY.glob("*.yaml")))

Rule = Literal["refuse", "allow"]
Source = Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,40}$")]

NO_SOURCE = "rows"
"""The source of a mapping that names none."""


class FieldMapping(Declaration):
    """How one field of a time entry is read from a row."""

    columns: tuple[str, ...] = Field(
        default=(), description="The columns of the file that hold it; several are joined."
    )
    join: str = Field(default=" ", description="What several columns are joined with.")
    constant: str = Field(default="", description="The value of every row, instead of a column.")
    values: dict[str, str] = Field(default={}, description="Their values -> ours. Others are taken as they are.")
    format: str = Field(default="", description="Of dates: strptime format, such as %m/%d/%Y. Default: YYYY-MM-DD.")
    decimal_comma: bool = Field(default=False, description="Of numbers: 7,5 means 7.5.")

    @model_validator(mode="after")
    def _one_origin(self) -> "FieldMapping":
        if bool(self.columns) is bool(self.constant):
            raise ValueError("needs either columns or a constant.")
        return self


class Fields(Declaration):
    """The fields of a time entry. Person, date, hours and a subtask or its path are required."""

    reference: FieldMapping | None = Field(
        default=None, description="What identifies the row in its source. Columns that never change for one entry."
    )
    person: FieldMapping | None = Field(default=None, description="Id, e-mail address or unique full name.")
    date: FieldMapping | None = Field(default=None, description="The day of the work.")
    hours: FieldMapping | None = Field(default=None, description="Hours as a number, or as h:mm or h:mm:ss.")
    text: FieldMapping | None = Field(default=None, description="What was done.")
    start_time: FieldMapping | None = Field(
        default=None, description="When the work began, as 9:05, 09:05:00 or 9:05 AM."
    )
    rate: FieldMapping | None = Field(default=None, description="What the customer pays for an hour.")
    customer: FieldMapping | None = Field(default=None, description="The customer's name.")
    project: FieldMapping | None = Field(default=None, description="The project's name.")
    task: FieldMapping | None = Field(default=None, description="The task's name.")
    subtask: FieldMapping | None = Field(
        default=None, description="The subtask's id, its name, or a path: customer / project / task / subtask."
    )


class MappingFile(Declaration):
    """What the mapping files of all imports say."""

    source: Source = Field(
        default=NO_SOURCE, description="The tool that the rows come from; references are unique in it."
    )
    page: str = Field(default="", description="The page that documents the columns.")
    sheet: str = Field(default="", description="The sheet of an Excel file. Default: the first one.")

    @classmethod
    @abstractmethod
    def of_columns(cls, columns: Collection[str]) -> Self:
        """The mapping of a file whose columns have the names of the fields."""


class ImportMapping(MappingFile):
    """What a mapping file of time entries says."""

    fields: Fields = Field(default=Fields(), description="Where each field comes from.")
    marker: bool = Field(
        default=True, description="End each text with a blank and a mark of 11 characters that identifies the row."
    )
    over_budget: Rule = Field(default="refuse", description="Rows that would exceed an hour cap.")
    other_sources: Rule = Field(
        default="refuse",
        description="Rows equal to an entry that was imported from another source, or under a reference that is not in the file.",
    )
    closed_months: Rule = Field(
        default="refuse", description="Changes of entries in months that close_month has closed, rollbacks included."
    )

    @classmethod
    def of_columns(cls, columns: Collection[str]) -> Self:
        known = {name: FieldMapping(columns=(name,)) for name in Fields.model_fields if name in columns}
        return cls(fields=Fields(**known))


M = TypeVar("M", bound=MappingFile)


def load_mapping(name: str) -> ImportMapping:
    """A ready mapping of time entries by its name, or that of a YAML file.

    Args:
        name: `toggl`, `clockify`, `harvest`, or the path of a file.

    Raises:
        ImportRefused: There is no such mapping, or it does not fit.
    """
    return read_mapping(ready_file(name) or Path(name), ImportMapping)


def ready_file(name: str) -> Path | None:
    """The file of a ready mapping; None for another name."""
    return READY / f"{name}.yaml" if name in READY_NAMES else None


def read_mapping(path: Path, declaration: type[M]) -> M:
    """The mapping of a YAML file.

    Args:
        declaration: What it must declare.

    Raises:
        ImportRefused: It cannot be read, or does not fit.
    """
    where = f"The mapping {path.name}"
    try:
        data = yaml_file.read(path)
    except yaml_file.UnreadableFileError as error:
        ready = f"Ready mappings of time entries: {', '.join(READY_NAMES)}."
        if isinstance(error.__cause__, FileNotFoundError):
            near = nearest(path.name, READY_NAMES) if declaration is ImportMapping else None
            hint = f"did you mean {near}?" if near else "check the name."
            raise ImportRefused(
                f"There is no mapping {path.name} in {path.parent.resolve()}; {hint} {ready}"
            ) from error
        raise ImportRefused(f"{where} cannot be read: {error}. {ready}") from error
    try:
        return declaration.read(_expanded(data), where=f"{where}: ")
    except SettingsError as error:
        raise ImportRefused(str(error)) from error


def _expanded(data: Any) -> Any:
    """Short forms of fields written out: `person: Email`, `reference: [Email, Start date]`."""
    if not isinstance(data, dict) or not isinstance(data.get("fields"), dict):
        return data
    return {**data, "fields": {name: _field(value) for name, value in data["fields"].items()}}


def _field(value: Any) -> Any:
    if isinstance(value, str):
        return {"columns": [value]}
    if isinstance(value, list):
        return {"columns": value}
    if isinstance(value, dict) and isinstance(value.get("columns"), str):
        return {**value, "columns": [value["columns"]]}
    return value
