"""In an environment with dlt: it reads the stand-in's listing into Parquet files.

By default with its declarative REST source, which asks for one page after another. --tuned: as its page on performance
advises, pages of a transformer are requested in parallel, columns are typed, buffers are large and nothing is nested.
Not of our environment, so it imports nothing of this package.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt  # type: ignore[import-not-found]
import pyarrow.parquet as pq  # type: ignore[import-not-found]
from dlt.sources.helpers import requests  # type: ignore[import-not-found]
from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found]

IN_FLIGHT, PAGE_SIZE = 8, 200

CONFIGURATION = {
    "client": {
        "base_url": os.environ["TIMIX_BASE_URL"],
        "auth": {"type": "api_key", "name": "X-Api-Key", "api_key": os.environ["TIMIX_API_KEY"], "location": "header"},
        "paginator": {
            "type": "page_number",
            "base_page": 1,
            "page_param": "page",
            "total_path": None,
            "has_more_path": "hasMore",
        },
    },
    "resources": [
        {
            "name": "time_reports",
            "primary_key": "id",
            "endpoint": {"path": "time-reports", "params": {"pageSize": PAGE_SIZE}, "data_selector": "items"},
        }
    ],
}


TUNING = {
    "EXTRACT__WORKERS": str(IN_FLIGHT),
    "EXTRACT__MAX_PARALLEL_ITEMS": "20",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "100000",
    "NORMALIZE__DATA_WRITER__BUFFER_MAX_ITEMS": "100000",
}
COLUMNS = {
    "date": {"data_type": "date"},
    **{name: {"data_type": "timestamp"} for name in ("created_at", "updated_at")},
    **{name: {"data_type": "decimal"} for name in ("hours", "customer_rate", "cost_rate")},
}


def in_parallel(rows: int) -> Any:
    """The listing as a resource whose pages are requested in parallel, by numbers that are known beforehand."""
    headers = {"X-Api-Key": os.environ["TIMIX_API_KEY"]}
    session = requests.Client(request_timeout=60).session

    @dlt.resource(selected=False)  # type: ignore[untyped-decorator]
    def numbers() -> Iterator[int]:
        yield from range(1, -(-rows // PAGE_SIZE) + 1)

    @dlt.transformer(data_from=numbers, name="time_reports", columns=COLUMNS, max_table_nesting=0)  # type: ignore[untyped-decorator]
    def time_reports(number: int) -> Callable[[], Any]:
        @dlt.defer  # type: ignore[untyped-decorator]
        def page() -> Any:
            params = {"page": number, "pageSize": PAGE_SIZE}
            answer = session.get(f"{os.environ['TIMIX_BASE_URL']}/time-reports", params=params, headers=headers)
            return dlt.common.json.loadb(answer.content)["items"]

        return page()  # type: ignore[no-any-return]

    return time_reports


def cpu_seconds() -> float:
    """Of this process and of the workers that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main(rows: int, *, tuned: bool) -> None:
    if tuned:
        os.environ.update(TUNING)
    place = Path(os.environ["PLACE"])
    began, used = time.perf_counter(), cpu_seconds()
    pipeline = dlt.pipeline(
        "timix",
        destination=dlt.destinations.filesystem(bucket_url=place.as_uri()),
        dataset_name="lake",
        pipelines_dir=str(place / "pipelines"),
    )
    source = in_parallel(rows) if tuned else rest_api_source(CONFIGURATION)
    pipeline.run(source, write_disposition="replace", loader_file_format="parquet")
    cost = {"wall": time.perf_counter() - began, "cpu": cpu_seconds() - used}
    loaded = sum(pq.read_metadata(file).num_rows for file in place.glob("lake/time_reports/**/*.parquet"))
    if loaded != rows:
        sys.exit(f"dlt loaded {loaded:,} rows, and {rows:,} were due.")
    print(json.dumps(cost))


if __name__ == "__main__":
    main(int(sys.argv[1]), tuned="--tuned" in sys.argv)
