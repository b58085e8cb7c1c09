"""Requests to the central system, their waiting and their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from . import wire

Reply: TypeAlias = Mapping[str, Any] | wire.CallErrorReply


@dataclass(eq=False)
class Message:
    """A request to the central system; its payload is made when it is sent."""

    action: str
    payload: Callable[[], dict[str, Any]]
    on_answer: Callable[[Reply], None] | None = None
    lasting: bool = False
    attempts: int = 0
