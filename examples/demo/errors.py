"""The one error of the demo."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on. The message is a sentence for the person who ran it."""
