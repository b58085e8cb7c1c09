"""Records of commands: the state of each, what stations report, and the files that keep them.

- `command_log` and `command_store` keep the commands; `hand_over` moves them between processes.
- `command_state`, `reported_state` and `measured` find the status; `shed_counts` counts by status.
"""
