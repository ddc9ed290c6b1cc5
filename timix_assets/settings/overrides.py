"""Reads the YAML file that TIMIX_OVERRIDES names."""

from pathlib import Path

from timix_assets.contract.overrides import OverrideError, Overrides, parse_overrides
from timix_assets.settings import yaml_file


def load_overrides(path: Path) -> Overrides:
    """The overrides of a YAML file; an empty file overrides nothing.

    Raises:
        OverrideError: The file cannot be read, or an override cannot be applied; the message names the file.
    """
    try:
        data = yaml_file.read(path)
    except yaml_file.UnreadableFileError as error:
        raise OverrideError(f"The overrides in {path} cannot be read: {error}.") from error
    try:
        return parse_overrides({} if data is None else data)
    except OverrideError as error:
        raise OverrideError(f"In {path}: {error}") from error
