"""`entrawatch deploy elastic` against a Kibana that answers as Kibana does."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import TYPE_CHECKING, Any, Callable

import pytest
from tests.deploy.conftest import ANOTHER
from tests.deploy.kibana import BASE, KEY, Kibana
from tests.deploy.stub import Fault, Reply

from entrawatch.rules.shipped import shipped

if TYPE_CHECKING:
    from tests.deploy.conftest import Content, Done

DECODED = "id-of-key:secret-of-the-key"


@pytest.fixture
def deploy(
    call: Callable[..., Done], content: Content, kibana: Kibana, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    monkeypatch.setenv("ELASTIC_API_KEY", KEY)

    def run(*options: object, url: str = "") -> Done:
        return call("deploy", "elastic", "--kibana-url", url or kibana.url, "--content", content.folder,
                    "--ca-bundle", kibana.ca_file, *options)  # fmt: skip

    return run


def by_name(kibana: Kibana, part: str) -> dict[str, Any]:
    (found,) = [rule for rule in kibana.rules.values() if part in rule["name"]]
    return found


def theirs(kibana: Kibana) -> dict[str, Any]:
    """A rule of a colleague's, with our tag and a copy of our mark on it."""
    copied = dict(by_name(kibana, "Guest"), rule_id="theirs", id="their-id", name="Guest invited [Duplicate]")
    kibana.rules["theirs"] = copied
    return copied


def test_a_plan_shows_everything_as_new_and_changes_nothing(deploy: Callable[..., Done], kibana: Kibana) -> None:
    done = deploy("--plan")
    assert done.code == 0
    assert done.out.splitlines()[0] == f"Kibana {kibana.url}, space default"
    assert len(done.told("+")) == 3
    assert done.counts == "3 new, 0 changed, 0 drifted by hand, 0 removed, 0 unchanged"
    assert kibana.writes == []
    assert kibana.rules == {}


def test_without_a_checkout_it_is_the_installed_catalogue(
    call: Callable[..., Done], kibana: Kibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTIC_API_KEY", KEY)
    monkeypatch.setenv("KIBANA_URL", kibana.url)
    done = call("deploy", "elastic", "--plan", "--ca-bundle", kibana.ca_file)
    assert len(done.told("+")) == len(shipped().rules)


def test_a_first_deployment_puts_every_rule_there_disabled(deploy: Callable[..., Done], kibana: Kibana) -> None:
    done = deploy("--yes")
    assert (done.code, len(done.told("*"))) == (0, 3)
    assert [rule["enabled"] for rule in kibana.rules.values()] == [False] * 3


def test_new_rules_run_at_once_where_that_is_asked_for(deploy: Callable[..., Done], kibana: Kibana) -> None:
    deploy("--yes", "--rules", "guest-invited")
    deploy("--yes", "--enable")
    assert sorted(rule["enabled"] for rule in kibana.rules.values()) == [False, True, True]


def test_a_second_run_has_nothing_to_do(deploy: Callable[..., Done], kibana: Kibana) -> None:
    deploy("--yes")
    kibana.log.clear()
    done = deploy("--yes")
    assert done.counts == "0 new, 0 changed, 0 drifted by hand, 0 removed, 3 unchanged"
    assert (done.code, kibana.writes) == (0, [])
    assert deploy("--check").code == 0


def test_a_changed_rule_is_told_with_its_fields_and_keeps_what_is_the_admins(
    deploy: Callable[..., Done], kibana: Kibana, content: Content
) -> None:
    deploy("--yes")
    rule_id = by_name(kibana, "Guest")["rule_id"]
    exceptions = [{"id": "e", "list_id": "l", "type": "detection", "namespace_type": "single"}]
    actions = [{"id": "mail", "group": "default", "action_type_id": ".email", "params": {}}]
    set_by_hand = {"enabled": True, "exceptions_list": exceptions, "actions": actions, "timeline_id": "t"}
    kibana.change(rule_id, **set_by_hand)
    content.describe("guest-invited", ANOTHER)
    assert deploy("--check").code == 1
    done = deploy("--yes")
    (line,) = done.told("~")
    assert "Guest" in line
    assert line.endswith(": description, note")
    rule = kibana.rules[rule_id]
    assert rule["description"] == ANOTHER
    assert {name: rule[name] for name in set_by_hand} == set_by_hand
    assert deploy("--check").code == 0


@pytest.mark.parametrize("edit", [Kibana.edit, Kibana.change], ids=["on the page", "over the API"])
def test_what_was_changed_by_hand_is_told_and_left(
    edit: Callable[..., None], deploy: Callable[..., Done], kibana: Kibana
) -> None:
    deploy("--yes")
    rule_id, interval = by_name(kibana, "Guest")["rule_id"], by_name(kibana, "Guest")["interval"]
    edit(kibana, rule_id, interval="7m")
    kibana.log.clear()
    done = deploy("--yes")
    (line,) = done.told("!")
    assert "interval" in line
    assert "--overwrite-drift" in done.out
    assert (done.code, kibana.writes, kibana.rules[rule_id]["interval"]) == (0, [], "7m")
    done = deploy("--yes", "--overwrite-drift")
    assert "left as they are" not in done.out
    assert (done.code, kibana.rules[rule_id]["interval"]) == (0, interval)
    assert deploy("--check").code == 0


def test_drift_says_whether_the_catalogue_has_changed_too(
    deploy: Callable[..., Done], kibana: Kibana, content: Content
) -> None:
    deploy("--yes")
    kibana.change(by_name(kibana, "Guest")["rule_id"], interval="7m")
    assert "interval (changed by hand)" in deploy("--plan").told("!")[0]
    content.describe("guest-invited", ANOTHER)
    assert "description, interval, note (changed by hand, and in the catalogue since)" in deploy("--plan").told("!")[0]


def test_a_rule_that_was_imported_by_hand_is_ours_and_gets_its_mark(
    deploy: Callable[..., Done], kibana: Kibana
) -> None:
    deploy("--yes")
    rule = by_name(kibana, "Guest")
    rule["setup"] = rule["setup"].partition("[//]")[0]
    assert deploy("--plan").told("~")[0].endswith(": mark")
    deploy("--yes")
    assert deploy("--plan").counts.endswith("3 unchanged")
    by_name(kibana, "Guest").update({"setup": "", "note": "older"})
    assert "it was not put there by deploy" in deploy("--plan").told("!")[0]


def test_the_page_in_kibana_may_save_a_rule_without_changing_what_is_ours(
    deploy: Callable[..., Done], kibana: Kibana, content: Content
) -> None:
    deploy("--yes")
    rule_id = by_name(kibana, "spray")["rule_id"]
    kibana.edit(rule_id, actions=[{"id": "mail", "group": "default", "params": {}}])
    assert deploy("--check").code == 0
    content.describe("password-spray", ANOTHER)
    assert deploy("--yes").counts == "0 new, 1 changed, 0 drifted by hand, 0 removed, 2 unchanged"
    assert kibana.rules[rule_id]["actions"]
    assert kibana.rules[rule_id]["meta"] == {"kibana_siem_app_url": kibana.url}
    assert deploy("--check").code == 0


def test_the_mark_is_a_line_that_markdown_does_not_show(deploy: Callable[..., Done], kibana: Kibana) -> None:
    deploy("--yes")
    for rule in kibana.rules.values():
        shown, last = rule["setup"].rstrip().rsplit("\n", 1)
        assert re.fullmatch(r"\[//\]: # \(entrawatch \S+\)", last)
        assert shown.endswith("\n")


def test_what_is_not_ours_is_not_touched(deploy: Callable[..., Done], kibana: Kibana) -> None:
    deploy("--yes")
    before = dict(theirs(kibana))
    kibana.rules["elastics"] = dict(before, rule_id="elastics", id="elastic-id", immutable=True)
    done = deploy("--yes", "--prune", "--overwrite-drift")
    assert done.counts == "0 new, 0 changed, 0 drifted by hand, 0 removed, 3 unchanged"
    assert kibana.rules["theirs"] == before


def test_what_left_the_catalogue_is_told_and_goes_only_when_asked(
    deploy: Callable[..., Done], kibana: Kibana, content: Content
) -> None:
    content.release()
    deploy("--yes")
    theirs(kibana)
    content.remove("guest-invited")
    kibana.log.clear()
    done = deploy("--yes")
    assert (len(done.told("-")), kibana.writes, len(kibana.rules)) == (1, [], 4)
    assert "--prune" in done.out
    done = deploy("--yes", "--prune")
    assert (done.code, len(done.told("*"))) == (0, 1)
    assert sorted(rule["name"] for rule in kibana.rules.values() if "Guest" in rule["name"]) == [
        "Guest invited [Duplicate]"
    ]
    assert deploy("--check").code == 0


@pytest.mark.parametrize("released", [True, False], ids=["known by the lock", "known by its mark"])
def test_a_removed_rule_that_somebody_changed_stays_without_overwrite_drift(
    released: bool, deploy: Callable[..., Done], kibana: Kibana, content: Content
) -> None:
    if released:
        content.release()
    deploy("--yes")
    content.remove("guest-invited")
    kibana.change(by_name(kibana, "Guest")["rule_id"], note="mine")
    done = deploy("--yes", "--prune")
    assert "changed by hand" in done.told("-")[0]
    assert len(kibana.rules) == 3
    deploy("--yes", "--prune", "--overwrite-drift")
    assert len(kibana.rules) == 2


def test_chosen_rules_are_deployed_and_nothing_else_is_told(
    deploy: Callable[..., Done], kibana: Kibana, content: Content
) -> None:
    deploy("--yes")
    content.describe("guest-invited", ANOTHER)
    content.describe("password-spray", ANOTHER)
    content.remove("single-factor-from-new-network")
    done = deploy("--yes", "--prune", "--rules", "guest-invited")
    assert done.counts == "0 new, 1 changed, 0 drifted by hand, 0 removed, 0 unchanged"
    assert len(kibana.rules) == 3
    assert "did you mean guest-invited?" in deploy("--yes", "--rules", "guest-invted").err


def test_a_refused_rule_is_told_and_the_next_run_completes(deploy: Callable[..., Done], kibana: Kibana) -> None:
    deploy("--yes")
    rule_id = by_name(kibana, "Guest")["rule_id"]
    kibana.rules.clear()
    kibana.refused[rule_id] = "query: \x1b[31munknown\ncolumn [x]"
    done = deploy("--yes")
    assert (done.code, len(done.told("*"))) == (3, 2)
    (line,) = done.told("x")
    assert "query: \ufffd[31munknown column [x]" in line
    assert "2 of 3 done" in done.err
    kibana.refused.clear()
    done = deploy("--yes")
    assert (done.code, len(done.told("+")), len(kibana.rules)) == (0, 1, 3)


def test_a_rule_somebody_made_while_the_plan_was_read_is_not_overwritten(
    deploy: Callable[..., Done], kibana: Kibana
) -> None:
    deploy("--yes", "--rules", "guest-invited")
    rule = by_name(kibana, "Guest")
    kibana.rules.clear()
    kibana.faults.append(Fault(lambda a: a.path == f"{BASE}/_import", None, before=lambda: kibana.put(kibana.rules, {
        **rule, "note": "theirs"})))  # fmt: skip
    done = deploy("--yes")
    assert done.code == 3
    assert "already exists" in done.told("x")[0]
    assert by_name(kibana, "Guest")["note"] == "theirs"


def test_a_rule_somebody_changed_while_the_plan_was_read_is_not_overwritten(
    deploy: Callable[..., Done], kibana: Kibana, content: Content
) -> None:
    deploy("--yes")
    rule_id = by_name(kibana, "Guest")["rule_id"]
    for slug in ("guest-invited", "password-spray"):
        content.describe(slug, ANOTHER)
    seen: list[int] = []

    def meanwhile(_: Any) -> bool:
        seen.append(1)
        if len(seen) == 2:
            kibana.change(rule_id, interval="9m")
        return False

    kibana.faults.append(Fault(meanwhile, None))
    done = deploy("--yes")
    assert (done.code, len(done.told("*"))) == (3, 1)
    assert "meanwhile" in done.told("x")[0]
    assert (kibana.rules[rule_id]["interval"], kibana.rules[rule_id]["description"] == ANOTHER) == ("9m", False)


def test_missing_connectors_are_told_for_every_rule_of_the_import(
    deploy: Callable[..., Done], kibana: Kibana, content: Content
) -> None:
    deploy("--yes")
    kibana.change(by_name(kibana, "Guest")["rule_id"], actions=[{"id": "gone", "group": "default", "params": {}}])
    content.describe("guest-invited", ANOTHER)
    done = deploy("--yes")
    assert done.code == 3
    assert "1 connector is missing" in done.told("x")[0]


def test_a_fault_of_no_rule_in_particular_is_told_for_those_that_are_not_there(
    deploy: Callable[..., Done], kibana: Kibana
) -> None:
    fault = {"rule_id": "(unknown id)", "error": {"status_code": 400, "message": "Unexpected token in line 2"}}
    said = {"success": False, "success_count": 0, "rules_count": 3, "errors": [fault]}
    kibana.faults.append(Fault(lambda a: a.method == "POST", Reply(200, said)))
    done = deploy("--yes")
    assert (done.code, len(done.told("x"))) == (3, 3)
    assert all(line.endswith("Unexpected token in line 2") for line in done.told("x"))


def test_a_page_in_place_of_the_api_is_not_taken_for_an_empty_list(deploy: Callable[..., Done], kibana: Kibana) -> None:
    for body in (b"<html>Log in</html>", b"[]", b"{}", b'{"data": [], "total": "3"}', b"[" * 100_000):
        kibana.faults.append(Fault(lambda _: True, Reply(200, body)))
        done = deploy("--yes")
        assert (done.code, kibana.writes) == (3, [])
        assert "is it Kibana?" in done.err


def test_a_rule_that_is_not_deleted_is_told(deploy: Callable[..., Done], kibana: Kibana, content: Content) -> None:
    deploy("--yes")
    kibana.refused[by_name(kibana, "Guest")["rule_id"]] = "no"
    content.remove("guest-invited")
    content.remove("password-spray")
    done = deploy("--yes", "--prune")
    assert (done.code, len(done.told("*")), len(done.told("x"))) == (3, 1, 1)


def test_a_space_is_named_in_the_path_and_others_stay_empty(deploy: Callable[..., Done], kibana: Kibana) -> None:
    assert deploy("--yes", "--space", "soc").code == 0
    assert (len(kibana.spaces["soc"]), kibana.rules) == (3, {})
    assert "/s/default/" not in str([asked.path for asked in kibana.log])
    assert deploy("--check", "--space", "default").code == 1
    assert len(kibana.spaces["soc"]) == 3
    assert deploy("--check", "--space", "gone").code == 3


def test_many_rules_come_in_pages_and_a_list_that_changes_is_not_trusted(
    deploy: Callable[..., Done], kibana: Kibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrawatch.deploy.elastic._PAGE", 2)
    deploy("--yes")
    theirs(kibana)
    kibana.log.clear()
    assert deploy("--plan").counts.endswith("3 unchanged")
    assert [asked.query["page"] for asked in kibana.log] == ["1", "2"]
    short = {"page": 2, "perPage": 2, "total": 4, "data": []}
    kibana.faults.append(Fault(lambda a: a.query.get("page") == "2", Reply(200, short)))
    done = deploy("--plan")
    assert done.code == 3
    assert "changed while it was read" in done.err


def test_json_has_the_plan_and_what_became_of_it(deploy: Callable[..., Done], kibana: Kibana) -> None:
    deploy("--yes", "--rules", "guest-invited")
    plan = json.loads(deploy("--plan", "--format", "json").out)
    assert plan["counts"] == {"new": 2, "changed": 0, "drifted": 0, "removed": 0, "unchanged": 1}
    assert {one["rule"] for one in plan["differences"]} == {"password-spray", "single-factor-from-new-network"}
    kibana.refused[plan["differences"][0]["key"]] = "no"
    done = deploy("--yes", "--format", "json")
    outcomes = json.loads(done.out)["outcomes"]
    assert done.code == 3
    assert {one["key"]: (one["action"], one["done"], one["error"]) for one in outcomes} == {
        plan["differences"][0]["key"]: ("create", False, "no"),
        plan["differences"][1]["key"]: ("create", True, ""),
    }


REFUSALS = [
    (401, "revoked, expired"),
    (403, "Security: All"),
    (404, "check the address and the space"),
    (500, "answered 500"),
]


@pytest.mark.parametrize(("status", "advice"), REFUSALS)
def test_a_refusal_says_what_to_do(
    status: int, advice: str, deploy: Callable[..., Done], kibana: Kibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrawatch.clock.SystemClock.sleep", lambda *_: None)
    # a proxy on the way repeats the key in its words
    said = {"message": f"no: ApiKey {KEY} {DECODED} secret-of-the-key"}
    kibana.faults.append(Fault(lambda _: True, Reply(status, said), times=9))
    done = deploy("--yes")
    assert done.code == 3
    assert advice in done.err
    assert len(done.err.splitlines()) == 1
    for spelling in (KEY, DECODED, "secret-of-the-key"):
        assert spelling not in done.out + done.err


def test_a_server_that_is_busy_is_asked_again_after_the_pause_it_names(
    deploy: Callable[..., Done], kibana: Kibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("entrawatch.clock.SystemClock.sleep", lambda _, seconds: pauses.append(seconds))
    kibana.faults.append(Fault(lambda a: a.method == "GET", Reply(503)))
    kibana.faults.append(Fault(lambda a: a.method == "POST", Reply(429, headers={"Retry-After": "7"}), times=2))
    assert deploy("--yes").code == 0
    assert pauses == [1.0, 7.0, 7.0]


def test_an_import_whose_fate_is_unknown_is_not_sent_twice(deploy: Callable[..., Done], kibana: Kibana) -> None:
    kibana.faults.append(Fault(lambda a: a.method == "POST", Reply(502, {"message": "bad gateway"})))
    done = deploy("--yes")
    assert (done.code, len(done.told("x")), len(kibana.writes)) == (3, 3, 1)


def test_a_redirect_is_not_followed(deploy: Callable[..., Done], kibana: Kibana) -> None:
    kibana.faults.append(Fault(lambda _: True, Reply(302, headers={"Location": f"{kibana.url}/login"}), times=9))
    done = deploy("--yes")
    assert done.code == 3
    assert "redirect (302), which is not followed" in done.err
    assert len(kibana.log) == 1


def test_a_server_of_unknown_certificate_gets_no_request(
    call: Callable[..., Done], content: Content, kibana: Kibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTIC_API_KEY", KEY)
    done = call("deploy", "elastic", "--kibana-url", kibana.url, "--content", content.folder, "--yes")
    assert done.code == 3
    assert "--ca-bundle" in done.err
    assert kibana.log == []


def test_a_server_that_is_not_there_is_named(
    deploy: Callable[..., Done], kibana: Kibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("entrawatch.clock.SystemClock.sleep", lambda _, seconds: pauses.append(seconds))
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = deploy("--yes", url=f"https://localhost:{port}")
    assert (done.code, pauses) == (3, [1.0, 2.0])
    assert f"localhost:{port}: no connection" in done.err


def test_a_server_that_does_not_answer_is_not_waited_for(
    deploy: Callable[..., Done], kibana: Kibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrawatch.clock.SystemClock.sleep", lambda *_: None)
    kibana.faults.append(Fault(lambda _: True, Reply(200), before=lambda: time.sleep(1.5), times=9))
    done = deploy("--yes", "--timeout", "1")
    assert done.code == 3
    assert "no answer within 1 s" in done.err


FAULTY = [
    (("--kibana-url", "http://kibana.example"), "write https"),
    (("--kibana-url", "https://elastic:secret@kibana.example"), "a user, a password or a query"),
    (("--kibana-url", "kibana"), "is no URL"),
    (("--api-key-file", "/nowhere/key"), "cannot be read"),
    (("--api-key-env", "NOT_SET"), "NOT_SET is not set"),
    (("--ca-bundle", "/nowhere/ca.pem"), "cannot read"),
    (("--ca-bundle", __file__), "holds no CA certificate"),
    (("--timeout", "0"), "between 1 and 3600"),
    (("--space", ".."), "'..' is no space's id"),
    (("--space", "SOC Team"), "is no space's id"),
    (("--content", "/nowhere"), "has no catalogue"),
]


@pytest.mark.parametrize(("options", "said"), FAULTY, ids=[" ".join(options) for options, _ in FAULTY])
def test_a_faulty_option_is_said_before_anything_is_asked(
    options: tuple[str, ...], said: str, deploy: Callable[..., Done], kibana: Kibana
) -> None:
    done = deploy("--yes", *options)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert said in done.err
    assert "secret" not in done.err
    assert kibana.log == []


def test_without_a_terminal_nothing_is_done_unasked(deploy: Callable[..., Done], kibana: Kibana) -> None:
    done = deploy()
    assert done.code == 2
    assert "--yes" in done.err
    assert kibana.log == []


@pytest.mark.parametrize(("said", "made"), [("y\n", 3), ("n\n", 0), ("\n", 0), ("", 0)])
def test_on_a_terminal_the_person_is_asked(
    said: str, made: int, deploy: Callable[..., Done], kibana: Kibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return said

    monkeypatch.setattr("sys.stdin", Terminal())
    assert deploy("--format", "json").code == 2
    done = deploy()
    assert (done.code, len(kibana.rules)) == (0, made)
    assert "do this, 3 objects?" in done.err
    assert ("nothing was changed" in done.err) is (made == 0)
