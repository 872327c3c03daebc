"""What Entra's token errors mean and what to do about them.

Codes: learn.microsoft.com/entra/identity-platform/reference-error-codes. Microsoft adds codes at any time; one that
is not here is shown as it came.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from entrawatch.errors import AuthError, SourceError, TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: code → what it means; what to do
MEANINGS: dict[int, str] = {
    7000215: "the client secret is wrong; use the secret's value (not its id) from Certificates & secrets",
    7000222: "the client secret has expired; make a new one under Certificates & secrets",
    7000218: "no client secret or assertion arrived; the application must be a confidential client",
    7000112: "the application is disabled in the tenant; enable its enterprise application",
    7000229: "the application has no service principal in the tenant; grant admin consent first",
    700016: "no application with this client_id in the tenant; check client_id and tenant_id",
    700027: "the certificate is not registered with the application; upload it under Certificates & secrets",
    700024: "the signed assertion is outside its time; set this machine's clock",
    700211: "no federated credential has the token's issuer; check the application's federated credentials",
    700212: "no federated credential has the token's audience; it is api://AzureADTokenExchange as a rule",
    700213: "no federated credential has the token's subject; check the application's federated credentials",
    70021: "no federated credential matches the token; check its issuer, subject and audience",
    90002: "the tenant was not found; check tenant_id and graph.cloud",
    900023: "the tenant_id is neither a GUID nor a verified domain; check it",
    900382: "this application belongs to another cloud; check graph.cloud",
    900432: "this application belongs to another cloud; check graph.cloud",
    50049: "the login host does not know this cloud instance; check graph.cloud or graph.login_url",
    50001: "the Graph host is not known to this tenant; check graph.cloud or graph.url",
    500011: "the Graph host is not known to this tenant; check graph.cloud or graph.url",
    70011: "the scope is not valid; check graph.url",
    1002012: "the scope is not valid; check graph.url",
    50034: "the account does not exist in this tenant; check tenant_id",
    53003: "a Conditional Access policy blocks the sign-in; exclude the workload or its location",
    50105: "the application asks for an assignment that this identity does not have; "
    "assign it, or let the enterprise application ask for none",
}  # fmt: skip
#: codes that pass by themselves
PASSING = frozenset({90033, 90055, 50196})
_PASSING_ERRORS = frozenset({"temporarily_unavailable", "server_error", "timeout"})
_CODE = re.compile(r"AADSTS(\d{4,8})")
_NOISE = re.compile(r"\s*(Trace ID|Correlation ID|Timestamp):.*", re.DOTALL)


def codes_in(text: str) -> list[int]:
    """The AADSTS codes a text names, in its order."""
    return [int(code) for code in _CODE.findall(text)]


def explain(answer: Mapping[str, Any], tenant: str) -> SourceError:
    """The error a token endpoint's refusal becomes: one line, without trace ids.

    :param answer: the endpoint's JSON (`error`, `error_description`, `error_codes`).
    :param tenant: the tenant's name in the configuration.
    """
    description = str(answer.get("error_description") or answer.get("error") or "no reason given")
    given = answer.get("error_codes")
    codes = [code for code in given if isinstance(code, int)] if isinstance(given, list) else []
    codes = codes or codes_in(description)
    if PASSING.intersection(codes) or answer.get("error") in _PASSING_ERRORS:
        return TransientError(f"tenant {tenant}: Entra ID cannot give a token just now ({_short(description)})")
    for code in codes:
        if code in MEANINGS:
            return AuthError(f"tenant {tenant}: Entra ID refused the sign-in (AADSTS{code}): {MEANINGS[code]}")
    return AuthError(f"tenant {tenant}: Entra ID refused the sign-in: {_short(description)}")


def _short(description: str) -> str:
    return " ".join(_NOISE.sub("", description).split())[:300]
