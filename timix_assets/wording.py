"""Words that every sentence for people may need: in tables, alerts, charts and errors alike."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """1 budget; 1,200 budgets."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
