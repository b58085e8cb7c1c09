"""Certificates that are not accepted: what is wrong with them, and what to do."""

from __future__ import annotations

import ssl

import requests
import urllib3

__all__ = ["of_certificate", "why_not"]

_OWN = "if it is one of your own, name the authority that signed it in ca_file"

# OpenSSL's numbers of what it finds wrong. They are not among the names of Python's ssl.
_WHY = {
    9: ("is not valid yet", "correct the clock of this machine"),
    10: ("has expired", "have it renewed at the server, or correct the clock of this machine"),
    18: ("is self-signed", _OWN),
    19: ("comes from an authority that is not known here", _OWN),
    20: ("comes from an authority that is not known here", _OWN),
    21: ("comes from an authority that is not known here", _OWN),
    62: ("is that of another host", "correct endpoint or region"),
    64: ("is that of another host", "correct endpoint or region"),
}
_OTHERWISE = ("is not accepted", f"correct endpoint or region, or, {_OWN}")


def of_certificate(error: Exception) -> ssl.SSLCertVerificationError | None:
    """Return what was wrong with the server's certificate; None when it was something else."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    causes = reason.args if isinstance(reason, urllib3.exceptions.SSLError) else ()
    found = [cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)]
    return found[0] if found and isinstance(error, requests.exceptions.ConnectionError) else None


def why_not(found: ssl.SSLCertVerificationError) -> str:
    """Return a sentence on a certificate and what to do about it."""
    # The attributes are missing where OpenSSL did not say more.
    number = getattr(found, "verify_code", None)
    wrong, cure = _OTHERWISE if number is None else _WHY.get(number, _OTHERWISE)
    return f"the server's certificate {wrong}; {cure}. Nothing was sent"
