"""What several commands share: accounts, output, exit codes, files."""
