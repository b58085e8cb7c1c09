"""The process of an agent: it runs until SIGINT or SIGTERM, and then ends in good order."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import gevent
from volttron.utils import vip_main

from chargepoint_driver.process.garbage import rare_collections

__all__ = ["run_agent"]


def run_agent(agent: Callable[..., Any], **options: Any) -> None:
    """Run an agent as the platform starts agents, until the platform or a person stops it.

    The platform stops an agent with SIGINT. Python raises KeyboardInterrupt where it happens to
    be: in a greenlet that writes a limit, the limit would stay. Here the main greenlet gets it,
    which waits for the agent, and `onstop` then finds every other greenlet at work.

    Python collects garbage rarely meanwhile: a full collection stops every greenlet.
    """
    main = gevent.getcurrent()
    is_ending = False

    def end() -> None:
        nonlocal is_ending
        # The platform sends both at its own end; the second must not break what the first began.
        if not is_ending:
            is_ending = True
            gevent.kill(main, KeyboardInterrupt)

    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, end)
    with rare_collections():
        vip_main(agent, **options)
