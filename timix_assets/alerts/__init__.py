"""What a person is told, when, and how it reaches them exactly once. No Dagster here; Apprise is loaded on first use."""
