"""Certificates are verified, and a bad one is refused with what to do, before anything is sent."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig, AgentConfig, DeviceConfig
from chargepoint_driver.errors import ConfigurationError, RefusedError
from chargepoint_driver.simulator import ManualClock, Simulator

CA = trustme.CA()
STATION = Request("getLoad", ("1:34001",))
NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)


@pytest.fixture
def secure() -> Iterator[Callable[[trustme.LeafCert | ssl.SSLContext], Simulator]]:
    """Simulators behind TLS; stopped at the end."""
    sims: list[Simulator] = []

    def serve(certificate: trustme.LeafCert | ssl.SSLContext) -> Simulator:
        context = certificate
        if isinstance(certificate, trustme.LeafCert):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
        sim = Simulator(clock=ManualClock())
        sim._server.socket = context.wrap_socket(sim._server.socket, server_side=True)
        sims.append(sim)
        return sim.start()

    yield serve
    for sim in sims:
        sim.stop()


@pytest.fixture
def client() -> Iterator[Callable[..., SoapBackend]]:
    made: list[SoapBackend] = []

    def make(sim: Simulator, host: str = "127.0.0.1", **fields: Any) -> SoapBackend:
        url = sim.soap_url.replace("http://127.0.0.1", f"https://{host}")
        made.append(
            SoapBackend(
                AccountConfig(
                    username=sim.username,
                    password=sim.password,
                    endpoint=url,
                    timeout=10,
                    **fields,
                )
            )
        )
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    CA.cert_pem.write_to_path(path)
    return path


def self_signed(tmp_path: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def refused(backend: SoapBackend, sim: Simulator) -> str:
    """The one message for reading and writing; nothing arrived."""
    said = []
    for attempt in (
        lambda: backend.fetch(STATION),
        lambda: backend.shed(Target("1:34001", 1), Limit(allowed_load_kw=1.0), 5),
    ):
        with pytest.raises(RefusedError) as caught:
            attempt()
        assert type(caught.value) is RefusedError
        said.append(str(caught.value).partition("): ")[2])
    assert sim.calls.total == 0
    assert said[0] == said[1]
    return said[0]


def test_a_private_authority_by_path(secure, client, authority) -> None:
    sim = secure(CA.issue_cert("127.0.0.1"))
    backend = client(sim, ca_file=authority)
    assert backend.fetch(STATION).records
    backend.shed(Target("1:34001", 1), Limit(allowed_load_kw=1.0), 5)
    assert sim.calls.counts() == {"getLoad": 1, "shedLoad": 1}


def test_without_the_authority_it_is_not_trusted(secure, client) -> None:
    sim = secure(CA.issue_cert("127.0.0.1"))
    said = refused(client(sim), sim)
    assert "authority that is not known" in said
    assert "ca_file" in said


def test_the_path_counts_and_not_the_environment(
    secure, client, authority, tmp_path, monkeypatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    sim = secure(CA.issue_cert("127.0.0.1"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    assert client(sim, ca_file=authority).fetch(STATION).records
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    assert client(sim).fetch(STATION).records  # where no path is given it does count
    sim.calls.reset()
    assert "not known" in refused(client(sim, ca_file=other), sim)


def test_another_host_s_certificate(secure, client, authority) -> None:
    sim = secure(CA.issue_cert("webservices.example"))
    for host in ("127.0.0.1", "localhost"):
        said = refused(client(sim, host, ca_file=authority), sim)
        assert "is that of another host" in said
        assert "correct endpoint or region" in said


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        (NOW - 2 * DAY, NOW - DAY, "has expired; have it renewed at the server"),
        (NOW + DAY, NOW + 2 * DAY, "is not valid yet; correct the clock of this machine"),
    ],
)
def test_a_certificate_out_of_its_time(secure, client, authority, begin, end, words) -> None:
    sim = secure(CA.issue_cert("127.0.0.1", not_before=begin, not_after=end))
    assert words in refused(client(sim, ca_file=authority), sim)


def test_a_self_signed_certificate(secure, client, tmp_path) -> None:
    sim = secure(self_signed(tmp_path))
    said = refused(client(sim), sim)
    assert "is self-signed" in said
    assert "ca_file" in said


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\xfe"])
def test_a_ca_file_that_is_none(secure, client, tmp_path, content) -> None:
    sim = secure(CA.issue_cert("127.0.0.1"))
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_bytes(content)
    backend = client(sim, ca_file=path)
    with pytest.raises(ConfigurationError, match=r"ca_file: .*authority.pem cannot be used.*PEM"):
        backend.fetch(STATION)
    # What is put there later is used.
    CA.cert_pem.write_to_path(path)
    assert backend.fetch(STATION).records


def test_verification_cannot_be_switched_off_by_the_config(monkeypatch) -> None:
    for word in ("verify", "insecure", "ca_file"):
        with pytest.raises((ConfigurationError, ValueError)):
            DeviceConfig.from_dict(
                {"username": "u", "password": "p", "stationID": "1:1", word: False}
            )
    assert requests.Session().verify is True


def test_device_and_agent_configs_have_it() -> None:
    fields = {"username": "u", "password": "p", "ca_file": "/etc/own.pem"}
    device = DeviceConfig.from_dict({**fields, "stationID": "1:1"})
    assert device.account.ca_file == Path("/etc/own.pem")
    config, faults = AgentConfig.from_dict({"accounts": {"garage": fields}})
    assert faults == []
    assert config.accounts["garage"].ca_file == Path("/etc/own.pem")
