"""What the report says that a change changed: neither hidden nor made up, be the values whole or cut off."""

from __future__ import annotations

import re
from typing import Any

import pytest

from entrawatch.hunt.changes import Change, changes
from entrawatch.hunt.report import report
from entrawatch.hunt.run import hunt
from entrawatch.reading import Found, Where

from .test_hunt import CATALOGUE, HOSTILE
from .test_words import hunted

OLD = '{"state":"enabled","conditions":{"users":{"includeUsers":["All"],"excludeUsers":[]},"platforms":null}}'
NEW = '{"state":"enabled","conditions":{"users":{"includeUsers":["All"],"excludeUsers":["a","b"]},"apps":[{"x":1}]}}'
HALF = '{"a":' * 90_000
WHOLE = "the {} cut off or damaged and cannot be read as JSON: both as they came"
HOLE = Change("policy conditions: conditions > users > exclude users", "", "a, b")


@pytest.mark.parametrize(
    ("evidence", "wanted"),
    [
        ({"entra.policy.old_state": ["enabled"], "entra.policy.new_state": ["disabled"]},
         [Change("policy state", "enabled", "disabled")]),
        ({"entra.policy.old_state": ["enabled"], "entra.policy.new_state": ["enabled"]}, []),
        ({"entra.credentials.new": ["2"], "entra.credentials.old": ["1"]}, [Change("credentials", "1", "2")]),
        ({"entra.policy.old_state": [], "entra.policy.new_state": ["on"]}, [Change("policy state", None, "on")]),
        ({"entra.policy.new_state": ["on"]}, []),
        ({"renewed": ["x"], "newer": ["y"]}, []),
        ({"x.old_a": ["1", "2"], "x.new_a": ["3"]}, []),
        ({"entra.policy.old_conditions": [OLD], "entra.policy.new_conditions": [NEW]},
         [HOLE, Change("policy conditions: conditions > apps", "", '[{"x":1}]')]),
        ({"x.old_a": ['{"a":"x"}'], "x.new_a": []}, [Change("x a", '{"a":"x"}', None)]),
        ({"x.old_a": ['{"a":' * 900 + "1" + "}" * 900], "x.new_a": ['{"b":1}']}, None),
        ({"x.old_a": [HALF], "x.new_a": ['{"b":1}']}, [Change("x a", HALF, '{"b":1}', WHOLE.format("old value is"))]),
        ({"x.old_a": ['["b"]'], "x.new_a": ['["b']}, [Change("x a", '["b"]', '["b', WHOLE.format("new value is"))]),
        ({"x.old_a": ["[1"], "x.new_a": ["{"]}, [Change("x a", "[1", "{", WHOLE.format("old and the new values are"))]),
        ({"x.old_a": [HALF], "x.new_a": [HALF]}, []),
        ({"x.old_a": ["All"], "x.new_a": ['{"b":1}']}, [Change("x a", "All", '{"b":1}')]),
        ({"x.old_a": ['{"b":["p, q"]}'], "x.new_a": ['{"b":["p","q"]}']}, [Change("x a: b", '["p, q"]', "p, q")]),
        ({"x.old_a": ['{"b":"p, q"}'], "x.new_a": ['{"b":["p","q"]}']}, [Change("x a: b", '"p, q"', '["p","q"]')]),
        ({"x.old_a": ['{"b":["",""]}'], "x.new_a": ['{"b":[""]}']}, [Change("x a: b", '["",""]', '[""]')]),
        ({"x.old_a": ['{"b":1}'], "x.new_a": ['{"b":"1"}']}, [Change("x a: b", "1", '"1"')]),
        ({"x.old_a": ['{"b":true}'], "x.new_a": ['{"b":1}']}, [Change("x a: b", "true", "1")]),
        ({"x.old_a": ['{"b":null,"c":[{"d":1,"e":2}]}'], "x.new_a": ['{"c":[{"e":2,"d":1}],"f":[]}']}, []),
    ],
)  # fmt: skip
def test_a_change_tells_what_stood_there_and_what_does(evidence: Any, wanted: Any) -> None:
    found = changes(evidence)
    assert found == wanted if wanted is not None else len(found) == 2


def policy(old: str, new: str) -> Any:
    changed = [{"displayName": "ConditionalAccessPolicy", "oldValue": old, "newValue": new}]
    return [{"id": "p", "type": "Policy", "displayName": f"MFA {HOSTILE}", "modifiedProperties": changed}]


def test_a_policy_s_change_is_read_without_reading_json() -> None:
    new = NEW.replace('"a"', '"<b onclick=x>"')
    user = {"user": {"userPrincipalName": "boss@contoso.example"}}
    page = report(hunted(initiatedBy=user, targetResources=policy(OLD, new)))
    assert "<h4>What changed</h4>" in page
    row = re.search(r"<tr><th>policy conditions: users &gt; exclude users</th><td>(.*?)</td>", page)
    assert row
    assert row[1] == '<span class="soft">nothing</span> → <ins>&lt;b onclick=x&gt;, b</ins>'
    assert '<details class="json"><summary>JSON</summary><pre>{\n' in page
    assert '<span title="entra.policy.exclusions_added: ' in page
    assert "T1556.009 Conditional Access Policies</span>" in page
    assert "<b onclick" not in page
    assert "<script" not in page


CUT = NEW[: NEW.index(',"b"]')]
BY = {"user": {"userPrincipalName": "boss@contoso.example"}}


@pytest.mark.parametrize(("old", "new"), [(OLD, CUT), (CUT, NEW), (CUT, CUT.replace("enabled", "disabled"))])
def test_a_policy_that_was_cut_off_is_shown_as_it_came_and_nothing_of_it_looks_removed(old: str, new: str) -> None:
    result = hunted(initiatedBy=BY, targetResources=policy(old, new))
    page = report(result)
    assert [one.rule.slug for one in result.findings] == ["conditional-access-policy-changed"]
    assert "<p>Not all of this change can be read" in page
    (text,) = re.findall(r'<pre class="tall">(.*?)</pre>', page)
    assert text == f"ConditionalAccessPolicy={new} ({old})".replace('"', "&#34;")
    assert not re.findall(
        r"<tr><th>policy (?:state|conditions)[^<]*</th><td>.*<span class=\"soft\">nothing</span>", page
    )
    assert "entra.unread" not in page


@pytest.mark.parametrize("new", [NEW, OLD.replace("enabled", "disabled")])
def test_of_what_was_read_nothing_is_said_to_be_cut_off(new: str) -> None:
    page = report(hunted(initiatedBy=BY, targetResources=policy(OLD, new)))
    assert "<h4>What changed</h4>" in page
    assert "can be read" not in page


ODD = [{"policy": "x", "modified": {"changes": [1, {"a": 2}, None]}}, {"modified": "x"}, {"modified": {"changes": "y"}}]


@pytest.mark.parametrize("entra", [*ODD, {"policy": ["z"]}, {}])
def test_an_event_of_another_s_making_is_read_whatever_stands_there(entra: Any) -> None:
    event = {
        "@timestamp": "2026-01-07T09:00:00Z", "entra": {"stream": "directory_audits", **entra},
        "event": {"dataset": "azure.auditlogs", "id": "1"},
    }  # fmt: skip
    result = hunt(CATALOGUE, [Found(Where("-", 1), event)])
    assert (result.loaded.records["audit"], result.loaded.bad) == (1, [])
