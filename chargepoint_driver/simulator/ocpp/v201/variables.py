"""The device model of a 2.0.1 charging station: variables by component."""

from __future__ import annotations

from ..samples import KNOWN
from ..settings import Row, SettingNames, count, fixed, flag

MEASURANDS = tuple(name for name in KNOWN if name != "Temperature")
SAMPLED = (
    "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,Current.Offered,SoC"
)

NAMES = SettingNames(
    aligned_interval="AlignedDataCtrlr.Interval",
    aligned_measurands="AlignedDataCtrlr.Measurands",
    attempts="OCPPCommCtrlr.MessageAttempts",
    authorize_remote_start="AuthCtrlr.AuthorizeRemoteStart",
    connection_timeout="TxCtrlr.EVConnectionTimeOut",
    heartbeat="OCPPCommCtrlr.HeartbeatInterval",
    list_enabled="LocalAuthListCtrlr.Enabled",
    list_items="LocalAuthListCtrlr.ItemsPerMessage",
    max_periods="SmartChargingCtrlr.PeriodsPerSchedule",
    max_profiles="SmartChargingCtrlr.Entries",
    max_stack_level="SmartChargingCtrlr.ProfileStackLevel",
    retry_interval="OCPPCommCtrlr.MessageAttemptInterval",
    sample_interval="SampledDataCtrlr.TxUpdatedInterval",
    sampled_measurands="SampledDataCtrlr.TxUpdatedMeasurands",
    stops_on_invalid_id="TxCtrlr.StopTxOnInvalidId",
    stops_on_unplug="TxCtrlr.StopTxOnEVSideDisconnect",
    unknown_offline="AuthCtrlr.OfflineTxForUnknownIdEnabled",
)


def _fits_measurands(value: str) -> bool:
    return all(name.strip() in MEASURANDS for name in value.split(",") if name.strip())


def rows(connectors: int) -> dict[str, Row]:
    """`Component.Variable` and what it begins with."""
    return {
        "AlignedDataCtrlr.Interval": count(0),
        "AlignedDataCtrlr.Measurands": Row("Energy.Active.Import.Register", fits=_fits_measurands),
        "AuthCacheCtrlr.Enabled": flag(True),
        "AuthCtrlr.AuthorizeRemoteStart": flag(False),
        "AuthCtrlr.LocalAuthorizeOffline": flag(True),
        "AuthCtrlr.LocalPreAuthorize": flag(False),
        "AuthCtrlr.OfflineTxForUnknownIdEnabled": flag(True),
        "ChargingStation.AvailabilityState": fixed("Available"),
        "ChargingStation.Available": flag(True, readonly=True),
        "ChargingStation.SupplyPhases": count(3, readonly=True),
        "ClockCtrlr.TimeSource": Row("Heartbeat"),
        "DeviceDataCtrlr.BytesPerMessage": count(65536, readonly=True),
        "DeviceDataCtrlr.ItemsPerMessage": count(50, readonly=True),
        "EVSE.Count": count(connectors, readonly=True),
        "LocalAuthListCtrlr.BytesPerMessage": count(65536, readonly=True),
        "LocalAuthListCtrlr.Enabled": flag(True),
        "LocalAuthListCtrlr.Entries": count(0, readonly=True),
        "LocalAuthListCtrlr.ItemsPerMessage": count(200, readonly=True),
        "OCPPCommCtrlr.FileTransferProtocols": fixed("HTTPS"),
        "OCPPCommCtrlr.HeartbeatInterval": count(300),
        "OCPPCommCtrlr.MessageAttempts": count(3),
        "OCPPCommCtrlr.MessageAttemptInterval": count(60),
        "OCPPCommCtrlr.MessageTimeout": count(30),
        "OCPPCommCtrlr.NetworkConfigurationPriority": Row("1"),
        "OCPPCommCtrlr.NetworkProfileConnectionAttempts": count(3),
        "OCPPCommCtrlr.OfflineThreshold": count(60),
        "OCPPCommCtrlr.ResetRetries": count(3),
        "OCPPCommCtrlr.UnlockOnEVSideDisconnect": flag(True),
        "OCPPCommCtrlr.WebSocketPingInterval": count(0),
        "ReservationCtrlr.Enabled": flag(True),
        "SampledDataCtrlr.TxEndedInterval": count(0),
        "SampledDataCtrlr.TxEndedMeasurands": Row(
            "Energy.Active.Import.Register", fits=_fits_measurands
        ),
        "SampledDataCtrlr.TxStartedMeasurands": Row(
            "Energy.Active.Import.Register", fits=_fits_measurands
        ),
        "SampledDataCtrlr.TxUpdatedInterval": count(60),
        "SampledDataCtrlr.TxUpdatedMeasurands": Row(SAMPLED, fits=_fits_measurands),
        "SecurityCtrlr.OrganizationName": Row("Twin Works"),
        "SecurityCtrlr.SecurityProfile": count(0, readonly=True),
        "SmartChargingCtrlr.Enabled": flag(True),
        "SmartChargingCtrlr.Entries": count(20, readonly=True),
        "SmartChargingCtrlr.LimitChangeSignificance": Row("1"),
        "SmartChargingCtrlr.PeriodsPerSchedule": count(24, readonly=True),
        "SmartChargingCtrlr.Phases3to1": flag(True, readonly=True),
        "SmartChargingCtrlr.ProfileStackLevel": count(10, readonly=True),
        "SmartChargingCtrlr.RateUnit": fixed("A,W"),
        "TxCtrlr.EVConnectionTimeOut": count(120),
        "TxCtrlr.StopTxOnEVSideDisconnect": flag(True),
        "TxCtrlr.StopTxOnInvalidId": flag(True),
        "TxCtrlr.TxStartPoint": fixed("PowerPathClosed"),
        "TxCtrlr.TxStopPoint": fixed("EVConnected,Authorized"),
    }


def data_type(row: Row) -> str:
    """The type of a variable in OCPP's words."""
    if row.value in ("true", "false"):
        return "boolean"
    return "integer" if row.value.isdigit() else "string"
