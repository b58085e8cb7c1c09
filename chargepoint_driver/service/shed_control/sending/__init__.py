"""The way of a command to the service: staging, checks, sending, revert and end.

- `dispatcher` sends, one at a time by `station_locks`. `load_shed_events` sends events.
- `staging` finds limits that were not sent, `zero` those of 0 kW that may be a restored value.
- `warnings` finds what is allowed but rarely meant. `watch` takes in each report of the load.
- `revert` takes limits back; `ending` ends them at their deadline.
"""
