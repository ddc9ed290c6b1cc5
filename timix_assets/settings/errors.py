"""The one error of this package."""

from timix_assets.errors import TimixAssetsError
from timix_assets.text.key_mask import mask_keys


class SettingsError(TimixAssetsError, ValueError):
    """A setting that cannot be used. The message names it and says what to set instead; an API key in it is masked."""

    def __init__(self, message: str) -> None:
        super().__init__(mask_keys(message))
