"""Refusals by the host's authorization, as errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import gevent
from volttron.client.known_identities import AUTH
from volttron.client.vip.agent.errors import VIPError
from volttron.utils.jsonrpc import Error, RemoteError

from chargepoint_driver.adapters.authorization import (
    CURE,
    SET_TOPIC,
    capability_line,
    open_doors,
)
from chargepoint_driver.errors import PermissionDeniedError, TransientError
from chargepoint_driver.text import get_logger

__all__ = ["explain_refusals", "is_refusal", "refusal", "warning_of", "writing_open_to_all"]

_log = get_logger(__name__)

_LIMIT_S = 5.0


def is_refusal(error: RemoteError) -> bool:
    """True when the host's authorization refused the call, and not the method itself."""
    return str(error.exc_info.get("exc_type", "")).rsplit(".", 1)[-1] == "AuthException"


def refusal(caller: str, method: str, error: object = "") -> PermissionDeniedError:
    """The error for a call that the platform does not permit; `method` is IDENTITY.METHOD."""
    detail = f" ({str(error).strip()})" if str(error) else ""
    return PermissionDeniedError(
        f"the platform does not let {caller or 'this agent'} call {method}{detail}; nothing was "
        f"sent. To permit it: {capability_line(caller, method)}"
    )


def explain_refusals(vip: Any, identity: str) -> None:
    """Have this agent's protected methods refuse with `not_permitted` and the cure.

    The host decides, as before; only its error is made another one. A host without the method
    that is wrapped here keeps its own error.
    """
    rpc = vip.rpc
    protect: Callable[[Any], Any] | None = getattr(rpc, "_add_auth_check", None)
    if protect is None:
        _log.warning("this VOLTTRON protects methods in another way; its refusals stay its own")
        return

    def protect_and_explain(method: Any) -> Any:
        checked = protect(method)

        def checked_method(*arguments: Any, **named: Any) -> Any:  # the host goes by this name
            try:
                return checked(*arguments, **named)
            except RemoteError as error:
                if not is_refusal(error):
                    raise
                message = rpc.context.vip_message
                name = f"{identity}.{message.args[0]['method']}"
                raise refusal(str(message.user or message.peer or ""), name) from None
            except gevent.Timeout as error:
                # No Exception: let out, it would leave the caller without an answer.
                raise TransientError(
                    f"the platform did not say whether this is permitted: {error}"
                ) from None

        return checked_method

    rpc._add_auth_check = protect_and_explain


def writing_open_to_all(vip: Any, identity: str, methods: Iterable[str]) -> list[str] | None:
    """Return what every agent of the platform may do: the methods of `identity` that write and are
    not protected, as IDENTITY.METHOD, and the topic of writes. None when it cannot be known."""
    try:
        protected = vip.rpc.call(AUTH, "get_protected_rpcs", identity).get(timeout=_LIMIT_S)
        found = open_doors(identity, methods, protected or [])
        asked = vip.rpc.call(AUTH, "is_protected_topic", topic_name_pattern=f"{SET_TOPIC}/point")
        return found if asked.get(timeout=_LIMIT_S) else [*found, SET_TOPIC]
    except (AttributeError, Error, RemoteError, VIPError, TypeError, gevent.Timeout):
        return None


def warning_of(doors: list[str]) -> str:
    """Return a sentence about what every agent of the platform may do."""
    return f"every agent of the platform may write: {', '.join(doors)} are open; {CURE}"
