"""Webhooks as "look now": an event is verified, stored once in an inbox, and makes the sensor `timix_changes` probe at once.

Nothing is built on the payload. What Timix's API answers stays the truth, so an event that is lost, doubled, late, forged or
out of order changes when the sensor looks and nothing else.
"""
