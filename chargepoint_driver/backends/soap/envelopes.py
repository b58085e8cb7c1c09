"""Signed requests, built by zeep from the project's WSDL."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from importlib.resources import as_file, files
from typing import Any

import zeep
from lxml import etree
from zeep.transports import Transport
from zeep.wsse.username import UsernameToken

from chargepoint_driver.backends.soap import parser
from chargepoint_driver.backends.soap.error_codes import Caller
from chargepoint_driver.errors import ConfigurationError

__all__ = ["BINDING", "Envelopes"]

# zeep writes hundreds of DEBUG lines while it reads the WSDL. A level set before is left alone.
_ZEEP_LOG = logging.getLogger("zeep")
if _ZEEP_LOG.level == logging.NOTSET:
    _ZEEP_LOG.setLevel(logging.INFO)

BINDING = f"{{{parser.NAMESPACE}}}ChargePointSoap"


class _Offline(Transport):  # type: ignore[misc]  # zeep has no types
    """zeep reads our WSDL file and builds messages; it never talks to the network."""

    def __del__(self) -> None:
        """Its session was never used; closing it at the interpreter's end fails under gevent."""

    def _load_remote_data(self, url: str) -> bytes:
        raise OSError(f"not loaded at run time: {url}")


class Envelopes:
    """Requests of an account as XML. zeep reads the WSDL at the first one, once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._zeep: Any = None

    def make(
        self, caller: Caller, password: str, arguments: Mapping[str, Any]
    ) -> tuple[bytes, str]:
        """Return the signed request and its SOAPAction. zeep checks the arguments by the WSDL.
        Raises ConfigurationError."""
        client, service = self._description()
        try:
            envelope = client.create_message(service, caller.call, **arguments)
            envelope, _ = UsernameToken(caller.username, password).apply(envelope, {})
        except (ValueError, TypeError, zeep.exceptions.Error):
            # What they say may hold the password.
            raise ConfigurationError(
                f"{caller}: cannot be put into XML; stationID, username and password must be text "
                "without control characters"
            ) from None
        action = service._binding.get(caller.call).soapaction
        return etree.tostring(envelope, xml_declaration=True, encoding="utf-8"), action

    def _description(self) -> tuple[Any, Any]:
        """zeep's reading of the WSDL: at the first call, once, from the package's own file."""
        with self._lock:
            if self._zeep is None:
                with as_file(files(__package__) / "chargepoint.wsdl") as path:
                    client = zeep.Client(str(path), transport=_Offline())
                self._zeep = client, client.create_service(BINDING, self._url)
            return self._zeep  # type: ignore[no-any-return]
