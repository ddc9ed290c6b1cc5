"""In an environment with dlt: its declarative REST source reads the stand-in's listing into Parquet files.

Not of our environment, so it imports nothing of this package.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import dlt  # type: ignore[import-not-found]
import pyarrow.parquet as pq  # type: ignore[import-not-found]
from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found]

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
            "endpoint": {"path": "time-reports", "params": {"pageSize": 200}, "data_selector": "items"},
        }
    ],
}


def cpu_seconds() -> float:
    """Of this process and of the workers that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main(rows: int) -> None:
    place = Path(os.environ["PLACE"])
    began, used = time.perf_counter(), cpu_seconds()
    pipeline = dlt.pipeline(
        "timix",
        destination=dlt.destinations.filesystem(bucket_url=place.as_uri()),
        dataset_name="lake",
        pipelines_dir=str(place / "pipelines"),
    )
    pipeline.run(rest_api_source(CONFIGURATION), write_disposition="replace", loader_file_format="parquet")
    cost = {"wall": time.perf_counter() - began, "cpu": cpu_seconds() - used}
    loaded = sum(pq.read_metadata(file).num_rows for file in place.glob("lake/time_reports/**/*.parquet"))
    if loaded != rows:
        sys.exit(f"dlt loaded {loaded:,} rows, and {rows:,} were due.")
    print(json.dumps(cost))


if __name__ == "__main__":
    main(int(sys.argv[1]))
