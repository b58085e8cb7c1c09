"""Digital twins: charge points that speak OCPP to a central system, with their vehicles.

Part of the simulator, and free of the driver and of its OCPP library: framing, reading and
profiles are its own, so that the two can never agree on the same mistake.

Layers, top to bottom: twins; server, http_api; replay; scenario; fleet; v16 and v201 (siblings that
never meet); smart_charging, firmware, requests, actions; charge_point; composite, connection,
metered; station; power_sharing; connector, profiles; vehicle, electrical. Next to them, used by
all: scheduler, quirks, mutations, kinds, spec, wire, payload_reader, moments.
"""

from __future__ import annotations

from .quirks import QUIRKS
from .replay import load_recording
from .scenario import InvalidScenarioError, Scenario, load_scenario, read_scenario
from .spec import InvalidSpecError
from .station import NotNowError
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
