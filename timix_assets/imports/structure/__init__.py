"""Imports of customers, projects, tasks and subtasks: rows of a file become the structure that hours are logged on.

`plan`, `rollback` and `tree` are pure.
"""
