"""What the doctor says of webhooks: which events came, and which requests were refused."""

from datetime import datetime

from timix_assets.settings import Settings
from timix_assets.text.wording import count_noun
from timix_assets.webhooks.inbox import Inbox, InboxError, Seen


def webhook_notes(settings: Settings) -> list[str]:
    """A line for each type of event and each reason of a refusal; none where webhooks are not used."""
    if settings.webhook_inbox is None:
        return []
    if not settings.webhook_inbox.exists():
        return ["Webhooks: a secret is set, and nothing came yet; run `timix-assets webhooks`."]
    try:
        with Inbox(settings.webhook_inbox, settings.webhook_inbox_mb) as inbox:
            events, refusals = inbox.events(), inbox.refusals()
    except InboxError as error:
        return [f"Webhooks: {error}"]
    if not events and not refusals:
        return ["Webhooks: nothing came yet."]
    return [*(_event_line(each, settings) for each in events), *(_refusal_line(each, settings) for each in refusals)]


def _event_line(seen: Seen, settings: Settings) -> str:
    repeats = f" and {count_noun(seen.copies - seen.count, 'repeat')}" if seen.copies > seen.count else ""
    return f"Webhooks: {seen.what or 'without a type'}, {count_noun(seen.count, 'event')}{repeats}, {_last(seen, settings)}."


def _refusal_line(seen: Seen, settings: Settings) -> str:
    return f"Webhooks: {count_noun(seen.count, 'request')} refused, {seen.what}; {_last(seen, settings)}."


def _last(seen: Seen, settings: Settings) -> str:
    return f"the last at {datetime.fromtimestamp(seen.last_at, settings.zone):%Y-%m-%d %H:%M:%S} {settings.zone_name}"
