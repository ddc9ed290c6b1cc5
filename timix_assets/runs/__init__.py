"""The runs that Dagster has recorded: which are ours, which are orphaned, why one failed, which may be deleted."""
