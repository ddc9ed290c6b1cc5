"""Talks to the Timix Integration API: signed, paced, retried, bounded. Usable by itself."""

from timix_assets.vendor import BASE_URL as DEFAULT_BASE_URL

from .client import Stats, TimixClient
from .limits import Limits
from .listing import Page

__all__ = ["DEFAULT_BASE_URL", "Limits", "Page", "Stats", "TimixClient"]
