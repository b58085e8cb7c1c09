"""ChargePoint's SOAP web services: the only place that knows SOAP, XML and zeep.

`client` is the backend, `wire` posts envelopes within a time limit, `parse` reads replies by
the catalogue's table, `convert` turns texts into values, `faults` is the one table of reply
codes.
"""

from chargepoint_driver.backends.soap.client import SoapBackend

__all__ = ["SoapBackend"]
