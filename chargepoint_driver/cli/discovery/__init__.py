"""Discovery: from an account to the configs of its devices.

- `site` lists stations and groups; `available` finds the points that can be read of them.
- `topics` makes names and `bundle` the configs. `platform` stores them.
- `central` and `direct` are for chargers that connect directly.

Nothing here prints; VOLTTRON is met only in a child process.
"""
