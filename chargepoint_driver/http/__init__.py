"""JSON over HTTP, once for everything that serves it: who may ask, and how errors look.

Needs aiohttp and msgspec, which come with the extras `web` and `ocpp`. Nothing here knows what
is asked for.
"""

from chargepoint_driver.http.answers import answering, json_answer, read_json, shown
from chargepoint_driver.http.key import Key
from chargepoint_driver.http.listener import Listener, let_in
from chargepoint_driver.http.logins import FailedLogins

__all__ = [
    "FailedLogins",
    "Key",
    "Listener",
    "answering",
    "json_answer",
    "let_in",
    "read_json",
    "shown",
]
