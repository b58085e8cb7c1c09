"""Table of all points: what can be read and written, its place in a reply, and its meaning.

`model` defines rows and calls, `chargepoint` holds the rows of ChargePoint's web
services, `ocpp` those of chargers that connect directly, `page` makes the reader's copy in
docs/reference/points.md. No network, no registry, no cache.
"""

from chargepoint_driver.catalogue import ocpp
from chargepoint_driver.catalogue.chargepoint import ATTRIBUTES, CALLS, NAMES
from chargepoint_driver.catalogue.lookup import Catalogue
from chargepoint_driver.catalogue.model import (
    Attribute,
    Batch,
    Call,
    Data,
    Kind,
    Scope,
    StationValue,
)

CHARGEPOINT = Catalogue(ATTRIBUTES, CALLS, NAMES)
OCPP = Catalogue(ocpp.ATTRIBUTES, ocpp.CALLS)
TABLES = {"chargepoint": CHARGEPOINT, "ocpp": OCPP}
"""Backend, as a driver config names it, to its table."""

__all__ = [
    "CHARGEPOINT",
    "OCPP",
    "TABLES",
    "Attribute",
    "Batch",
    "Call",
    "Catalogue",
    "Data",
    "Kind",
    "Scope",
    "StationValue",
]
