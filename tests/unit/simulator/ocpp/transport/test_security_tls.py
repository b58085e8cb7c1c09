"""Security profiles 2 and 3: TLS with a password, TLS with a client certificate."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address

import pytest

from chargepoint_driver.simulator import ManualClock
from chargepoint_driver.simulator.ocpp import Twins

from ..central import Central

x509 = pytest.importorskip("cryptography.x509")

CP = "CP0001"


KEY_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA, a certificate for 127.0.0.1 and one for the charge point, as PEM files."""
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("certificates")
    now = datetime.now(timezone.utc)
    made = {}

    def make(name, issuer=None, address=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
        signer, signing_key = made[issuer] if issuer else (subject, key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
            # Asked for from Python 3.13 on.
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        if issuer is None:
            uses = dict.fromkeys(KEY_USES, False) | {"key_cert_sign": True}
            builder = builder.add_extension(x509.KeyUsage(**uses), True)
        if address:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
            builder = builder.add_extension(names, False)
        certificate = builder.sign(signing_key, hashes.SHA256())
        made[name] = (subject, key)
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    make("ca")
    make("server", "ca", "127.0.0.1")
    make(CP, "ca")
    return folder


def server_context(certificates, *, wants_client):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    if wants_client:
        context.load_verify_locations(certificates / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def twins_at(central, certificates, **options):
    default = {"ca_file": str(certificates / "ca.pem"), "backoff_s": 0.01, "clock": ManualClock()}
    return Twins(central.url, 1, **{**default, **options})


def test_tls_with_a_password(certificates):
    central = Central(tls=server_context(certificates, wants_client=False))
    with central:
        with twins_at(central, certificates, password="x") as twins:
            twins.wait_connected()
            assert twins.start_charging(CP) == "Accepted"
        assert central.opened[0][2]["authorization"].startswith("Basic ")


def test_tls_with_a_client_certificate(certificates):
    with Central(tls=server_context(certificates, wants_client=True)) as central:
        own = {
            "certificate_file": str(certificates / f"{CP}.pem"),
            "key_file": str(certificates / f"{CP}.key"),
        }
        with twins_at(central, certificates, **own) as twins:
            twins.wait_connected()
        with twins_at(central, certificates) as twins, pytest.raises(TimeoutError):
            twins.wait_connected(0.3)


def test_a_central_system_that_nobody_vouches_for_is_not_trusted(certificates):
    central = Central(tls=server_context(certificates, wants_client=False))
    with central, twins_at(central, certificates, ca_file=None) as twins:
        with pytest.raises(TimeoutError):
            twins.wait_connected(0.3)
        assert "SSLCertVerificationError" in str(twins.messages(CP))
