"""How an application proves itself: client secret, certificate, or the token of an issuer it trusts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional
from urllib.parse import parse_qs

import jwt

from entrawatch.emulator.files import write_whole
from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from entrawatch.emulator.answers import Request

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenRefusedError(Exception):
    """An answer of the token endpoint in OAuth's error shape.

    :param number: the AADSTS number.
    """

    def __init__(self, error: str, number: int, text: str, status: int = 400) -> None:
        self.error, self.number, self.text, self.status = error, number, text, status
        super().__init__(text)


def held(file: Path) -> str:
    """The secret in a file, "" where there is none.

    :raises ConfigError: the file holds something that is no secret.
    """
    with suppress(FileNotFoundError):
        found = file.read_bytes().strip()
        if not (found.isascii() and found.decode("ascii").isprintable()):
            raise ConfigError([f"{file} is not the emulator's client secret; give another folder"])
        return found.decode("ascii")
    return ""


def kept(file: Path, fresh: str) -> str:
    """The secret in a file, for its owner's eyes alone; where there is none, the fresh one is put there.

    :raises ConfigError: the file holds something that is no secret.
    """
    found = held(file)
    if found:
        file.chmod(0o600)
    else:
        write_whole(file, fresh.encode(), 0o600)
    return found or fresh


@dataclass
class App:
    """One application of the tenant.

    :param roles: application permissions that were granted; a token holds those of the moment it was issued.
    :param certificates: public keys (PEM) whose assertions are taken.
    :param federated: (issuer, subject, public key PEM) of federated credentials.
    """

    client_id: str
    name: str
    secrets: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    certificates: list[str] = field(default_factory=list)
    federated: list[tuple[str, str, str]] = field(default_factory=list)


def check_credential(app: App, form: Mapping[str, str], audiences: list[str]) -> None:
    """Refuse a request for a token whose secret, certificate or outside token is not the application's.

    :param audiences: what an assertion signed with the application's certificate may be meant for.
    :raises TokenRefusedError: as Entra ID refuses it.
    """
    if "client_assertion" in form:
        _check_assertion(app, form, audiences)
    elif "client_secret" not in form:
        text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
        raise TokenRefusedError("invalid_client", 7000218, text, 401)
    elif form["client_secret"] not in app.secrets:
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
            f"value, not the client secret ID, for a secret added to app '{app.client_id}'."
        )
        raise TokenRefusedError("invalid_client", 7000215, text, 401)


def _check_assertion(app: App, form: Mapping[str, str], audiences: list[str]) -> None:
    if form.get("client_assertion_type") != _ASSERTION:
        raise TokenRefusedError("invalid_request", 900144, "The request body must contain 'client_assertion_type'.")
    assertion = form["client_assertion"]
    try:
        issuer = str(jwt.decode(assertion, options={"verify_signature": False}).get("iss"))
    except jwt.InvalidTokenError:
        raise TokenRefusedError("invalid_client", 50027, "JWT token is invalid or malformed.", 401) from None
    if issuer.lower() == app.client_id:
        _check_certificate(app, assertion, audiences)
    else:
        _check_federated(app, issuer, assertion)


def _check_certificate(app: App, assertion: str, audiences: list[str]) -> None:
    if not any(_verifies(assertion, key, audiences) for key in app.certificates):
        text = "Client assertion failed signature validation, or its certificate is not registered on the app."
        raise TokenRefusedError("invalid_client", 700027, text, 401)


def _check_federated(app: App, issuer: str, assertion: str) -> None:
    keys = [key for known, _, key in app.federated if known == issuer]
    if not keys:
        text = f"No matching federated identity record found for presented assertion issuer '{issuer}'."
        raise TokenRefusedError("invalid_client", 700211, text, 401)
    subjects = {subject for known, subject, _ in app.federated if known == issuer}
    audience = ["api://AzureADTokenExchange"]
    if not any(_verifies(assertion, key, audience, subjects) for key in keys):
        text = "No matching federated identity record found for presented assertion subject."
        raise TokenRefusedError("invalid_client", 700213, text, 401)


def _verifies(assertion: str, key: str, audiences: list[str], subjects: Optional[set[str]] = None) -> bool:
    try:
        claims = jwt.decode(assertion, key, algorithms=["RS256", "PS256", "ES256"], audience=audiences)
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return subjects is None or claims.get("sub") in subjects


def form_of(request: Request) -> dict[str, str]:
    """The fields of a posted form; of equal names the last one counts."""
    fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}
