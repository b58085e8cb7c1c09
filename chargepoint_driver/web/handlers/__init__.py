"""Answers to the requests of the page and the JSON API."""
