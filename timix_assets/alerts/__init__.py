"""What people are alerted to, when, and how each message reaches them. No Dagster.

One module for each alert: when it fires (pure: the clock is passed in), its state between ticks, and its message. `outbox`
and `delivery` bring the messages to their receivers.
"""
