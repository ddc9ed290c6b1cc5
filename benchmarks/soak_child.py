"""In a process of its own: refreshes of one lake while seeded faults strike, each followed by a look at every table.

After a refresh a table must be what an undisturbed refresh of the same data gives, or what it was before. Where a fault
changed a record's values, the tables of that endpoint and all rollups may differ, until the next refresh without one;
even then every record is a row, in quarantine, or the table is as before.

The last refreshes' faults are off, and then the lake must equal an undisturbed one: every table, every row, every digit.
"""

import io
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import date
from multiprocessing import Queue, get_context
from pathlib import Path
from random import Random

from rich.console import Console

from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.lake.maintenance import list_tables
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.settings import Settings

from .child import report, timed

LISTS = ("/customers", "/projects", "/tasks", "/subtasks", "/time-reports", "/invoices", "/org-users")
NUMBERS = ("hours", "customerRate", "costRate")
PROCESSES = get_context("forkserver")
"""Each refresh is a forked process, which acquires and releases the lake as a command does, without repeating the imports."""

REFRESHES_AN_EPOCH = 20
"""After so many the data changes, while they are read."""

EVERY_KILL = 10
LONGEST_LIFE = 4.0
"""Seconds until a kill, at most; a refresh takes about three when nothing is wrong."""

SETTINGS = {
    "TIMIX_ATTEMPTS": "3",
    "TIMIX_REQUEST_DEADLINE_SECONDS": "1.5",
    "TIMIX_WAIT_BUDGET_SECONDS": "4",
    "TIMIX_GUARD_FROM_ROWS": "2",
}

HARMLESS = (
    *(Fault("server_error", status=status) for status in (500, 502, 503, 504)),
    # An absurd one would hold the key for a minute, and so make every refresh in it red.
    *(Fault("rate_limited", retry_after=after) for after in ("1", "negative")),
    *(Fault("reset_connection", size=size) for size in (None, 1, 300)),
    *(Fault("cut_body", share=share) for share in (0.01, 0.5, 0.99)),
    *(Fault(kind) for kind in ("unauthorized", "forbidden", "not_found", "invalid", "key_echoed", "redirect")),
    *(Fault(kind) for kind in ("html", "empty_body", "no_content", "text_plain_json", "bom", "truncated_json")),
    *(Fault(kind) for kind in ("items_missing", "items_null", "items_object", "total_off", "duplicate_rows")),
    *(Fault(kind, count=7) for kind in ("small_pages", "silent_small_pages")),
    *(Fault(kind) for kind in ("same_page", "has_more_forever", "has_more_false_early", "shrunk")),
    *(Fault(kind) for kind in ("bare_list", "data_envelope", "rows_envelope")),
    Fault("silence", seconds=2),
    Fault("slow_drip", seconds=0.2),
    Fault("big_page", size=3_000_000),
)
"""After these the response is unchanged, or there is none."""

TELLING = (
    *(Fault(kind) for kind in ("null_id", "missing_id", "unknown_enum", "new_field", "duplicate_rows_differ")),
    *(
        Fault(kind, field=name)
        for name in NUMBERS
        for kind in ("bad_number", "not_a_number", "infinity", "huge_number")
    ),
    *(Fault("odd_date", value=value) for value in ("2026-02-30", "0001-01-01", "31/12/2026", "")),
    *(Fault("odd_text", value=value) for value in ("hebrew", "emoji", "nul", "surrogate", "long")),
    *(Fault("raw_value", field=name, value=value) for name in NUMBERS for value in ("[]", "{}", "true", '" "')),
    Fault("number_as_text"),
    Fault("odd_money"),
    Fault("zoned_dates"),
    Fault("drop_field", field="text"),
    Fault("rename_field", old="hours", new="workedHours"),
)
"""After these a record has different values."""

MOVING = (
    Fault("insert_between_pages", path="/time-reports", page=1, times=1, count=3),
    Fault("delete_between_pages", path="/time-reports", page=1, times=1, count=3),
)

Tables = dict[str, list[str]]


@dataclass
class Tally:
    refreshes: int = 0
    red: int = 0
    killed: int = 0
    struck: int = 0
    again: int = 0
    looked_at: int = 0
    speechless: int = 0
    kinds: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


def main(refreshes: int, seed: int, undisturbed: Path) -> None:
    rng, tally = Random(seed), Tally()
    firm = Firm.generate(people=6, months=3, seed=7, today=date.today())
    with Sandbox(firm) as sandbox, timed() as cost:
        os.environ |= {
            "TIMIX_API_KEY": sandbox.key,
            "TIMIX_BASE_URL": sandbox.base_url,
            "TIMIX_START_MONTH": f"{firm.first_day:%Y-%m}",
            **SETTINGS,
        }
        from timix_assets.commands import project  # noqa: PLC0415 - reads the settings above

        project.enter_project_dir(dotenv=False)
        PROCESSES.set_forkserver_preload(["timix_assets.definitions", "timix_assets.commands.refresh"])
        soak(sandbox, rng, tally, refreshes, undisturbed)
        sandbox.faults.clear()
        refreshed()
        requests = len(sandbox.requests)
        truth, found = clean(undisturbed / "end"), contents(Lake("data/lake"))
    different = sorted(name for name in truth.keys() | found.keys() if truth.get(name) != found.get(name))
    print(*tally.wrong, *different, sep="\n", file=sys.stderr)
    report(
        cost(),
        wrong=len(tally.wrong),
        different=len(different),
        speechless=tally.speechless,
        refreshes=tally.refreshes,
        red=tally.red,
        killed=tally.killed,
        struck=tally.struck,
        kinds=len(tally.kinds),
        requests=requests,
        again=tally.again,
        looked_at=tally.looked_at,
        seconds=cost().wall,
    )


def soak(sandbox: Sandbox, rng: Random, tally: Tally, refreshes: int, undisturbed: Path) -> None:
    lake, truth = Lake("data/lake"), Tables()
    for number in range(refreshes):
        before = contents(lake)
        moving = number % REFRESHES_AN_EPOCH == 0
        faults = list(MOVING) if moving else random_faults(rng)
        killed = number % EVERY_KILL == EVERY_KILL - 1
        ids = {row["id"] for row in sandbox.workspace.rows("time_reports")}
        asked = len(sandbox.requests)
        sandbox.faults.add(*faults)
        said = refreshed(rng.uniform(0.2, LONGEST_LIFE) if killed else None)
        struck = {fault.kind: sandbox.faults.struck(fault.kind) for fault in faults}
        sandbox.faults.clear()
        if moving:
            truth = clean(undisturbed / str(number))
        after = contents(lake)

        tally.refreshes += 1
        tally.killed += said is None
        tally.red += bool(said)
        tally.speechless += any(not sentence or "Traceback" in sentence for sentence in said or [])
        tally.struck += sum(struck.values())
        tally.kinds |= {kind for kind, times in struck.items() if times}
        requests = [(seen.path, seen.query) for seen in sandbox.requests[asked:]]
        tally.again += len(requests) - len(set(requests))
        tally.looked_at += len(after)
        exempt = excused_faults([fault for fault in faults if struck[fault.kind]])
        for name in sorted(after.keys() | before.keys()):
            rows = after.get(name, [])
            fine = rows in (before.get(name, []), truth.get(name, [])) or name in exempt
            if moving and name.startswith(("rollups/", "exports/")):
                fine = True
            if moving and name == "timix/time_reports":
                fine = fine or survived(lake, ids, sandbox)
            if name in exempt and name.startswith("timix/") and rows != before.get(name):
                held = after.get(name.replace("timix/", "quarantine/"), [])
                fine = len(rows) + len(held) == len(truth[name])
            if not fine:
                tally.wrong.append(
                    f"refresh {number}: {name} after {', '.join(str(fault.settings()) for fault in faults)}"
                )


def random_faults(rng: Random) -> list[Fault]:
    """One to three faults at random places; about a third of them stay on."""
    found = []
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.7:
            fault, path = rng.choice(HARMLESS), rng.choice([endpoint.path for endpoint in ENDPOINTS])
        else:
            fault, path = rng.choice(TELLING), "/time-reports"
        times, nth = rng.choice((1, 2, None)), rng.choice((None, None, 1, 2))
        times = 1 if fault.kind in ("silence", "slow_drip") else times
        found.append(replace(fault, path=path, times=times, nth=nth))
    return found


def excused_faults(faults: list[Fault]) -> set[str]:
    """The tables that may rightly differ after these."""
    telling = {(each.kind, each.field, each.value) for each in TELLING}
    touched = {fault.path for fault in faults if (fault.kind, fault.field, fault.value) in telling}
    names = {endpoint.name for endpoint in ENDPOINTS if endpoint.path in touched}
    if not names:
        return set()
    from timix_assets.metrics import ROLLUPS  # noqa: PLC0415

    return {f"{stage}/{name}" for stage in ("timix", "quarantine") for name in names} | {
        f"rollups/{each.name}" for each in ROLLUPS
    }


def survived(lake: Lake, before: set[str], sandbox: Sandbox) -> bool:
    """Whether every entry that was there all the time is there once, and nothing that never was."""
    now = {row["id"] for row in sandbox.workspace.rows("time_reports")}
    found = lake.scan("timix/time_reports").collect()["id"].to_list()
    return len(found) == len(set(found)) and before & now <= set(found) <= before | now


def refreshed(life: float | None = None) -> list[str] | None:
    """One refresh; the sentences of what failed. None when it was killed after `life` seconds."""
    reported: Queue[list[str]] = PROCESSES.Queue()
    process = PROCESSES.Process(target=refresh_and_report, args=(reported,))
    process.start()
    process.join(life)
    if life is not None and process.is_alive():
        process.kill()
        process.join()
        return None
    return reported.get()


def refresh_and_report(reported: "Queue[list[str]]") -> None:
    from timix_assets.commands import refresh  # noqa: PLC0415

    settings = Settings.from_environment()
    months = refresh.months_between(settings, None, None)
    outcome = refresh.run(settings, months, [], Console(file=io.StringIO()))
    reported.put([sentence for _, sentence in outcome.failures])


def clean(folder: Path) -> Tables:
    """The tables of one refresh into an empty lake, with a command's usual patience."""
    settings = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    settings["TIMIX_LAKE"] = str(folder)
    subprocess.run([sys.executable, "-m", "timix_assets.cli", "refresh"], env=settings, check=True, capture_output=True)
    return contents(Lake(str(folder)))


def contents(lake: Lake) -> Tables:
    """Table -> its rows as text, in order; an empty quarantine counts as none. Export -> its bytes."""
    names = (name for name in list_tables(lake.url, {}) if not name.startswith("meta/"))
    tables = {name: rows for name in names if (rows := texts(lake, name)) or not name.startswith("quarantine/")}
    files = Path(lake.url, "exports").rglob("*.csv")
    return tables | {f"exports/{file.parent.name}/{file.name}": [repr(file.read_bytes())] for file in files}


def texts(lake: Lake, name: str) -> list[str]:
    rows = lake.scan(name).collect()
    return sorted(map(repr, rows.select(sorted(rows.columns)).iter_rows()))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
