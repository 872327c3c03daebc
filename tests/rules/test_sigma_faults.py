"""What is wrong with a Sigma file: all of it at once, each with its line, its key, what was expected and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from entrawatch.errors import ConfigError
from entrawatch.rules.asked import asked
from entrawatch.rules.faults import Faults

from .test_catalogue import ROOT
from .test_community import PLAIN, read, without, write

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "title: x\nlogsource: {product: azure, service: signinlogs}\n"
GOOD = f"{HEAD}detection: {{s: {{ResultType: 1}}, condition: s}}\n"

MANY_FAULTS = """\
title: Lockouts
id: nouuid
status: tested
level: severe
date: 24.11.2026
tags: attack.t1110
falsepositives: 5
logsource:
  product: azure
  service: signinlog
fields: [IPAddress, IPAdress, nosuch]
detection:
  selection:
    ResultTyp: 50053
    Status: Success
    ResultType:
      - abc
      - 50053
      - def
    userAgent|contain: x
  listed:
    - word
    - another word
    - IPAddress|cidr: 10.0.0.0/33
      isInteractive: maybe
    - deviceDetail: {trustType: x}
  condition: selection AND not liste and (filter or 1 of other*)
"""
TOLD = """\
line 2: id: Sigma rule identifier must be an UUID; it takes a UUID, as python -c
line 3: status: 'tested' is not a valid Sigma rule status; it takes stable, test, experimental, deprecated or
line 4: level: 'severe' is not a valid Sigma rule level; it takes informational, low, medium, high or critical
line 5: date: Rule date '24.11.2026' is invalid, use yyyy-mm-dd; it takes a date as 2026-11-24
line 6: tags: Sigma tags fields must be a list; it takes a list of texts as attack.t1110
line 7: falsepositives: Sigma rule falsepositives must be a list; it takes a list of texts
line 8: logsource: product azure, service signinlog is none of Entra ID's; it takes product azure, service signinlogs or
line 11: fields: the signin source has no field 'IPAdres'; did you mean ipAddress?
line 11: fields: the signin source has no field 'nosuch'; docs/fields.md lists them
line 14: detection.selection.ResultTyp: the signin source has no field 'ResultTyp'; did you mean ResultType (here
line 15: detection.selection.Status: Status holds a whole object; name a field inside it (status.errorCode,
line 16: detection.selection.ResultType: status.errorCode: it holds a number of at most 15 digits, which 'abc' is not
line 16: detection.selection.ResultType: status.errorCode: it holds a number of at most 15 digits, which 'def' is not
line 20: detection.selection.userAgent|contain: Sigma has no modifier 'contain'; did you mean contains?
line 21: detection.listed: a keyword without a field means nothing on structured records; write field|contains: keyword
line 24: detection.listed.2.IPAddress|cidr: pySigma does not read it: Invalid CIDR expression: '10.0.0.0/33' does not
line 25: detection.listed.2.isInteractive: isInteractive: it is true or false, not 'maybe'
line 26: detection.listed.3.deviceDetail: a value is a text, a number, true, false, null or a list; write the path, as
line 27: detection.condition: the detection has no AND (did you mean and?), no liste (did you mean listed?), no filter
"""
CORRELATION_FAULTS = """\
title: Many
level: hihg
correlation:
  type: value_cont
  rules: x
  groupby: IPAddress
  group-by: [IPAdres, nosuch]
  timespan: 1 h
  condition: {gte: 3.5, field: UserPrincipalName}
  aliases: {a: {x: b}}
  generate: maybe
"""
CORRELATION_TOLD = """\
line 2: level: 'hihg' is not a valid Sigma rule level; it takes
line 4: correlation.type: value_cont has no exact form in every language; it takes event_count or value_count
line 6: correlation.groupby: a correlation has no such key; did you mean group-by?
line 7: correlation.group-by: the signin source has no field 'IPAdres'; did you mean ipAddress?; the signin
line 8: correlation.timespan: 1 h is no timespan; it takes a number and s, m, h, d or w, as 1h
line 9: correlation.condition: gte 3.5 is no threshold; it takes a whole number that one event can miss
line 10: correlation.aliases: every spelling of a field is one field here; name it in group-by, and leave aliases out
line 11: correlation.generate: it is true (the rule it counts over is one of its own, too) or false
"""


EVENTS = (
    "title: x\ncorrelation: {type: event_count, rules: x, group-by: IPAddress, timespan: 1h, condition: {gte: 2}}\n"
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(MANY_FAULTS.replace("IPAdress,", "IPAdres,"), TOLD.splitlines(), id="a rule"),
        pytest.param(CORRELATION_FAULTS, CORRELATION_TOLD.splitlines(), id="a correlation"),
        pytest.param(
            "titel: x\nlogsources: {}\n",
            [
                "it has no title; is titel meant to be it?",
                "it has no logsource; is logsources meant to be it?",
                "it has no detection; add {selection: {FIELD: VALUE}, condition: selection}",
            ],
            id="mistyped keys",
        ),
        (HEAD, ["it has no detection; add"]),
        (f"{HEAD}detection: {{}}", ["line 3: detection: it selects nothing; add selection: "]),
        (f"{HEAD}detection: {{s: {{id: 1}}}}", ["line 3: detection: it has no condition; add one, as condition: s"]),
        (
            f"{HEAD}detection:\n  s: {{nosuch: 1}}\n  timeframe: 5m\n  condition: s | count() > 5",
            [
                "line 4: detection.s.nosuch: the signin source",
                "line 5: detection.timeframe: it belongs to",
                "line 6: detection.condition: Sigma has dropped aggregations (| count, near); write a correlation",
            ],
        ),
        (
            f"{HEAD}detection: {{5: {{6: 7}}, condition: 5}}\n5: 6",
            [
                "line 3: detection.5.6: pySigma does not read it: ",
                "line 3: detection.condition: pySigma does not read it: ",
                "line 4: 5: 5 is a key that is no text",
            ],
        ),
        pytest.param(
            f"{HEAD}detection: {{s: {{UserAgnt|startwith|contain: x, userAgent|fieldref: Nosuch}}, condition: s}}",
            [
                "line 3: detection.s.UserAgnt|startwith|contain: the signin source has no field 'UserAgnt'",
                "line 3: detection.s.UserAgnt|startwith|contain: Sigma has no modifier 'contain'; did you mean contain",
                "line 3: detection.s.userAgent|fieldref: the signin source has no field 'Nosuch'",
            ],
            id="a field and its modifiers",
        ),
        (GOOD.replace("{product: azure, service: signinlogs}", "5"), ["line 2: logsource: Sigma logsource must be"]),
        (
            GOOD.replace("product: azure", "category: signin"),
            ["line 2: logsource: category signin, service signinlogs"],
        ),
        (
            GOOD.replace("product: azure", "product: [azure]"),
            [
                "line 2: logsource: Sigma log source product must",
                "line 2: logsource: product ['azure'], service signinl",
            ],
        ),
        (
            f"{GOOD}correlation: {{at_least: 5}}",
            ["line 4: correlation: beside a detection it is the catalogue's, with"],
        ),
        (f"{GOOD}parameters: {{}}", ["line 4: parameters: beside a detection it is the catalogue's, with triage"]),
        ("title: x\ncorrelation: 5", ["line 2: correlation: it is a mapping with type, rules, "]),
        (
            EVENTS.replace("gte: 2", "gte: 2, field: x"),
            ["line 2: correlation.condition: event_count counts events, and"],
        ),
        (EVENTS.replace("gte: 2", "gte: 2, lt: 5"), ["line 2: correlation.condition: only one of gte and gt is"]),
        (EVENTS.replace("gte: 2", "gt: true"), ["line 2: correlation.condition: gt True is no threshold"]),
        (EVENTS.replace("1h", "400d"), ["line 2: correlation.timespan: 400d: it takes at least five minutes"]),
        (EVENTS.replace("1h", "301s"), ["line 2: correlation.timespan: 301s: it takes at least five minutes"]),
        (
            EVENTS.replace("rules: x", "rules: [x, [y]]"),
            ["line 2: correlation.rules: a count is over the events of one"],
        ),
        (EVENTS.replace("IPAddress", "[[x]]"), ["line 2: correlation.group-by: ['x'] is no field's name"]),
        (GOOD.replace("condition: s", f"condition: {'not ' * 60}s"), ["line 3: detection.condition: it is nested too"]),
        (f"{GOOD}---\n- list", ["a rule is a YAML mapping"]),
        pytest.param("x" * (1 << 20) + ":", ["it is longer than 1 MiB; give the rules in several files"], id="long"),
        (GOOD.replace("s", "\u00e9").encode("latin-1"), ["it is no UTF-8 text (byte 13); save it as UTF-8"]),
        (GOOD.encode("utf-16"), ["it is no UTF-8 text (byte 1); save it as UTF-8"]),
    ],
)
def test_every_fault_of_a_document_is_told_at_once(tmp_path: Path, text: str | bytes, told: list[str]) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    _, faults = read(path, write(tmp_path, without(PLAIN, name="x")))
    assert len(faults) == len(told), faults
    for line, start in zip(faults, told):
        assert line.startswith(f"{path}: {start}")
        assert "\n" not in line


def test_a_fault_is_told_once_in_one_line_where_it_stands() -> None:
    faults = Faults("x.yml", places={"a": 1, "a.b": 2})
    for key in ("a.b.c", "a.b.c", "a.d", "e", ""):
        faults.add(key, "two\nlines")
    assert faults.lines == [
        "x.yml: e: two lines",
        "x.yml: two lines",
        "x.yml: line 1: a.d: two lines",
        "x.yml: line 2: a.b.c: two lines",
    ]


def test_a_document_of_the_catalogues_form_is_held_against_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text(f"{GOOD}triage: [look]\nlevel: severe\n", encoding="utf-8")
    _, faults = read(path)
    assert f"{path}: 'tests' is a required property" in faults
    assert f"{path}: line 5: level: 'severe' is none of informational, low, medium, high, critical" in faults


FAULTY = f"{HEAD}name: failed\ndetection: {{s: {{Nosuch: 1}}, condition: s}}\n---\n{EVENTS}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            FAULTY.replace("rules: x", "rules: failed").replace("IPAddress", "IPAddres"),
            [
                "line 4: detection.s.Nosuch: the signin source has no field 'Nosuch'",
                "line 7: correlation.rules: failed (line 1 of {}) has faults of its own; they come first",
                "line 7: correlation.group-by: the signin source has no field 'IPAddres'",
            ],
        ),
        (
            FAULTY.replace("rules: x", "rules: failed").replace("service: signinlogs", "service: [x]"),
            [
                "line 2: logsource: ", "line 2: logsource: product azure, service ['x'] is none",
                "line 7: correlation.rules: failed (line 1 of {}) has faults of its own; they come first",
            ],
        ),
        (
            FAULTY,
            [
                "line 4: detection.s.Nosuch: the signin source has no field 'Nosuch'",
                "line 7: correlation.rules: x is the name or id of no rule that was read with it",
            ],
        ),
    ],
    ids=["and of its fields", "without a source", "unknown"],
)  # fmt: skip
def test_a_rule_that_is_counted_over_and_has_faults_is_no_unknown_one(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    path = tmp_path / "x.yml"
    path.write_text(text, encoding="utf-8")
    _, faults = read(path)
    assert len(faults) == len(told), faults
    for line, start in zip(faults, told):
        assert line.startswith(f"{path}: {start.format(path)}")


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff{GOOD}", GOOD.replace("\n", "\r\n"), f"---\n{GOOD}---\n", f"{GOOD}custom: {{a: [1]}}\nlicense: MIT",
        GOOD.replace("title", "name: é\ntitle"), f"{GOOD}id:\nlevel:\nstatus:\ntags:\ndate:\ndescription:\nauthor:",
        GOOD.replace("{ResultType: 1}", "&a {ResultType: 1}").replace("condition: s", "t: *a, condition: s or t"),
        GOOD.replace("s: {ResultType: 1}", "s: {<<: {ResultType: 1}}"), GOOD.replace("azure", "m365"),
        GOOD.replace("product: azure, ", ""), f"{GOOD}date: 2026-11-24\nmodified: 2026/1/2",
        GOOD.replace("{product", "{definition: x y, product"),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_differs_in_form_only_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yml"
    path.write_text(text, encoding="utf-8", newline="")
    rules, faults = read(path)
    assert (len(rules), faults) == (1, [])


@pytest.mark.parametrize("slug", ["password-spray", "single-factor-from-new-network"])
def test_a_correlation_counts_over_single_events_only(tmp_path: Path, slug: str) -> None:
    other = ROOT / "signin" / f"{slug}.yml"
    (name,) = (line.split()[1] for line in other.read_text(encoding="utf-8").splitlines() if line.startswith("id:"))
    path = tmp_path / "x.yml"
    path.write_text(EVENTS.replace("rules: x", f"rules: {name}"), encoding="utf-8")
    with pytest.raises(ConfigError, match="is no rule on single events alone, and only those are counted over"):
        asked([str(other), str(path)])
