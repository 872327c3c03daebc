"""A certificate authority and a server certificate for loopback, made when the emulator starts, or kept from before."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Optional

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from entrawatch.emulator.files import write_whole
from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_CA = "Entrawatch emulator CA"
_LIFETIME = timedelta(days=30)
#: what a kept certificate must be good for still
_LEFT = timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    # The machine's own time, not the emulator's clock: it is the client's TLS library that checks it.
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    # Key usage and key identifiers: Python 3.13 verifies with VERIFY_X509_STRICT, which asks for them.
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = _builder(_CA, _CA, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def _leaf(key: ec.EllipticCurvePrivateKey, ca_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = _builder("localhost", _CA, key)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(usage, critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return builder.add_extension(issuer, critical=False).sign(ca_key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def server_context(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """The server's TLS context and the CA file that clients trust; the CA's key is kept nowhere.

    :param directory: an existing private directory for the files. Those that are there are used again, as long as they
        are good for a day.
    :raises ConfigError: files of those names are there and are not ours: nothing is written over them.
    """
    ca_file, chain = directory / "ca.pem", directory / "server.pem"
    ca, leaf = _certificate(ca_file), _certificate(chain)
    if not _good(ca, leaf):
        _refuse_others(directory, (ca_file, chain), (ca, leaf))
        _make(ca_file, chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain)
    return context, ca_file


def _certificate(file: Path) -> Optional[x509.Certificate]:
    """The certificate in a file; None where there is none."""
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _good(ca: Optional[x509.Certificate], leaf: Optional[x509.Certificate]) -> bool:
    """Whether both are ours, of one making (the next start may have been cut off between two files), and last."""
    if ca is None or leaf is None or ca.subject != _name(_CA):
        return False
    try:
        leaf.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return leaf.not_valid_after_utc - datetime.now(timezone.utc) > _LEFT


def _refuse_others(directory: Path, files: tuple[Path, ...], found: tuple[Optional[x509.Certificate], ...]) -> None:
    """:raises ConfigError: somebody else's certificate is in the files, or something and no certificate of ours."""
    others = [file.name for file, one in zip(files, found) if one and one.issuer != _name(_CA)]
    odd = [file.name for file, one in zip(files, found) if not one and file.exists() and file.stat().st_size]
    if others or (odd and not any(found)):
        raise ConfigError([f"{directory} has a {[*others, *odd][0]} that is not the emulator's; give another folder"])


def _make(ca_file: Path, chain: Path) -> None:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    write_whole(chain, private + _pem(_leaf(key, ca_key)), 0o600)
    write_whole(ca_file, _pem(_authority(ca_key)), 0o644)


def public_key_of(pem: bytes) -> str:
    """The public key (PEM) of a certificate (PEM).

    :raises ValueError: it is none.
    """
    key = x509.load_pem_x509_certificate(pem).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
