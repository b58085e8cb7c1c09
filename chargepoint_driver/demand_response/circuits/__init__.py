"""Circuits: nested limits in kW and in A per phase, and the ports below them.

Pure: no input or output, and the time is passed in.
"""

from chargepoint_driver.demand_response.circuits.allocation import PortState, allocate
from chargepoint_driver.demand_response.circuits.config import CircuitConfig, PortConfig
from chargepoint_driver.demand_response.circuits.controller import Circuits, Command

__all__ = ["CircuitConfig", "Circuits", "Command", "PortConfig", "PortState", "allocate"]
