"""Writing to Timix what other tools recorded: rows are read, planned against what Timix has, and applied exactly once.

`plan` and `rollback` are pure. `sources`, `mapping`, `workspace`, `ledger` and `apply` do the reading and writing.
"""
