"""Envelopes: from bytes to a request, from a reply to bytes.

Requests come from anyone who can reach the port: no entities, no document type, no
network, no huge trees.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from .codes import SoapFaultError
from .reply import SERVICE_NS, Element, put, stamp

ENVELOPE_NS = "http://schemas.xmlsoap.org/soap/envelope/"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
SECURITY_NS = f"{_OASIS}-wssecurity-secext-1.0.xsd"
UTILITY_NS = f"{_OASIS}-wssecurity-utility-1.0.xsd"
PASSWORD_TEXT = f"{_OASIS}-username-token-profile-1.0#PasswordText"

_SOAP = f"{{{ENVELOPE_NS}}}"
_WSSE = f"{{{SECURITY_NS}}}"


@dataclass(frozen=True)
class Request:
    """A request as read. `username` and `password` None when no token was sent."""

    operation: str
    element: etree._Element
    username: str | None
    password: str | None


def read_request(body: bytes) -> Request:
    """Read an envelope. Raises SoapFault when it is not one."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SoapFaultError("soapenv:Client", f"The request is not XML: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise SoapFaultError("soapenv:Client", "A document type is not allowed.")
    if root.tag != f"{_SOAP}Envelope":
        raise SoapFaultError("soapenv:VersionMismatch", "This is not a SOAP 1.1 envelope.")
    content = [child for child in root.iterfind(f"{_SOAP}Body/*") if isinstance(child.tag, str)]
    if len(content) != 1:
        raise SoapFaultError("soapenv:Client", "The body must hold exactly one element.")
    name = etree.QName(content[0])
    if name.namespace != SERVICE_NS:
        raise SoapFaultError("soapenv:Client", f"Unknown namespace: {name.namespace}")
    token = root.find(f"{_SOAP}Header/{_WSSE}Security/{_WSSE}UsernameToken")
    return Request(name.localname, content[0], *_credentials(token))


def _credentials(token: etree._Element | None) -> tuple[str | None, str | None]:
    if token is None:
        return None, None
    password = token.find(f"{_WSSE}Password")
    if password is None or password.get("Type", PASSWORD_TEXT) != PASSWORD_TEXT:
        return token.findtext(f"{_WSSE}Username"), None
    return token.findtext(f"{_WSSE}Username"), password.text or ""


def wrap(content: Element, security_header_at: datetime | None = None) -> bytes:
    """Return the envelope around a reply.

    `security_header_at`, when given, adds the header the live service sends: marked
    mustUnderstand, with a timestamp of that moment.
    """
    envelope = Element("Envelope", "soapenv", {"xmlns:soapenv": ENVELOPE_NS})
    if security_header_at is not None:
        envelope.children.append(_security_header(security_header_at))
    body = Element("Body", "soapenv")
    body.children.append(content)
    envelope.children.append(body)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{envelope.write()}'.encode()


def fault_content(fault: SoapFaultError) -> Element:
    """Return a SOAP 1.1 fault as the content of a body."""
    element = Element("Fault", "soapenv", {"xmlns:wsse": SECURITY_NS})
    put(element, "faultcode", fault.code)
    put(element, "faultstring", fault.text)
    return element


def _security_header(moment: datetime) -> Element:
    security = Element(
        "Security",
        "wsse",
        {"xmlns:wsse": SECURITY_NS, "xmlns:wsu": UTILITY_NS, "soapenv:mustUnderstand": "1"},
    )
    timestamp = Element("Timestamp", "wsu")
    for name, at_s in (("Created", moment.timestamp()), ("Expires", moment.timestamp() + 300)):
        put(timestamp, f"wsu:{name}", stamp(at_s))
    security.children.append(timestamp)
    header = Element("Header", "soapenv")
    header.children.append(security)
    return header
