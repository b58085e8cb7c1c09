"""Common part of each server of JSON over HTTP: listener, authentication, answers.

It needs aiohttp and msgspec (extras `web` and `ocpp`). It does not know the routes of a server.
"""

from chargepoint_driver.http_server.answers import answering, json_answer, read_json, shown
from chargepoint_driver.http_server.authentication import FailedLogins, Key, brought
from chargepoint_driver.http_server.listener import Listener, let_in

__all__ = [
    "FailedLogins",
    "Key",
    "Listener",
    "answering",
    "brought",
    "json_answer",
    "let_in",
    "read_json",
    "shown",
]
