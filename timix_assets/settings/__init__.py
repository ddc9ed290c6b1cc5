"""Every setting of the project, each declared once: name, type, range, default and meaning.

`environment.Settings` is read from the environment once and passed down; nothing else reads the environment. `limits` are
the bounds of a run, also shown in the launchpad; `firm` is what a firm decides about its own figures. No Dagster in here.
"""

from timix_assets.settings.environment import Settings
from timix_assets.settings.errors import SettingsError

__all__ = ["Settings", "SettingsError"]
