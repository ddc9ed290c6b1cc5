"""`timix-assets init`: writes the files of a new project folder, for an installation without a clone of the repository."""

from importlib.resources import files
from pathlib import Path

from timix_assets.settings import SettingsError

PACKAGED = {"dagster.yaml": "dagster.yaml", "workspace.yaml": "workspace.yaml", ".env.example": "env.example"}
"""File of a project folder -> its content in the package. A test says when one differs from the repository's own file."""

IGNORED = (".venv/", ".dagster/", ".tmp_dagster_home_*/", ".env", "data/", "/export/", "/export.xlsx")
"""What belongs in no version control: environments, run storage, keys, the lake and what is exported from it."""


def project_files() -> dict[str, str]:
    """The files of a new project folder and their content."""
    packaged = files("timix_assets") / "project_files"
    contents = {name: (packaged / source).read_text(encoding="utf-8") for name, source in PACKAGED.items()}
    return {**contents, ".gitignore": "".join(f"{line}\n" for line in IGNORED)}


def run(folder: Path) -> list[Path]:
    """Writes the project files into a folder, which is created if it does not exist.

    Returns:
        The files that were written.

    Raises:
        SettingsError: The folder has one of the files already; nothing was written.
        OSError: A file cannot be written.
    """
    contents = project_files()
    existing = [name for name in contents if (folder / name).exists()]
    if existing:
        raise SettingsError(
            f"{folder} already has {', '.join(existing)}, and init overwrites nothing; choose an empty folder, or move "
            f"{'it' if len(existing) == 1 else 'them'} away."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with (folder / name).open("x", encoding="utf-8") as file:
            file.write(content)
    return [folder / name for name in contents]
