"""The neutral words of the twins in those of 2.0.1."""

from __future__ import annotations

from ..power.connector import Phase
from ..protocol.payload_reader import error_codes

ERROR_CODES = error_codes("OccurrenceConstraintViolation", "FormatViolation")
STATUS = {
    Phase.AVAILABLE: "Available",
    Phase.RESERVED: "Reserved",
    Phase.UNAVAILABLE: "Unavailable",
    Phase.FAULTED: "Faulted",
}
CHARGING_STATE = {
    Phase.CHARGING: "Charging",
    Phase.SUSPENDED_EV: "SuspendedEV",
    Phase.SUSPENDED_EVSE: "SuspendedEVSE",
    Phase.FAULTED: "SuspendedEVSE",
}
BOOT_REASONS = {
    "PowerUp": "PowerUp",
    "PowerLoss": "PowerUp",
    "ImmediateReset": "RemoteReset",
    "Reboot": "FirmwareUpdate",
    "Triggered": "Triggered",
}
# Why a transaction ends: the trigger that goes with it, and the reason where 2.0.1 has another.
TRIGGERS = {
    "Local": "StopAuthorized",
    "Remote": "RemoteStop",
    "EVDisconnected": "EVCommunicationLost",
    "DeAuthorized": "Deauthorized",
    "ImmediateReset": "ResetCommand",
    "UnlockCommand": "UnlockCommand",
}
REASONS = {"SoftReset": "ImmediateReset", "HardReset": "ImmediateReset", "UnlockCommand": "Other"}
