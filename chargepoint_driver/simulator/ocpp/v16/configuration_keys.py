"""The configuration keys of a 1.6 charge point."""

from __future__ import annotations

from ..samples import KNOWN
from ..settings import Row, SettingNames, count, fixed, flag

SAMPLED = (
    "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,Current.Offered,SoC"
)

NAMES = SettingNames(
    aligned_interval="ClockAlignedDataInterval",
    aligned_measurands="MeterValuesAlignedData",
    attempts="TransactionMessageAttempts",
    authorize_remote_start="AuthorizeRemoteTxRequests",
    connection_timeout="ConnectionTimeOut",
    heartbeat="HeartbeatInterval",
    list_enabled="LocalAuthListEnabled",
    list_items="SendLocalListMaxLength",
    max_periods="ChargingScheduleMaxPeriods",
    max_profiles="MaxChargingProfilesInstalled",
    max_stack_level="ChargeProfileMaxStackLevel",
    retry_interval="TransactionMessageRetryInterval",
    sample_interval="MeterValueSampleInterval",
    sampled_measurands="MeterValuesSampledData",
    stops_on_invalid_id="StopTransactionOnInvalidId",
    stops_on_unplug="StopTransactionOnEVSideDisconnect",
    unknown_offline="AllowOfflineTxForUnknownId",
)


def _fits_measurands(value: str) -> bool:
    return all(name.strip() in KNOWN for name in value.split(",") if name.strip())


def rows(connectors: int) -> dict[str, Row]:
    """The table for that many connectors."""
    return {
        "AllowOfflineTxForUnknownId": flag(True),
        "AuthorizationCacheEnabled": flag(True),
        "AuthorizeRemoteTxRequests": flag(False),
        "ClockAlignedDataInterval": count(0),
        "ConnectionTimeOut": count(120),
        "ConnectorPhaseRotation": Row("NotApplicable"),
        "GetConfigurationMaxKeys": count(50, readonly=True),
        "HeartbeatInterval": count(300),
        "LocalAuthorizeOffline": flag(True),
        "LocalPreAuthorize": flag(False),
        "MeterValuesAlignedData": Row("Energy.Active.Import.Register", fits=_fits_measurands),
        "MeterValuesSampledData": Row(SAMPLED, fits=_fits_measurands),
        "MeterValueSampleInterval": count(60),
        "NumberOfConnectors": count(connectors, readonly=True),
        "ResetRetries": count(3),
        "StopTransactionOnEVSideDisconnect": flag(True),
        "StopTransactionOnInvalidId": flag(True),
        "StopTxnAlignedData": Row(""),
        "StopTxnSampledData": Row("", fits=_fits_measurands),
        "SupportedFeatureProfiles": fixed(
            "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,"
            "RemoteTrigger"
        ),
        "TransactionMessageAttempts": count(3),
        "TransactionMessageRetryInterval": count(60),
        "UnlockConnectorOnEVSideDisconnect": flag(True),
        "WebSocketPingInterval": count(0),
        "LocalAuthListEnabled": flag(True),
        "LocalAuthListMaxLength": count(1000, readonly=True),
        "SendLocalListMaxLength": count(200, readonly=True),
        "ReserveConnectorZeroSupported": flag(False, readonly=True),
        "ChargeProfileMaxStackLevel": count(10, readonly=True),
        "ChargingScheduleAllowedChargingRateUnit": fixed("Current,Power"),
        "ChargingScheduleMaxPeriods": count(24, readonly=True),
        "ConnectorSwitch3to1PhaseSupported": flag(True, readonly=True),
        "MaxChargingProfilesInstalled": count(20, readonly=True),
        "SecurityProfile": count(0, readonly=True),
    }
