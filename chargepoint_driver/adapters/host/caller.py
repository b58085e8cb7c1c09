"""The caller of an RPC."""

from __future__ import annotations

from typing import Any

__all__ = ["caller_of"]


def caller_of(agent: Any) -> str:
    """Return the identity of the agent whose call is being answered; '' where it is not known,
    as for a write that came by publish and subscribe."""
    try:
        return str(agent.vip.rpc.context.vip_message.peer or "")
    except AttributeError:
        return ""
