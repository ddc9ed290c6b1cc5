"""One endpoint's answer on its way into a table: which path answers, paging, reports, probes, progress. No Dagster."""
