"""Records of commands: the state of each, what stations report, and the files that keep them.

- `command_log` keeps the commands; `store_writer` writes them to a `command_store`: a
  `command_file` of one process (`hand_over` moves commands between such files), or the fleet's.
- `command_state`, `reported_state` and `measured` find the status; `shed_counts` counts by status.
"""
