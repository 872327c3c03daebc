"""The certificate credential: one PEM file with the certificate and its private key."""

from __future__ import annotations

import base64
import os
import re
import stat
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from entrawatch.errors import AuthError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.x509 import Certificate

    from entrawatch.config.model import AuthConfig

_KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def credential(auth: AuthConfig, where: str) -> dict[str, Any]:
    """What msal wants for a certificate; it computes the SHA-256 thumbprint and sends the chain itself.

    :param where: who asks, for the messages.
    :raises AuthError: the file is missing, is no PEM with both parts, has another password, or has expired.
    """
    try:
        import cryptography  # noqa: F401 - only whether it is there
    except ImportError:
        raise AuthError(
            f"{where}: certificates need the cryptography package; pip install cryptography, or use a client secret"
        ) from None
    key, chain = _parts(auth, where)
    _check(key, chain[0], auth, where)
    given: dict[str, Any] = {"private_key": key, "public_certificate": "\n".join(chain)}
    if auth.certificate_password is not None:
        given["passphrase"] = auth.certificate_password.reveal()
    return given


def _parts(auth: AuthConfig, where: str) -> tuple[str, list[str]]:
    if auth.certificate is None:
        raise AuthError(f"{where}: no certificate; set auth.certificate to a PEM file with certificate and key")
    try:
        mode = auth.certificate.stat().st_mode
        text = auth.certificate.read_text(encoding="ascii")
    except (OSError, ValueError):
        raise AuthError(
            f"{where}: cannot read {auth.certificate} as PEM; give certificate and key in one file"
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):  # as any file with a secret: the key is one
        raise AuthError(f"{where}: {auth.certificate} holds a key that others can read; run chmod 600 on it")
    key, chain = _KEY.search(text), [match.group() for match in _CERTIFICATE.finditer(text)]
    if key is None or not chain:
        missing = "private key" if key is None else "certificate"
        raise AuthError(f"{where}: {auth.certificate} holds no {missing}; put both into the one PEM file")
    return key.group(), chain


def _check(key: str, certificate: str, auth: AuthConfig, where: str) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    password = auth.certificate_password.reveal().encode() if auth.certificate_password else None
    try:
        private = load_pem_private_key(key.encode(), password)
    except (TypeError, ValueError):
        raise AuthError(f"{where}: {auth.certificate}: the key's password is wrong or missing") from None
    try:
        public = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        raise AuthError(f"{where}: {auth.certificate}: the certificate cannot be read") from None
    if public.public_key() != private.public_key():
        raise AuthError(f"{where}: {auth.certificate}: the key does not belong to the first certificate")
    _check_time(public, auth, where)


def _check_time(public: Certificate, auth: AuthConfig, where: str) -> None:
    if public.not_valid_after_utc < datetime.now(timezone.utc):
        day = public.not_valid_after_utc.date()
        raise AuthError(f"{where}: {auth.certificate}: the certificate expired on {day}; make a new one and upload it")


def key_credential(pem: Path) -> tuple[dict[str, Any], frozenset[str]]:
    """The first certificate of a PEM file as Graph's keyCredential, and its thumbprint in the forms Graph shows.

    :raises AuthError: the file cannot be read or holds no certificate.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        match = _CERTIFICATE.search(pem.read_text(encoding="ascii"))
        public = x509.load_pem_x509_certificate(match.group().encode()) if match else None
    except (OSError, ValueError):
        public = None
    if public is None:
        raise AuthError(f"{pem}: no certificate can be read there; give a PEM file with one")
    thumbprint = public.fingerprint(hashes.SHA1())  # noqa: S303 - Graph's name for a certificate, no protection
    shown = frozenset({thumbprint.hex().upper(), base64.b64encode(thumbprint).decode()})
    key = base64.b64encode(public.public_bytes(Encoding.DER)).decode()
    return {"type": "AsymmetricX509Cert", "usage": "Verify", "key": key, "displayName": "entrawatch"}, shown


def make(pem: Path, name: str, days: int) -> None:
    """A new key and a self-signed certificate in one PEM file that only its owner can read.

    :param name: the certificate's common name.
    :param days: how long it is good for.
    :raises AuthError: the file exists or cannot be written.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 3072)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    now = datetime.now(timezone.utc)
    public = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days)).sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(pem, private + public.public_bytes(serialization.Encoding.PEM))


def write_private(path: Path, content: bytes) -> None:
    """A new file that only its owner can read; an existing one is never written over.

    :raises AuthError: the file exists or cannot be written.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise AuthError(f"{path}: exists and is not written over; choose another name") from None
    except OSError as error:
        raise AuthError(f"{path}: cannot be written ({error.strerror})") from None
