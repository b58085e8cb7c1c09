"""Client of ChargePoint's SOAP web services: the only place that knows SOAP, XML and zeep.

- `client` is the backend, with `usage` for sessions and alarms; `rate_limit` spaces its calls.
- `envelopes` makes requests; `transport` posts them within a time limit, by `tls`.
- `parser` reads replies by the catalogue's table; `converters` turns texts into values.
- `station_pieces` and `station_shapes` read large replies quickly; `recovery` damaged ones.
- `decompress` unpacks replies. `error_codes` is the one table of reply codes.
"""

from chargepoint_driver.backends.soap.client import SoapBackend

__all__ = ["SoapBackend"]
