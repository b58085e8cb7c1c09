"""One folder per kind of service that stations are reached through."""
