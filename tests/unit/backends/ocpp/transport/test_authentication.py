"""Security profiles 0 to 3, and that secrets are nowhere to be seen."""

from __future__ import annotations

import datetime as dt
import ipaddress
import logging
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from websockets.exceptions import InvalidStatus, WebSocketException

from chargepoint_driver.backends.ocpp import OcppConfig
from chargepoint_driver.backends.ocpp.csms import csms
from chargepoint_driver.backends.ocpp.transport import websocket_server
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import eventually

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("CP_PASSWORD", PASSWORD)


GUARDED = {"CP:1": {"password_env": "CP_PASSWORD"}, "CP2": {"password_env": "CP_PASSWORD"}}


@pytest.mark.parametrize("station_id", ["CP:1", "CP2"])
def test_profile_1(start, station_id) -> None:
    start(charge_points=GUARDED).charger(station_id, password=PASSWORD).boot()


@pytest.mark.parametrize("password", [None, "", "wrong", PASSWORD + " ", "ü"])
def test_wrong_passwords(start, caplog, password) -> None:
    caplog.set_level(logging.DEBUG)
    site = start(charge_points=GUARDED)
    with pytest.raises(InvalidStatus, match="401") as caught:
        site.charger("CP2", password=password)
    assert "Basic" in caught.value.response.headers["WWW-Authenticate"]
    assert site.system.counters()["wrong_passwords"] == 1
    if password:
        assert f"{password!r}" not in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !!!", "Bearer x", "Basic Q1Ay", "Basic " + "A" * 5000, "Basic Q1AyOg=="],
)
def test_odd_headers(start, header) -> None:
    site = start(charge_points=GUARDED)
    with pytest.raises(InvalidStatus, match="401"):
        site.charger("CP2", additional_headers={"Authorization": header})


def test_a_key_of_40_digits_may_come_as_bytes(start, monkeypatch) -> None:
    key = "00ff" * 10
    monkeypatch.setenv("CP_PASSWORD", key)
    site = start(charge_points=GUARDED)
    site.charger("CP2", password=key).boot()


def test_another_ones_password_is_of_no_use(start, monkeypatch, tmp_path) -> None:
    file = tmp_path / "key"
    file.write_text("other\n")
    site = start(charge_points={**GUARDED, "CP3": {"password_file": file}})
    site.charger("CP3", password="other").boot()
    with pytest.raises(InvalidStatus, match="401"):
        site.charger("CP3", password=PASSWORD)
    monkeypatch.delenv("CP_PASSWORD")
    with pytest.raises(InvalidStatus, match="401"):
        site.charger("CP2", password=PASSWORD)


def test_a_password_file_that_changes_counts_at_the_next_connection(start, tmp_path) -> None:
    """Of that charge point; who is connected stays."""
    file = tmp_path / "key"
    file.write_text("old\n")
    site = start(charge_points={**GUARDED, "CP3": {"password_file": file}})
    connected = site.charger("CP3", password="old")
    connected.boot()
    file.write_text("new\n")
    with pytest.raises(InvalidStatus, match="401"):
        site.charger("CP3", password="old")
    connected.status("Available")
    site.charger("CP3", password="new").boot()
    site.charger("CP2", password=PASSWORD).boot()
    file.unlink()
    with pytest.raises(InvalidStatus, match="401"):
        site.charger("CP3", password="new")


def test_unknown_charge_points_stay_out(start) -> None:
    site = start(charge_points=GUARDED)
    with pytest.raises(InvalidStatus, match="404"):
        site.charger("CP9", password=PASSWORD)
    assert site.system.counters()["unknown_charge_points"] == 1


def test_keys_are_in_neither_database_nor_config(start, tmp_path) -> None:
    site = start(charge_points=GUARDED)
    site.charger("CP2", password=PASSWORD).boot()
    site.stop()
    for path in tmp_path.iterdir():
        assert PASSWORD.encode() not in path.read_bytes()
    assert PASSWORD not in repr(site.config)


def test_listening_to_the_world_needs_a_word_and_warns(start, caplog) -> None:
    with pytest.raises(ConfigurationError, match="allow_unauthenticated"):
        OcppConfig.from_dict({"listen": "0.0.0.0:0", "database": "x"})
    OcppConfig.from_dict({"listen": "0.0.0.0:0", "database": "x", "charge_points": GUARDED})
    start(listen="0.0.0.0:0", allow_unauthenticated=True)
    assert "password" in caplog.text


_KEY_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


class Authority:
    """Makes certificates."""

    def __init__(self, folder) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.key, self.certificate = self._make("our authority", None)

    def issue(self, name: str, *, server: bool = False) -> tuple[str, str]:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

        key, certificate = self._make(name, self, server=server)
        paths = []
        for kind, text in (
            ("crt", certificate.public_bytes(serialization.Encoding.PEM)),
            (
                "key",
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            ),
        ):
            path = self.folder / f"{name.replace('/', '_')}.{kind}"
            path.write_bytes(text)
            paths.append(str(path))
        return paths[0], paths[1]

    def file(self) -> str:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

        path = self.folder / "ca.pem"
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def _make(self, name, issuer, *, server=False):
        from cryptography import x509  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        key = ec.generate_private_key(ec.SECP256R1())
        signer = key if issuer is None else issuer.key
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if issuer is None else issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
            # Asked for from Python 3.13 on.
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )
        if issuer is None:
            uses = dict.fromkeys(_KEY_USES, False) | {"key_cert_sign": True}
            builder = builder.add_extension(x509.KeyUsage(**uses), critical=True)
        if server:
            names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return key, builder.sign(signer, hashes.SHA256())


@pytest.fixture
def authority(tmp_path):
    pytest.importorskip("cryptography")
    return Authority(tmp_path / "tls")


@pytest.fixture
def tls(authority):
    certificate, key = authority.issue("server", server=True)
    return {"certificate": certificate, "key": key}


def client(authority, name: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.file())
    # The client reads and writes on two threads. Before Python 3.13, one of them waits without
    # end when the tickets of TLS 1.3 arrive in between. Twins use TLS 1.3.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if name is not None:
        context.load_cert_chain(*authority.issue(name))
    return context


def test_profile_2(start, authority, tls) -> None:
    site = start(charge_points=GUARDED, tls=tls)
    assert site.system.ocpp_url.startswith("wss://")
    site.charger("CP2", password=PASSWORD, ssl=client(authority)).boot()
    with pytest.raises(InvalidStatus, match="401"):
        site.charger("CP2", password="wrong", ssl=client(authority))


def test_profile_3(start, authority, tls) -> None:
    site = start(tls={**tls, "client_ca": authority.file()})
    assert site.config.is_authenticated
    site.charger("CP2", ssl=client(authority, "CP2")).boot()
    with pytest.raises(InvalidStatus, match="403"):
        site.charger("CP3", ssl=client(authority, "CP2"))
    with pytest.raises((OSError, EOFError, WebSocketException)):
        site.charger("CP2", ssl=client(authority)).boot()
    context = client(authority)
    context.load_cert_chain(*Authority(authority.folder / "other").issue("CP2"))
    with pytest.raises((OSError, EOFError, WebSocketException)):
        site.charger("CP2", ssl=context).boot()
    assert site.system.counters()["wrong_certificates"] == 1
    assert site.point("CP2").counters == {}


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open sockets are looked through more often."""
    every = csms.every
    monkeypatch.setattr(csms, "every", lambda seconds, work: every(min(seconds, 0.1), work))


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("by", ["fingerprint", "serial"])
def test_a_certificate_is_revoked_at_run_time(start, authority, tls, tmp_path, by) -> None:
    listed = tmp_path / "revoked.txt"
    listed.write_text("# none\n", encoding="utf-8")
    site = start(tls={**tls, "client_ca": authority.file(), "revoked_certificates": listed})
    pem, key = authority.issue("CP2")
    context = client(authority)
    context.load_cert_chain(pem, key)
    site.charger("CP2", ssl=context).boot()
    found = x509.load_pem_x509_certificate(Path(pem).read_bytes())
    name = {
        "fingerprint": found.fingerprint(hashes.SHA256()).hex(":").upper(),
        "serial": f"{found.serial_number:X}",
    }[by]
    listed.write_text(f"# stolen\n{name}\n", encoding="utf-8")
    eventually(lambda: not site.point("CP2").connected)
    with pytest.raises(InvalidStatus, match="403"):
        site.charger("CP2", ssl=context)
    site.charger("CP3", ssl=client(authority, "CP3")).boot()
    assert site.system.counters()["revoked"] == 2
    listed.unlink()  # what it held before counts
    with pytest.raises(InvalidStatus, match="403"):
        site.charger("CP2", ssl=context)


@pytest.mark.usefixtures("soon")
def test_an_id_is_taken_out_at_run_time(start, tmp_path) -> None:
    listed = tmp_path / "blocked.txt"
    listed.touch()
    site = start(blocked_charge_points=listed)
    site.charger("CP1").boot()
    site.charger("CP2").boot()
    listed.write_text("CP2\n", encoding="utf-8")
    eventually(lambda: not site.point("CP2").connected)
    with pytest.raises(InvalidStatus, match="403"):
        site.charger("CP2")
    assert site.point("CP1").connected
    listed.write_text("", encoding="utf-8")
    site.charger("CP2").boot()


def test_a_list_that_is_not_there(start, tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="blocked_charge_points"):
        start(blocked_charge_points=tmp_path / "none")


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
@pytest.mark.parametrize("profile", [0, 1, 2, 3])
def test_a_session_of_a_twin_under_each_profile(start, authority, tls, profile, ocpp) -> None:
    server: dict = {}
    twin: dict = {"id": "CP2"}
    if profile in {1, 2}:
        server["charge_points"] = GUARDED
        twin["password"] = PASSWORD
    if profile >= 2:
        server["tls"] = tls
        twin["ca_file"] = authority.file()
    if profile == 3:
        server["tls"] = {**tls, "client_ca": authority.file()}
        twin["certificate_file"], twin["key_file"] = authority.issue("CP2")
    site = start(**server)
    assert site.system.ocpp_url.startswith("wss:" if profile >= 2 else "ws:")
    with Twins(site.system.ocpp_url, [twin], ocpp, speed=1) as twins:
        twins.wait_connected()
        twins.plug("CP2")
        site.system.remote_start("CP2", 1, "TAG")
        eventually(lambda: 1 in site.point("CP2").connectors)
        eventually(lambda: site.connector(1, "CP2").transaction)
        # Before it was answered the twin does not know the id yet.
        twins.wait("CP2", lambda state: state["connectors"][0]["transaction_id"])
        site.system.remote_stop("CP2")
        (row,) = eventually(site.month)
    assert (row["id_tag"], row["state"]) == ("TAG", "completed")


def test_a_tls_handshake_that_never_ends_is_ended(start, tls) -> None:
    site = start(tls=tls, open_timeout_s=0.3)
    url = urlsplit(site.system.ocpp_url)
    with socket.create_connection((url.hostname, url.port), 5) as raw:
        raw.sendall(b"\x16\x03\x01")
        raw.settimeout(10)
        with suppress(ConnectionError):
            while raw.recv(1000):
                pass


def test_files_that_are_no_certificates(start, tls, tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="tls"):
        start(tls={**tls, "key": tls["certificate"]})
    with pytest.raises(ConfigurationError, match="client_ca"):
        start(tls={**tls, "client_ca": tmp_path / "none"})


def test_a_wrong_password_is_answered_late_and_nobody_else_waits(start, monkeypatch) -> None:
    monkeypatch.setattr(websocket_server, "_WRONG_PASSWORD_S", 60.0)
    site = start(charge_points=GUARDED)
    url = urlsplit(site.system.ocpp_url)
    with socket.create_connection((url.hostname, url.port), 5) as raw:
        raw.sendall(
            b"GET /ocpp/CP2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        eventually(lambda: site.system.counters().get("wrong_passwords") == 1)
        site.charger("CP2", password=PASSWORD).boot()
        raw.setblocking(False)
        with pytest.raises(BlockingIOError):
            raw.recv(1)
