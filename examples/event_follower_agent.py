"""The event follower: `chargepoint_driver.adapters.agents.event_follower`."""

from __future__ import annotations

from chargepoint_driver.adapters.agents.event_follower import EventFollowerAgent, main

__all__ = ["EventFollowerAgent"]

if __name__ == "__main__":
    main()
