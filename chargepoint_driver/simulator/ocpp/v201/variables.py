"""The device model of a 2.0.1 charging station: variables by component."""

from __future__ import annotations

from ..metering.samples import KNOWN
from ..settings import REGISTER, Row, SettingNames, common_rows, count, fixed, flag, measurands

MEASURANDS = tuple(name for name in KNOWN if name != "Temperature")

NAMES = SettingNames(
    aligned_interval="AlignedDataCtrlr.Interval",
    aligned_measurands="AlignedDataCtrlr.Measurands",
    attempts="OCPPCommCtrlr.MessageAttempts",
    authorize_offline="AuthCtrlr.LocalAuthorizeOffline",
    authorize_remote_start="AuthCtrlr.AuthorizeRemoteStart",
    cache_enabled="AuthCacheCtrlr.Enabled",
    connection_timeout="TxCtrlr.EVConnectionTimeOut",
    connectors="EVSE.Count",
    heartbeat="OCPPCommCtrlr.HeartbeatInterval",
    list_enabled="LocalAuthListCtrlr.Enabled",
    list_items="LocalAuthListCtrlr.ItemsPerMessage",
    max_periods="SmartChargingCtrlr.PeriodsPerSchedule",
    max_profiles="SmartChargingCtrlr.Entries",
    max_stack_level="SmartChargingCtrlr.ProfileStackLevel",
    ping_interval="OCPPCommCtrlr.WebSocketPingInterval",
    pre_authorize="AuthCtrlr.LocalPreAuthorize",
    reset_retries="OCPPCommCtrlr.ResetRetries",
    retry_interval="OCPPCommCtrlr.MessageAttemptInterval",
    sample_interval="SampledDataCtrlr.TxUpdatedInterval",
    sampled_measurands="SampledDataCtrlr.TxUpdatedMeasurands",
    security_profile="SecurityCtrlr.SecurityProfile",
    stops_on_invalid_id="TxCtrlr.StopTxOnInvalidId",
    stops_on_unplug="TxCtrlr.StopTxOnEVSideDisconnect",
    three_to_one_phase="SmartChargingCtrlr.Phases3to1",
    unknown_offline="AuthCtrlr.OfflineTxForUnknownIdEnabled",
    unlocks_on_unplug="OCPPCommCtrlr.UnlockOnEVSideDisconnect",
)


def rows(connectors: int) -> dict[str, Row]:
    """Return `Component.Variable` and its first value: common rows, and those of 2.0.1 only."""
    found = common_rows(NAMES, connectors, MEASURANDS) | {
        "ChargingStation.AvailabilityState": fixed("Available"),
        "ChargingStation.Available": flag(True, readonly=True),
        "ChargingStation.SupplyPhases": count(3, readonly=True),
        "ClockCtrlr.TimeSource": Row("Heartbeat"),
        "DeviceDataCtrlr.BytesPerMessage": count(65536, readonly=True),
        "DeviceDataCtrlr.ItemsPerMessage": count(50, readonly=True),
        "LocalAuthListCtrlr.BytesPerMessage": count(65536, readonly=True),
        "LocalAuthListCtrlr.Entries": count(0, readonly=True),
        "OCPPCommCtrlr.FileTransferProtocols": fixed("HTTPS"),
        "OCPPCommCtrlr.MessageTimeout": count(30),
        "OCPPCommCtrlr.NetworkConfigurationPriority": Row("1"),
        "OCPPCommCtrlr.NetworkProfileConnectionAttempts": count(3),
        "OCPPCommCtrlr.OfflineThreshold": count(60),
        "ReservationCtrlr.Enabled": flag(True),
        "SampledDataCtrlr.TxEndedInterval": count(0),
        "SampledDataCtrlr.TxEndedMeasurands": measurands(REGISTER, MEASURANDS),
        "SampledDataCtrlr.TxStartedMeasurands": measurands(REGISTER, MEASURANDS),
        "SecurityCtrlr.OrganizationName": Row("Twin Works"),
        "SmartChargingCtrlr.Enabled": flag(True),
        "SmartChargingCtrlr.LimitChangeSignificance": Row("1"),
        "SmartChargingCtrlr.RateUnit": fixed("A,W"),
        "TxCtrlr.TxStartPoint": fixed("PowerPathClosed"),
        "TxCtrlr.TxStopPoint": fixed("EVConnected,Authorized"),
    }
    return dict(sorted(found.items()))


def data_type(row: Row) -> str:
    """Return the type of a variable in OCPP's words."""
    if row.value in ("true", "false"):
        return "boolean"
    return "integer" if row.value.isdigit() else "string"
