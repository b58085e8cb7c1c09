"""Factory of backends."""

from __future__ import annotations

from chargepoint_driver.backend import Backend
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import Account, AccountConfig
from chargepoint_driver.errors import ConfigurationError

__all__ = ["backend_of"]


def backend_of(account: Account) -> Backend:
    """Return the backend of an account. ChargePoint's makes no call; a central system listens from
    now on. Raises ConfigurationError."""
    if isinstance(account, AccountConfig):
        return SoapBackend(account)
    try:
        # What it needs is an extra, and its imports take their time.
        from chargepoint_driver.backends.ocpp import OcppBackend  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'"backend": "ocpp" needs {error.name}: pip install '
            "'volttron-lib-chargepoint-driver[ocpp]'"
        ) from None
    return OcppBackend.at(account)
