"""The advice to run the doctor, which messages of runs end with and those of the doctor itself must not."""

SHOWS_HOW = " (`timix-assets doctor` shows how)"
FIND_OVERRIDE = "run `timix-assets doctor` to see what to override in TIMIX_OVERRIDES"
SEE_WHAT_IS_SENT = "run `timix-assets doctor` to see what it sends now"

_IN_THE_DOCTOR = {
    SHOWS_HOW: "",
    FIND_OVERRIDE: "correct the path or the parameters in TIMIX_OVERRIDES",
    SEE_WHAT_IS_SENT: "compare its answer with docs/behaviour.md, and set another path in TIMIX_OVERRIDES if it is another list",
}


def for_the_doctor(message: str) -> str:
    """The message as the doctor says it."""
    for advice, instead in _IN_THE_DOCTOR.items():
        message = message.replace(advice, instead)
    return message
