"""Digital twins: charge points that speak OCPP to a central system, with their vehicles.

Part of the simulator, and free of the driver and of its OCPP library: framing, reading and
profiles are its own, so that the two can never agree on the same mistake.

Layers, top to bottom: twins; server, http_api; scenarios; v16 and v201 (siblings that never meet);
protocol; metering; power; transport; quirks. `scheduler`, `settings` and `moments` are next to
them, used by all.
"""

from __future__ import annotations

from .power.spec import InvalidSpecError
from .power.station import NotNowError
from .quirks.quirks import QUIRKS
from .scenarios.replay import load_recording
from .scenarios.scenario import InvalidScenarioError, Scenario, load_scenario, read_scenario
from .twins import Twins

__all__ = [
    "QUIRKS",
    "InvalidScenarioError",
    "InvalidSpecError",
    "NotNowError",
    "Scenario",
    "Twins",
    "load_recording",
    "load_scenario",
    "read_scenario",
]
