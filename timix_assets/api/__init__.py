"""Talks to the Timix Integration API: signed, paced, retried, bounded. Usable by itself."""

from .client import DEFAULT_BASE_URL, Stats, TimixClient
from .limits import Limits
from .listing import Page

__all__ = ["DEFAULT_BASE_URL", "Limits", "Page", "Stats", "TimixClient"]
