"""`entrawatch deploy sentinel` against a Resource Manager that answers as Azure's does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import pytest
from tests.deploy import arm
from tests.deploy.arm import RULES, SEARCHES, TOKEN, Arm
from tests.deploy.conftest import ANOTHER
from tests.deploy.stub import Fault, Reply
from tests.graph import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.deploy.conftest import Content, Done


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Arm]:
    (tmp_path / "arm").mkdir()
    with Arm(tmp_path / "arm") as server:
        yield server


@pytest.fixture
def deploy(
    call: Callable[..., Done], content: Content, azure: Arm, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    monkeypatch.setenv("AZURE_ACCESS_TOKEN", TOKEN)

    def run(*options: object) -> Done:
        return call("deploy", "sentinel", "--subscription", arm.SUBSCRIPTION, "--resource-group", "soc",
                    "--workspace", "soc-logs", "--management-url", azure.url, "--content", content.folder,
                    "--ca-bundle", azure.ca_file, *options)  # fmt: skip

    return run


def named(azure: Arm, part: str, there: str = "rules") -> str:
    (found,) = [name for name, one in getattr(azure, there).items() if part in one["properties"]["displayName"]]
    return found


def scheduled(azure: Arm, part: str) -> str:
    (found,) = [
        name
        for name, one in azure.rules.items()
        if part in one["properties"]["displayName"] and one["kind"] == "Scheduled"
    ]
    return found


def rules(done: Done, sign: str) -> list[str]:
    return [line for line in done.told(sign) if "analytics rule" in line]


def test_a_first_deployment_puts_rules_there_disabled(deploy: Callable[..., Done], azure: Arm) -> None:
    assert (deploy("--plan").code, azure.writes) == (0, [])
    done = deploy("--yes")
    assert (done.code, len(done.told("x"))) == (0, 0)
    assert len(azure.rules) >= 3
    assert {rule["properties"]["enabled"] for rule in azure.rules.values()} == {False}
    assert deploy("--check").code == 0
    azure.log.clear()
    assert (deploy("--yes").code, azure.writes) == (0, [])


def test_new_rules_run_at_once_where_that_is_asked_for(deploy: Callable[..., Done], azure: Arm) -> None:
    """But for the near real time ones: each finds what its scheduled twin finds."""
    deploy("--yes", "--enable", "--no-hunting")
    running = {(rule["kind"], rule["properties"]["enabled"]) for rule in azure.rules.values()}
    assert running == {("Scheduled", True), ("NRT", False)}
    assert azure.searches == {}


def test_a_changed_rule_stays_enabled(deploy: Callable[..., Done], azure: Arm, content: Content) -> None:
    deploy("--yes")
    for name in azure.rules:
        azure.change(name, enabled=True)
    content.describe("guest-invited", ANOTHER)
    done = deploy("--yes")
    assert rules(done, "~")
    assert all("Guest" in line and "description" in line for line in rules(done, "~"))
    assert ANOTHER in azure.rules[scheduled(azure, "Guest")]["properties"]["description"]
    assert {rule["properties"]["enabled"] for rule in azure.rules.values()} == {True}
    assert deploy("--check").code == 0


BY_HAND = [
    ({"queryFrequency": "PT7M"}, "queryFrequency"),
    ({"severity": "Low"}, "severity"),
    ({"incidentConfiguration": {"createIncident": False}}, "incidentConfiguration"),
    ({"suppressionEnabled": True, "suppressionDuration": "PT2H"}, "suppressionDuration, suppressionEnabled"),
    ({"customDetails": {"Mine": "Column"}}, "customDetails"),
]


@pytest.mark.parametrize(("edit", "told"), BY_HAND, ids=[told for _, told in BY_HAND])
def test_what_was_changed_by_hand_is_told_and_left(
    edit: dict[str, Any], told: str, deploy: Callable[..., Done], azure: Arm
) -> None:
    deploy("--yes")
    name = scheduled(azure, "Guest")
    before = {**azure.rules[name]["properties"]}
    azure.change(name, **edit)
    done = deploy("--yes")
    assert f"{told} (changed by hand)" in rules(done, "!")[0]
    assert {key: azure.rules[name]["properties"][key] for key in edit} == edit
    assert deploy("--yes", "--overwrite-drift").code == 0
    assert {key: azure.rules[name]["properties"].get(key) for key in edit} == {key: before.get(key) for key in edit}
    assert deploy("--check").code == 0


def test_a_query_edited_in_the_portal_keeps_its_mark_and_is_drift(deploy: Callable[..., Done], azure: Arm) -> None:
    deploy("--yes")
    name = scheduled(azure, "Guest")
    query = azure.rules[name]["properties"]["query"]
    azure.change(name, query=query.replace("\n", "\r\n"))
    assert deploy("--check").code == 0
    azure.change(name, query=query + "\n| where 1 == 1")
    assert "query (changed by hand)" in rules(deploy("--plan"), "!")[0]
    azure.change(name, query=query.partition("\n")[2])
    assert rules(deploy("--plan"), "~")[0].endswith(": mark")


def test_others_rules_are_not_touched(deploy: Callable[..., Done], azure: Arm) -> None:
    deploy("--yes")
    copied = {**azure.rules[scheduled(azure, "Guest")], "name": "0f0f0f0f-0000-4000-8000-000000000000", "etag": '"x"'}
    azure.rules[copied["name"]] = copied
    azure.rules["BuiltInFusion"] = {"name": "BuiltInFusion", "kind": "Fusion", "properties": {"enabled": True}}
    azure.searches["others"] = {"name": "others", "properties": {"category": "x", "displayName": "y", "query": "z"}}
    azure.log.clear()
    done = deploy("--yes", "--prune", "--overwrite-drift")
    assert (done.code, azure.writes) == (0, [])


def test_what_left_the_catalogue_goes_only_when_asked(
    deploy: Callable[..., Done], azure: Arm, content: Content
) -> None:
    content.release()
    deploy("--yes")
    before = len(azure.rules)
    content.remove("guest-invited")
    assert rules(deploy("--yes"), "-")
    assert len(azure.rules) == before
    assert deploy("--yes", "--prune").code == 0
    assert not [one for one in azure.rules.values() if "Guest" in one["properties"]["displayName"]]
    assert deploy("--check").code == 0
    content.restore("guest-invited")
    done = deploy("--yes")
    assert done.code == 3
    assert "recently deleted" in done.told("x")[0]
    azure.deleted.clear()
    assert deploy("--yes").code == 0


def test_the_state_that_was_looked_at_is_named(deploy: Callable[..., Done], azure: Arm, content: Content) -> None:
    deploy("--yes")
    name = scheduled(azure, "Guest")
    content.describe("guest-invited", ANOTHER)
    meanwhile = Fault(
        lambda a: a.method == "PUT" and a.path.endswith(name), None, before=lambda: azure.change(name, severity="Low")
    )
    azure.faults.append(meanwhile)
    done = deploy("--yes")
    assert done.code == 3
    assert "changed it meanwhile" in next(line for line in done.told("x") if "Guest" in line)
    assert ANOTHER not in azure.rules[name]["properties"]["description"]
    one = azure.rules.pop(name)
    azure.faults.append(
        Fault(lambda a: a.method == "PUT", None, before=lambda: azure.rules.update({name: {**one, "mine": 1}}))
    )
    assert deploy("--yes").code == 3
    assert azure.rules[name]["mine"] == 1


def test_a_rule_that_somebody_changed_in_time_is_not_deleted(
    deploy: Callable[..., Done], azure: Arm, content: Content
) -> None:
    deploy("--yes")
    name = scheduled(azure, "Guest")
    content.remove("guest-invited")
    azure.faults.append(Fault(lambda a: a.path.endswith(name), None, before=lambda: azure.change(name, severity="Low")))
    done = deploy("--yes", "--prune")
    assert done.code == 3
    assert "meanwhile" in done.told("x")[0]
    assert name in azure.rules


def test_a_refused_rule_is_told_and_the_next_run_completes(deploy: Callable[..., Done], azure: Arm) -> None:
    deploy("--yes")
    name = scheduled(azure, "Guest")
    azure.rules.clear()
    azure.refused[name] = "The query\nis \x1b[1minvalid"
    done = deploy("--yes")
    assert (done.code, len(done.told("x"))) == (3, 1)
    assert "The query is \ufffd[1minvalid" in done.told("x")[0]
    azure.refused.clear()
    assert deploy("--yes").code == 0
    assert deploy("--check").code == 0


def test_pages_are_followed_on_the_same_host_only(
    deploy: Callable[..., Done], azure: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy("--yes")
    azure.page = 2
    assert deploy("--check").code == 0
    elsewhere = [
        "https://elsewhere.example/x", f"https://elsewhere.example\\@localhost:{azure.port}/",
        f"http://localhost:{azure.port}{RULES}", f"https://me@localhost:{azure.port}{RULES}",
        f"https://localhost:{azure.port + 1}{RULES}", "/subscriptions",
    ]  # fmt: skip
    for link in elsewhere:
        azure.log.clear()
        azure.faults.append(Fault(lambda a: a.path == RULES, Reply(200, {"value": [], "nextLink": link})))
        done = deploy("--yes")
        assert done.code == 3
        assert "another host" in done.err
        assert len(azure.log) == 1
    monkeypatch.setattr("entrawatch.deploy.azure._PAGES", 5)
    endless = Reply(200, {"value": [], "nextLink": f"{azure.url}{RULES}?x=1"})
    azure.faults.append(Fault(lambda a: a.path == RULES, endless, times=99))
    assert "no end of pages" in deploy("--plan").err


def test_throttling_is_waited_out(deploy: Callable[..., Done], azure: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("entrawatch.clock.SystemClock.sleep", lambda _, seconds: pauses.append(seconds))
    azure.faults.append(Fault(lambda a: a.method == "PUT", Reply(429, headers={"Retry-After": "17"})))
    azure.faults.append(Fault(lambda a: a.method == "PUT", Reply(503)))
    assert deploy("--yes").code == 0
    assert pauses == [17.0, 2.0]
    azure.rules.clear()
    pauses.clear()
    azure.faults.append(Fault(lambda a: a.method == "PUT", Reply(429, headers={"Retry-After": "3000"})))
    assert deploy("--yes").code == 3
    assert pauses == []


REFUSED = [(401, "get a new one"), (403, "Microsoft Sentinel Contributor"), (404, "check subscription")]


@pytest.mark.parametrize(("status", "said"), REFUSED)
def test_a_refusal_says_what_to_do(status: int, said: str, deploy: Callable[..., Done], azure: Arm) -> None:
    azure.faults.append(Fault(lambda _: True, Reply(status, {"error": {"code": "X", "message": f"no {TOKEN}"}})))
    done = deploy("--yes")
    assert done.code == 3
    assert said in done.err
    assert TOKEN not in done.out + done.err


def test_an_application_signs_in_with_its_secret(
    deploy: Callable[..., Done], azure: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_ACCESS_TOKEN")
    monkeypatch.setenv("AZURE_TENANT_ID", arm.TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", arm.CLIENT)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", arm.SECRET)
    options = ("--auth", "client_secret", "--login-url", azure.url)
    assert deploy("--yes", *options).code == 0
    assert azure.rules
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "another~secret-of-the-test")
    done = deploy("--yes", *options)
    assert done.code == 3
    assert "another~secret" not in done.out + done.err
    assert "graph." not in done.err


def test_an_application_signs_in_with_its_certificate(
    deploy: Callable[..., Done], azure: Arm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_ACCESS_TOKEN")
    monkeypatch.setenv("AZURE_CLIENT_CERTIFICATE_PASSWORD", "password-of-the-key")
    pem = certificates.make(tmp_path / "app.pem", password=b"password-of-the-key", elliptic=False)
    pem.chmod(0o600)
    options = ("--auth", "certificate", "--certificate", pem, "--tenant-id", arm.TENANT, "--client-id", arm.CLIENT)
    done = deploy("--plan", *options, "--login-url", azure.url)
    assert (done.code, done.err) == (0, "")
    monkeypatch.setenv("AZURE_CLIENT_CERTIFICATE_PASSWORD", "another-password")
    done = deploy("--plan", *options, "--login-url", azure.url)
    assert done.code == 3
    assert "another-password" not in done.err


def test_hunting_queries_are_saved_searches_of_ours(deploy: Callable[..., Done], azure: Arm, content: Content) -> None:
    deploy("--yes")
    assert azure.searches
    name = next(iter(azure.searches))
    assert azure.searches[name]["properties"]["category"] == "Hunting Queries"
    azure.change(name, "searches", query="print 1")
    done = deploy("--yes")
    assert "hunting query" in done.told("!")[0]
    assert azure.searches[name]["properties"]["query"] == "print 1"
    assert deploy("--yes", "--overwrite-drift").code == 0
    assert deploy("--check").code == 0
    assert {asked.path.rpartition("/")[0] for asked in azure.writes} == {RULES, SEARCHES}


FAULTY = [
    (("--subscription", "mine"), "is no GUID"),
    (("--resource-group", "a/../b"), "no name"),
    (("--resource-group", ".."), "no name"),
    (("--workspace", ""), "--workspace: not given"),
    (("--management-url", "http://management.azure.com"), "plain http"),
    (("--auth", "client_secret"), "AZURE_CLIENT_ID"),
    (("--auth", "certificate", "--tenant-id", "t", "--client-id", "c"), "--certificate: not given"),
    (("--secret-file", "/nowhere"), "cannot be read"),
]


@pytest.mark.parametrize(("options", "said"), FAULTY, ids=[" ".join(options) for options, _ in FAULTY])
def test_a_faulty_option_is_said_before_anything_is_asked(
    options: tuple[str, ...], said: str, deploy: Callable[..., Done], azure: Arm
) -> None:
    done = deploy("--yes", *options)
    assert done.code == 2
    assert said in done.err
    assert azure.log == []
