"""Sigma detections to predicates: what is read, and what is refused with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from entrawatch.rules import ir
from entrawatch.rules.conditions import Detection
from entrawatch.rules.faults import Refused
from entrawatch.rules.names import resolver

CODE = ir.FieldRef("status.errorCode", "number")
AGENT = ir.FieldRef("userAgent")
ADDRESS = resolver("signin")("ipAddress")
INTERACTIVE = ir.FieldRef("isInteractive", "boolean")
PARAMETERS = {
    "scopes": ir.Parameter("scopes", "list", ("a", "b"), "scopes that matter"),
    "name": ir.Parameter("name", "text", "x", "a name that matters"),
}
ANY, ONE = ir.Wildcard.ANY, ir.Wildcard.ONE


def read(detection: dict[str, Any]) -> ir.Predicate:
    return Detection(resolver("signin"), PARAMETERS).predicate(detection)


def one(test: dict[str, Any]) -> ir.Predicate:
    return read({"selection": test, "condition": "selection"})


@pytest.mark.parametrize(
    ("test", "predicate"),
    [
        ({"status.errorCode": 50126}, ir.Equals(CODE, 50126)),
        ({"status.errorCode": "50126"}, ir.Equals(CODE, 50126)),
        ({"ResultType": "0"}, ir.Equals(CODE, 0)),
        ({"properties.status.errorCode": 0}, ir.Equals(CODE, 0)),
        ({"status.errorCode": [50126, "50053"]}, ir.OneOf(CODE, (50126, 50053))),
        ({"status.errorCode|gte": 5}, ir.Compares(CODE, ">=", 5)),
        ({"userAgent": "BAV2ROPC"}, ir.Equals(AGENT, "BAV2ROPC")),
        ({"userAgent": 7}, ir.Equals(AGENT, "7")),
        ({"userAgent|startswith": "Sync_"}, ir.Like(AGENT, ("Sync_", ANY))),
        ({"userAgent": "a*b?c"}, ir.Like(AGENT, ("a", ANY, "b", ONE, "c"))),
        ({"userAgent": r"100\*"}, ir.Equals(AGENT, "100*")),
        ({"userAgent": "*"}, ir.Present(AGENT)),
        ({"userAgent|contains": ["a", "b"]}, ir.ContainsAny(AGENT, ("a", "b"))),
        ({"userAgent|contains": "a"}, ir.Like(AGENT, (ANY, "a", ANY))),
        (
            {"userAgent|contains|all": ["a", "b"]},
            ir.And((ir.Like(AGENT, (ANY, "a", ANY)), ir.Like(AGENT, (ANY, "b", ANY)))),
        ),
        ({"userAgent": None}, ir.Not(ir.Present(AGENT))),
        ({"userAgent": ""}, ir.Not(ir.Present(AGENT))),
        ({"userAgent|exists": True}, ir.Present(AGENT)),
        ({"userAgent|exists": False}, ir.Not(ir.Present(AGENT))),
        ({"userAgent|re": "bot[0-9]+"}, ir.Matches(AGENT, "bot[0-9]+")),
        ({"ipAddress|cidr": "10.0.0.0/8"}, ir.InNetwork(ADDRESS, ("10.0.0.0/8",))),
        ({"ipAddress|cidr": ["10.0.0.0/8", "2001:DB8::/32"]}, ir.InNetwork(ADDRESS, ("10.0.0.0/8", "2001:db8::/32"))),
        ({"ipAddress|cidr": "192.0.2.7"}, ir.InNetwork(ADDRESS, ("192.0.2.7/32",))),
        ({"isInteractive": True}, ir.Equals(INTERACTIVE, True)),
        ({"isInteractive": "False"}, ir.Equals(INTERACTIVE, False)),
        ({"userAgent|contains|expand": "%scopes%"}, ir.ContainsAny(AGENT, PARAMETERS["scopes"])),
        ({"userAgent|expand": "%scopes%"}, ir.OneOf(AGENT, PARAMETERS["scopes"])),
        ({"userAgent|expand": "%name%"}, ir.Equals(AGENT, PARAMETERS["name"])),
        (
            {"homeTenantId|fieldref": "resourceTenantId"},
            ir.SameAs(ir.FieldRef("homeTenantId"), ir.FieldRef("resourceTenantId")),
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_test_is_read_as_it_is_meant(test: dict[str, Any], predicate: ir.Predicate) -> None:
    assert one(test) == predicate


def test_conditions_nest_and_chains_are_flat() -> None:
    tests = {"a": {"status.errorCode": 0}, "b": {"userAgent": "x"}, "c": {"isInteractive": True}}
    a, b, c = ir.Equals(CODE, 0), ir.Equals(AGENT, "x"), ir.Equals(INTERACTIVE, True)
    assert read({**tests, "condition": "a and b and not c"}) == ir.And((a, b, ir.Not(c)))
    assert read({**tests, "condition": "a or (b or c)"}) == ir.Or((a, b, c))
    assert read({**tests, "condition": "a and (b or c)"}) == ir.And((a, ir.Or((b, c))))
    assert read({"x1": tests["a"], "x2": tests["b"], "condition": "1 of x*"}) == ir.Or((a, b))
    assert read({"x1": tests["a"], "x2": tests["b"], "condition": "all of them"}) == ir.And((a, b))


@pytest.mark.parametrize(
    ("detection", "reason"),
    [
        ({"a": ["word"], "condition": "a"}, "keyword"),
        ({"a": {"nosuch": 1}, "condition": "a"}, "no field 'nosuch'"),
        ({"a": {"status.errorcodes": 1}, "condition": "a"}, "did you mean status.errorCode"),
        ({"a": {"ResultTyp": 1}, "condition": "a"}, "did you mean ResultType (here status.errorCode)?"),
        ({"a": {"Categry": 1}, "condition": "a"}, "did you mean Category (here envelope.category)?"),
        ({"a": {"resultTyp": 1}, "condition": "a"}, "did you mean ResultType (here status.errorCode)?"),
        ({"a": {"xyz": 1}, "condition": "a"}, "no field 'xyz'; docs/fields.md lists them"),
        ({"a": {"Status": "Success"}, "condition": "a"}, "what succeeded has status.errorCode: 0"),
        ({"a": {"deviceDetail": "x"}, "condition": "a"}, "name a field inside it"),
        ({"a": {"status.errorCode": "abc"}, "condition": "a"}, "holds a number"),
        ({"a": {"status.errorCode|contains": "50"}, "condition": "a"}, "holds a number"),
        ({"a": {"isInteractive": "maybe"}, "condition": "a"}, "true or false"),
        ({"a": {"userAgent|cased": "X"}, "condition": "a"}, "without case"),
        ({"a": {"userAgent|gt": 5}, "condition": "a"}, "only a number field"),
        ({"a": {"userAgent|cidr": "10.0.0.0/8"}, "condition": "a"}, "no address"),
        ({"a": {"ipAddress|cidr": 'fe80::%"), true) | union (X/64'}, "condition": "a"}, "has a scope"),
        ({"a": {"ipAddress|cidr": []}, "condition": "not a"}, "|cidr of an empty list asks nothing"),
        ({"a": {"userAgent|contains": []}, "condition": "a"}, "|contains of an empty list asks nothing"),
        ({"a": {"ipAddress|cidr": "::/0"}, "condition": "a"}, "::/0 holds IPv4 addresses as IPv6 has them"),
        ({"a": {"ipAddress|cidr": "::ffff:10.0.0.0/104"}, "condition": "a"}, "write an IPv4 network"),
        ({"a": {"userAgent|re": r"(?i)bot"}, "condition": "a"}, "not every engine"),
        ({"a": {"userAgent|expand": "%other%"}, "condition": "a"}, "there are: name, scopes"),
        ({"a": {"userAgent|contains|expand": "%name%"}, "condition": "a"}, "a parameter goes with"),
        ({"a": {"createdDateTime": "2026-01-01"}, "condition": "a"}, "absolute times"),
        ({"a": {"userAgent": "x"}, "condition": "b"}, "pySigma does not read it"),
        ({"a": {"userAgent": "x"}, "condition": "a | count() > 5"}, "pySigma does not read it"),
    ],
)
def test_what_cannot_be_exact_is_refused_with_its_reason(detection: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        read(detection)
    assert reason in str(refusal.value)
