"""An agent that raises an alert for a station as the driver and the caching agent do, until it
is ended."""

from __future__ import annotations

from typing import Any

from volttron.client.vip.agent import Agent, Core
from volttron.utils import vip_main

from chargepoint_driver.adapters.host.platform import station_alert_of


class Raiser(Agent):  # type: ignore[misc]  # the host has no types
    """Publish again and again: nothing shows when the emailer has subscribed."""

    def __init__(self, config_path: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)

    @Core.periodic(1)  # type: ignore[untyped-decorator]
    def raise_(self) -> None:
        station_alert_of(self)("station 1:34001", "out of reach for 31 minutes")


if __name__ == "__main__":
    vip_main(Raiser, identity="driver.of.this.test", version="0")
