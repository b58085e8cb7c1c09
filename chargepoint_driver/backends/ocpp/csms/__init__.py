"""The central system on one asyncio loop.

`csms` holds the parts together. `charger_registry` knows the chargers, `charger_requests` answers
their requests, `charger_events` informs followers, `stored_state` is read at the start, and
`housekeeping` runs from time to time.
"""
