"""Schedules on the page: the file and its changes, its log, and the thread that runs one."""
