"""Asset checks: the rules, the outcome of one, and their Dagster definitions."""
