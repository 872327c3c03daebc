"""The parts of directory objects: Graph's permissions, licences, and what is read from a request."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entrawatch.emulator.answers import RefusedError
from entrawatch.jsontext import loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.emulator.answers import Request

#: a directory object as Graph writes it
Object = dict[str, Any]
#: application permissions of Graph: value to id (permissions reference; see graph.md for the first five)
APP_ROLES = {
    "AuditLog.Read.All": "b0afded3-3588-46d8-8b3d-9842eff778da",
    "Directory.Read.All": "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
    "IdentityRiskEvent.Read.All": "6e472fd1-ad78-48da-a0f0-97ab2c6b769e",
    "IdentityRiskyUser.Read.All": "dc5007c0-2d7d-4c42-879c-2dab87571379",
    "IdentityRiskyServicePrincipal.Read.All": "607c7344-0eed-41e5-823a-9695ebe1b7b0",
    "Policy.Read.All": "246dd0d5-5bd0-4def-940b-0421030a5b68",
    "Policy.Read.ConditionalAccess": "37730810-e9ba-4e46-b07e-8ca78d182097",
    "Organization.Read.All": "498476ce-e0fe-48b0-b801-37ba7e2685c6",
    "Application.Read.All": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
}
#: what a licence of the stream table is called in subscribedSkus
PLANS = {
    "Entra ID P1": ("AAD_PREMIUM", "41781fb2-bc02-4b7c-bd55-b576c07bb09d"),
    "Entra ID P2": ("AAD_PREMIUM_P2", "eec0eb4f-6444-4f95-aba0-50c24d67f998"),
    "Workload Identities Premium": ("AAD_WRKLDID_P2", "7dc0e92d-bf15-401d-907e-0884efe7c760"),
}


def bad_request(text: str) -> RefusedError:
    """400 as the directory gives it."""
    return RefusedError(400, "Request_BadRequest", text)


def graph_roles() -> list[Object]:
    """The appRoles of Graph's own service principal."""
    common = {"allowedMemberTypes": ["Application"], "isEnabled": True, "origin": "Application"}
    return [{"id": identity, "value": value, "displayName": value, **common} for value, identity in APP_ROLES.items()]


def body_of(request: Request) -> Object:
    """The JSON object a request carries.

    :raises RefusedError: it carries none.
    """
    try:
        value = loads(request.body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        text = "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid "
        raise bad_request(text + "JSON format.")
    return value


def selected(item: Object, request: Request) -> Object:
    """The fields that $select asks for, or all."""
    names = set(filter(None, request.query.get("$select", "").replace(" ", "").split(",")))
    return {name: value for name, value in item.items() if not names or name in names}


def public_keys(body: Mapping[str, Any]) -> list[str]:
    """The public keys (PEM) of the certificates in keyCredentials.

    :raises RefusedError: one is no certificate.
    """
    try:
        found = [base64.b64decode(str(item["key"]), validate=True) for item in body.get("keyCredentials") or ()]
        keys = [_certificate(data).public_key() for data in found]
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise bad_request("Key credential is invalid: key must be a base64-encoded certificate.") from None
    return [key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for key in keys]


def _certificate(data: bytes) -> x509.Certificate:
    # The portal and the tools send the DER form, or the PEM file's bytes.
    return x509.load_pem_x509_certificate(data) if data.startswith(b"-----") else x509.load_der_x509_certificate(data)
