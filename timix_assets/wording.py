"""Words that every sentence for people may need: in tables, alerts, charts and errors alike."""

import re

_FORMS = re.compile(r"\[([^|\]]+)\|([^|\]]+)\]")
"""[one|many]: of a sentence whose words go by a number."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """1 budget; 1,200 budgets."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def numbered(count: int, sentence: str) -> str:
    """`1 key is there` and `1,200 keys are there`, of `[key is|keys are] there`."""
    return f"{count:,} {_FORMS.sub(lambda forms: forms[1 if count == 1 else 2], sentence)}"


def job_in_words(name: str) -> str:
    """The job's name; for what somebody, or a condition of the assets, starts without a job, not Dagster's name for it."""
    return "selected assets" if name == "__ASSET_JOB" else name
