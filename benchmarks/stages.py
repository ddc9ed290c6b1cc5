"""In a process of its own: the stages that a listing passes, one after another, each timed alone.

In a run they overlap: while threads wait for pages, the main one decodes. CPU adds up over the stages; wall does not.
"""

import os
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

from timix_assets.api.client import TimixClient
from timix_assets.contract.endpoints import TIME_REPORTS
from timix_assets.contract.records import decode
from timix_assets.ingest.fetch import DECODE_BATCH_ROWS
from timix_assets.lake.months import Months
from timix_assets.lake.spool import Spool
from timix_assets.lake.tables import Lake

from . import stand_in
from .child import Cost, report, timed

LISTING, DECODING, SPOOLING, REPLACING = "listing", "decoding", "spooling", "replacing in the lake"
STAGES = (LISTING, DECODING, SPOOLING, REPLACING)


def main(rows: int) -> None:
    spent: dict[str, Cost] = {}
    with timed() as whole, Spool(TIME_REPORTS.schema, TIME_REPORTS.key) as spool:
        with timed() as cost:
            client = TimixClient(
                os.environ["TIMIX_BASE_URL"], os.environ["TIMIX_API_KEY"], rate_limit_folder=Path(".dagster")
            )
            with client:
                records = [row for page in client.pages(TIME_REPORTS.path) for row in page.items]
        spent[LISTING] = cost()
        with timed() as cost:
            decoded = [
                decode(TIME_REPORTS, records[at : at + DECODE_BATCH_ROWS]) for at in range(0, rows, DECODE_BATCH_ROWS)
            ]
        spent[DECODING] = cost()
        with timed() as cost:
            for batch in decoded:
                spool.add(batch.rows)
            spooled = spool.finish()
        spent[SPOOLING] = cost()
        with timed() as cost:
            change = Lake("lake").replace("timix/time_reports", spooled.frame, key=TIME_REPORTS.key, months=_months())
        spent[REPLACING] = cost()
    if change.added != rows:
        sys.exit(f"{change.added:,} rows reached the lake, and {rows:,} were due.")
    report(whole(), stages={stage: asdict(cost) for stage, cost in spent.items()})


def _months() -> Months:
    return Months(date.fromisoformat(f"{stand_in.FIRST_MONTH}-01"), date.fromisoformat(f"{stand_in.LAST_MONTH}-01"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
