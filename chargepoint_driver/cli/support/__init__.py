"""Shared parts of the commands: accounts, output, exit codes, files."""
