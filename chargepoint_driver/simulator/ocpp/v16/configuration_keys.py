"""The configuration keys of a 1.6 charge point."""

from __future__ import annotations

from ..metering.samples import KNOWN
from ..settings import Row, SettingNames, common_rows, count, fixed, flag, measurands

NAMES = SettingNames(
    aligned_interval="ClockAlignedDataInterval",
    aligned_measurands="MeterValuesAlignedData",
    attempts="TransactionMessageAttempts",
    authorize_offline="LocalAuthorizeOffline",
    authorize_remote_start="AuthorizeRemoteTxRequests",
    cache_enabled="AuthorizationCacheEnabled",
    connection_timeout="ConnectionTimeOut",
    connectors="NumberOfConnectors",
    heartbeat="HeartbeatInterval",
    list_enabled="LocalAuthListEnabled",
    list_items="SendLocalListMaxLength",
    max_periods="ChargingScheduleMaxPeriods",
    max_profiles="MaxChargingProfilesInstalled",
    max_stack_level="ChargeProfileMaxStackLevel",
    ping_interval="WebSocketPingInterval",
    pre_authorize="LocalPreAuthorize",
    reset_retries="ResetRetries",
    retry_interval="TransactionMessageRetryInterval",
    sample_interval="MeterValueSampleInterval",
    sampled_measurands="MeterValuesSampledData",
    security_profile="SecurityProfile",
    stops_on_invalid_id="StopTransactionOnInvalidId",
    stops_on_unplug="StopTransactionOnEVSideDisconnect",
    three_to_one_phase="ConnectorSwitch3to1PhaseSupported",
    unknown_offline="AllowOfflineTxForUnknownId",
    unlocks_on_unplug="UnlockConnectorOnEVSideDisconnect",
)


def rows(connectors: int) -> dict[str, Row]:
    """Return the table for that many connectors: common rows, and those of 1.6 only."""
    return common_rows(NAMES, connectors, KNOWN) | {
        "ChargingScheduleAllowedChargingRateUnit": fixed("Current,Power"),
        "ConnectorPhaseRotation": Row("NotApplicable"),
        "GetConfigurationMaxKeys": count(50, readonly=True),
        "LocalAuthListMaxLength": count(1000, readonly=True),
        "ReserveConnectorZeroSupported": flag(False, readonly=True),
        "StopTxnAlignedData": Row(""),
        "StopTxnSampledData": measurands("", KNOWN),
        "SupportedFeatureProfiles": fixed(
            "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,"
            "RemoteTrigger"
        ),
    }
