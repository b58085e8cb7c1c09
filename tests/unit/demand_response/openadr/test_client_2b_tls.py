"""OpenADR 2.0b over TLS with client certificates, and signed messages, against openleadr's VTN."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from .rig import Garage, Running, eventually

pytest.importorskip("openleadr", reason="needs the extra openadr")
from openleadr import utils
from openleadr.service.vtn_service import VTNService

from .test_client_2b import VEN_ID, Vtn

pytestmark = pytest.mark.filterwarnings("default")


@dataclass(frozen=True)
class Pem:
    """Files of one party."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        return str(utils.certificate_fingerprint(self.certificate.read_bytes()))


class Authority:
    """An authority and what it issues, as files of a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self._name = name
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, name: str, host: str) -> Pem:
        issued = self._ca.issue_cert(host, common_name=host)
        base = self._folder / f"{self._name}-{name}"
        found = Pem(base.with_suffix(".pem"), base.with_suffix(".key"))
        issued.cert_chain_pems[0].write_to_path(found.certificate)
        issued.private_key_pem.write_to_path(found.key)
        return found


@dataclass
class Parties:
    """A VTN with its files, and those of a VEN that it knows."""

    authority: Authority
    vtn_pem: Pem
    ven_pem: Pem
    vtn: Vtn

    def settings(self, **fields: Any) -> dict[str, Any]:
        vtn = {
            "version": "2.0b",
            "url": self.vtn.url,
            "poll_seconds": 0.2,
            "ca": self.authority.file,
            "certificate": self.ven_pem.certificate,
            "key": self.ven_pem.key,
            **fields,
        }
        return {name: value for name, value in vtn.items() if value is not None}


@pytest.fixture
def parties(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Parties]:
    """Param: whether the VTN signs its messages, and accepts signed ones only."""
    signs = bool(getattr(request, "param", False))
    authority = Authority(tmp_path)
    vtn_pem, ven_pem = authority.issue("vtn", "localhost"), authority.issue("ven", "garage-ven")

    def look_up(ven_id: str) -> dict[str, Any]:
        return {
            "ven_id": ven_id,
            "ven_name": "garage-ven",
            "fingerprint": ven_pem.fingerprint,
            "registration_id": "registration-1",
        }

    signing = {"cert": str(vtn_pem.certificate), "key": str(vtn_pem.key)} if signs else {}
    vtn = Vtn(
        http_cert=str(vtn_pem.certificate),
        http_key=str(vtn_pem.key),
        http_ca_file=str(authority.file),
        ven_lookup=look_up,
        verify_message_signatures=signs,
        **signing,
    )
    yield Parties(authority, vtn_pem, ven_pem, vtn)
    vtn.close()
    # The library keeps both on a class.
    del VTNService.ven_lookup
    VTNService.verify_message_signatures = True


def reason(running: Running) -> str:
    """Why the VTN is out of reach, as soon as it is."""
    eventually(lambda: running.status["vtns"]["utility"]["unreachable_since"])
    return str(running.status["vtns"]["utility"]["error"])


def test_an_event_over_tls_with_a_client_certificate(
    parties: Parties, start: Callable[..., Running], garage: Garage
) -> None:
    start(vtns={"utility": parties.settings()})
    parties.vtn.event("LOAD_DISPATCH", "setpoint", 4.0, event_id="peak")
    eventually(lambda: garage.ceiling() == 4.0)
    eventually(lambda: ("peak", "optIn") in parties.vtn.opts)
    parties.vtn.cancel("peak")
    eventually(lambda: garage.ceiling() is None)


@pytest.mark.parametrize("parties", [True], indirect=True)
def test_signed_messages_both_ways(
    parties: Parties, start: Callable[..., Running], garage: Garage
) -> None:
    start(vtns={"utility": parties.settings(signed=True, fingerprint=parties.vtn_pem.fingerprint)})
    parties.vtn.event("SIMPLE", "level", 2.0, event_id="peak")
    eventually(lambda: garage.ceiling() == 3.0)
    eventually(lambda: ("peak", "optIn") in parties.vtn.opts)


@pytest.mark.parametrize("parties", [True], indirect=True)
def test_a_vtn_with_another_fingerprint_is_not_believed(
    parties: Parties, start: Callable[..., Running], garage: Garage
) -> None:
    running = start(
        vtns={"utility": parties.settings(signed=True, fingerprint=parties.ven_pem.fingerprint)}
    )
    parties.vtn.event("SIMPLE", "level", 2.0, event_id="peak")
    assert "fingerprint was incorrect" in reason(running)
    assert garage.ceiling() is None


def test_a_message_without_a_signature_is_not_believed(
    parties: Parties, start: Callable[..., Running], garage: Garage
) -> None:
    running = start(vtns={"utility": parties.settings(fingerprint=parties.vtn_pem.fingerprint)})
    parties.vtn.event("SIMPLE", "level", 2.0, event_id="peak")
    assert "an answer of no use" in reason(running)
    assert garage.ceiling() is None


def test_without_a_client_certificate_nothing_is_heard(
    parties: Parties, start: Callable[..., Running], garage: Garage
) -> None:
    running = start(vtns={"utility": parties.settings(certificate=None, key=None)})
    parties.vtn.event("SIMPLE", "level", 2.0, event_id="peak")
    assert "EiRegisterParty" in reason(running)
    assert garage.ceiling() is None


def test_a_vtn_of_another_authority_is_not_believed(
    parties: Parties, start: Callable[..., Running], garage: Garage, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    running = start(vtns={"utility": parties.settings(ca=other.file)})
    parties.vtn.event("SIMPLE", "level", 2.0, event_id="peak")
    assert "certificate verify failed" in reason(running)
    assert garage.ceiling() is None


def test_a_vtn_under_another_name_is_not_believed(
    parties: Parties, start: Callable[..., Running], garage: Garage
) -> None:
    url = parties.vtn.url.replace("localhost", "127.0.0.1")
    running = start(vtns={"utility": parties.settings(url=url)})
    assert "certificate verify failed" in reason(running)
    assert garage.ceiling() is None


def test_a_known_ven_with_another_certificate_is_refused(
    parties: Parties, start: Callable[..., Running], garage: Garage
) -> None:
    stranger = parties.authority.issue("stranger", "garage-ven")
    fields = {"certificate": stranger.certificate, "key": stranger.key, "ven_id": VEN_ID}
    running = start(vtns={"utility": parties.settings(**fields)})
    parties.vtn.event("SIMPLE", "level", 2.0, event_id="peak")
    reason(running)
    assert garage.ceiling() is None
    assert parties.vtn.opts == []
