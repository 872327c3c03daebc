"""`rules show`: what a rule says in words, what a query needs beside its text, and options that say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Done

ASKED = "organisation-networks (baselines/organisation-networks.yml in the catalogue): addresses, and their countries"
OWN = """\
title: Odd sign-ins
id: 2b7d6fc0-71ac-4cf7-8ed1-b5788ee5257a
status: test
description: It is odd.
logsource: {product: azure, service: signinlogs}
detection:
  one:
    ResultType: [50053, 50126]
    AppDisplayName|contains: [Graph, Shell]
    UserPrincipalName|startswith: 'adm*n\\*'
    IPAddress|cidr: 192.0.2.0/24
  regex:
    UserAgent|re: curl/[0-9]+
  big:
    autonomousSystemNumber|gte: 64512
  none:
    AppId: null
  absent:
    resourceId: null
  other:
    - UserAgent: x
    - isInteractive: false
  condition: one and (regex or big) and not none and absent and not other
level: medium
"""


SAID = {
    "password-spray": """
what it looks for in sign-ins
  status.errorCode is 50126

counted
  of the same ipAddress, appDisplayName, userAgent
  at least users (5) different values of userPrincipalName within 1h, in windows that step by 5m

a finding is told apart by
  ipAddress, appDisplayName, userAgent

parameters
  users = 5: how many different accounts within the hour make a finding
""",
    "password-spray-success": """
then, within 1d of the last of them
  ipAddress is the same
  userPrincipalName is one of theirs
  status.errorCode is 0
""",
    "third-party-changes": """
what it looks for in the audit log
  result is "success"

and, in one window of 1d with it, in sign-ins
  correlationId is the correlationId of the first
  all of
    homeTenantId has a value
    not: homeTenantId is the same as resourceTenantId
""",
    "single-factor-from-new-network": f"""
unless organisation-networks knows it
  ipAddress is none of its addresses, and location.countryOrRegion none of its countries
  {ASKED}""",
    "account-hijacking": "\n  learnt from sign-ins where status.errorCode is 0\n",
    "brute-force": """
  at least attempts (5) events within 1h, in windows that step by 5m

its level is high where the legacy password flow knows no second factor, so one right guess is a session
  userAgent is "BAV2ROPC"
""",
    "user-consent-to-application": '\n  entra.consent.scopes contains high_privilege_scopes (one of "Mail.", ',
}


@pytest.mark.parametrize("slug", SAID)
def test_a_rule_in_words_says_what_it_tests(call: Callable[..., Done], slug: str) -> None:
    assert SAID[slug] in call("rules", "show", slug).out


def test_a_rule_of_ones_own_is_put_in_words_as_it_is_understood(call: Callable[..., Done], tmp_path: Path) -> None:
    path = tmp_path / "odd.yml"
    path.write_text(OWN, encoding="utf-8")
    assert call("rules", "show", path).out.split("\n\n")[2].splitlines() == [
        "what it looks for in sign-ins",
        "  all of",
        "    status.errorCode is one of 50053, 50126",
        '    appDisplayName contains one of "Graph", "Shell"',
        '    userPrincipalName is like "adm*n\\**"',
        '    ipAddress lies in "192.0.2.0/24"',
        "    one of",
        "      userAgent matches the regular expression curl/[0-9]+",
        "      autonomousSystemNumber >= 64512",
        "    appId has a value",
        "    resourceId has no value",
        "    not: one of",
        '      userAgent is "x"',
        "      isInteractive is false",
    ]


@pytest.mark.parametrize(
    ("slug", "language", "needs"),
    [
        (
            "account-hijacking",
            "esql",
            "the lookup index entrawatch-organisation-networks, and the transforms that fill",
        ),
        (
            "single-factor-from-new-network",
            "esql",
            "the lookup indices entrawatch-organisation-networks, entrawatch-organisation-networks-countries, and the",
        ),
        ("account-hijacking", "spl", "the lookup entrawatch_organisation_networks, which the Splunk app defines"),
        ("password-spray", "esql", ""),
        ("account-hijacking", "kql", ""),
        ("account-hijacking", "sql", ""),
    ],
)
def test_a_query_is_shown_with_the_lookups_that_it_needs(
    call: Callable[..., Done], slug: str, language: str, needs: str
) -> None:
    last = (call("rules", "show", slug, "--dialect", language).err.splitlines() or [""])[-1]
    assert last.startswith(f"entrawatch: needs {needs}") if needs else last == ""


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--dialect kql --profile foo", "kql has no profile 'foo': it reads one shape of events"),
        ("--dialect eql --profile foo", "eql has no profile 'foo': it reads one shape of events"),
        ("--dialect spl --profile foo", "spl has no profile 'foo': there are normalized, azure:monitor:aad"),
        (
            "--dialect sql --sql-dialect bigquery",
            "sql has no engine 'bigquery': there are duckdb, postgres, snowflake, databricks, trino",
        ),
        ("--profile foo", "rules show: --profile goes with --dialect: without it, the rule is shown in words"),
        (
            "--sql-dialect duckdb",
            "rules show: --sql-dialect goes with --dialect sql: without it, the rule is shown in words",
        ),
        (
            "--dialect sql --profile normalized",
            "rules show: --profile says nothing of sql; its engine is chosen by --sql-dialect",
        ),
        (
            "--dialect spl --sql-dialect duckdb",
            "rules show: --sql-dialect says nothing of spl; it goes with --dialect sql",
        ),
    ],
)
def test_an_option_that_says_nothing_is_refused(call: Callable[..., Done], options: str, told: str) -> None:
    done = call("rules", "show", "brute-force", *options.split())
    assert (done.code, done.out, done.line) == (2, "", f"entrawatch: {told}")
