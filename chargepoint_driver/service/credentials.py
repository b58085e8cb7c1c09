"""Settings that one device changes for its account: a wrong password stops no other device."""

from __future__ import annotations

from chargepoint_driver.backend import Request
from chargepoint_driver.cache.single_flight import within
from chargepoint_driver.catalogue import TABLES, Data
from chargepoint_driver.config import Account, AccountConfig, Device
from chargepoint_driver.errors import AuthenticationError, ChargePointError, ConfigurationError
from chargepoint_driver.service.backend_factory import backend_of
from chargepoint_driver.service.service import Service
from chargepoint_driver.text import get_logger

__all__ = ["probe_of", "take_over"]

_log = get_logger(__name__)

_ACCOUNT = "*"


def probe_of(device: Device) -> Request:
    """Return the smallest question that a device's account must be able to ask."""
    call = TABLES[device.backend].name(Data.STATIONS)
    if device.stationGroup is not None:
        return Request(call, group=str(device.stationGroup))
    return Request(call, (device.stationID,))


def take_over(
    service: Service, before: Account, account: Account, device: str, request: Request
) -> Account:
    """Go on with the settings of the device that was read last; what is in use then.

    Another password is tried with `request` first. If the service refuses it, and has not refused
    the one before, the one before stays, and the log reports it. Without an answer it stays too.
    """
    if _is_suspect(service, before, account):
        try:
            _try(account, request)
        except AuthenticationError as error:
            _log.error(
                "%s: its password is not used: %s. All devices of the account go on with the one "
                "before; correct it in the config of this device",
                device,
                error,
            )
            return before
        except ChargePointError as error:
            _log.error(
                "%s: its password differs from that of the account's other devices and cannot be "
                "tried: %s. Theirs stays; store the config of this device again",
                device,
                error,
            )
            return before
    _log.warning(
        "%s: the settings of the account's devices differ; those read last are used for all", device
    )
    service.reconfigure(account)
    return account


def _is_suspect(service: Service, before: Account, account: Account) -> bool:
    """Return True if another password may be wrong, and the one before may be right."""
    if not isinstance(before, AccountConfig) or not isinstance(account, AccountConfig):
        return False
    if isinstance(service.down().get(_ACCOUNT), AuthenticationError):
        return False
    try:
        return before.read_password() != account.read_password()
    except ConfigurationError:
        return True


def _try(account: Account, request: Request) -> None:
    """Ask once with the settings. Raises what asking raises."""
    assert isinstance(account, AccountConfig)
    account.read_password()
    backend = backend_of(account)

    def ask() -> None:
        backend.fetch(request)

    try:
        within(ask, account.timeout, "trying a password")
    finally:
        backend.close()
