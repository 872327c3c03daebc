"""`entrawatch deploy splunk` against a splunkd that answers as splunkd does."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Callable

import pytest
from tests.deploy.conftest import ANOTHER
from tests.deploy.splunkd import MACROS, SEARCHES, TOKEN, Splunkd
from tests.deploy.stub import Fault, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.deploy.conftest import Content, Done


@pytest.fixture
def splunkd(tmp_path: Path) -> Iterator[Splunkd]:
    (tmp_path / "splunkd").mkdir()
    with Splunkd(tmp_path / "splunkd") as server:
        yield server


@pytest.fixture
def deploy(
    call: Callable[..., Done], content: Content, splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    monkeypatch.setenv("SPLUNK_TOKEN", TOKEN)

    def run(*options: object) -> Done:
        return call("deploy", "splunk", "--url", splunkd.url, "--content", content.folder,
                    "--ca-bundle", splunkd.ca_file, *options)  # fmt: skip

    return run


def named(splunkd: Splunkd, part: str) -> str:
    (found,) = [name for name in splunkd.searches if part in name]
    return found


def searches(done: Done, sign: str) -> list[str]:
    return [line for line in done.told(sign) if "saved search" in line]


def test_a_first_deployment_makes_searches_disabled_and_the_macros_they_use(
    deploy: Callable[..., Done], splunkd: Splunkd
) -> None:
    plan = deploy("--plan")
    assert (plan.code, splunkd.writes) == (0, [])
    done = deploy("--yes")
    assert done.code == 0
    # three rules and the search that keeps the baseline of one of them
    assert len(splunkd.searches) == 4
    assert {search["disabled"] for search in splunkd.searches.values()} == {"1"}
    assert {search["is_scheduled"] for search in splunkd.searches.values()} == {"1"}
    for search in splunkd.searches.values():
        for name in splunkd.macros:
            assert f"`{name}`" not in search["search"] or splunkd.macros[name]["definition"]
    assert "entrawatch_index" in splunkd.macros
    assert deploy("--check").code == 0
    splunkd.log.clear()
    assert (deploy("--yes").code, splunkd.writes) == (0, [])


def test_new_searches_run_at_once_where_that_is_asked_for(deploy: Callable[..., Done], splunkd: Splunkd) -> None:
    deploy("--yes", "--enable")
    assert {search["disabled"] for search in splunkd.searches.values()} == {"0"}


def test_a_changed_rule_posts_what_differs_and_leaves_the_rest(
    deploy: Callable[..., Done], splunkd: Splunkd, content: Content
) -> None:
    deploy("--yes")
    name = named(splunkd, "Guest")
    splunkd.searches[name].update({"disabled": "0", "action.email": "1", "action.email.to": "soc@example.org"})
    content.describe("guest-invited", ANOTHER)
    splunkd.log.clear()
    done = deploy("--yes")
    (line,) = searches(done, "~")
    assert line.endswith(": description")
    (asked,) = splunkd.writes
    assert set(asked.form) == {"search", "description", "args.entrawatch"}
    assert ANOTHER in splunkd.searches[name]["description"]
    assert splunkd.searches[name]["disabled"] == "0"
    assert splunkd.searches[name]["action.email.to"] == "soc@example.org"
    assert deploy("--check").code == 0


def test_a_key_that_the_catalogue_no_longer_sets_is_emptied(
    deploy: Callable[..., Done], splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    from entrawatch.packages import splunk_searches

    made = splunk_searches._alert

    def with_more(*given: Any) -> Any:
        stanza = made(*given)
        return type(stanza)(stanza.name, {**stanza.settings, "dispatch.ttl": "2p"}, stanza.comment)

    with monkeypatch.context() as patched:
        patched.setattr(splunk_searches, "_alert", with_more)
        deploy("--yes")
    done = deploy("--yes")
    assert len(searches(done, "~")) == 3
    assert all(line.endswith(": dispatch.ttl") for line in searches(done, "~"))
    assert {search.get("dispatch.ttl", "") for search in splunkd.searches.values()} == {""}
    assert deploy("--check").code == 0


def test_what_was_changed_by_hand_is_told_and_left(deploy: Callable[..., Done], splunkd: Splunkd) -> None:
    deploy("--yes")
    name = named(splunkd, "Guest")
    cron = splunkd.searches[name]["cron_schedule"]
    splunkd.searches[name]["cron_schedule"] = "0 4 * * *"
    done = deploy("--yes")
    assert "cron_schedule (changed by hand)" in searches(done, "!")[0]
    assert splunkd.searches[name]["cron_schedule"] == "0 4 * * *"
    assert deploy("--yes", "--overwrite-drift").code == 0
    assert splunkd.searches[name]["cron_schedule"] == cron
    assert deploy("--check").code == 0


def test_macros_that_are_there_stay_as_they_are(deploy: Callable[..., Done], splunkd: Splunkd) -> None:
    splunkd.macros["entrawatch_index"] = {"definition": "(index=entra)"}
    splunkd.macros["my_own"] = {"definition": "x"}
    deploy("--yes", "--prune", "--overwrite-drift")
    splunkd.macros["entrawatch_index"]["definition"] = "(index=other)"
    assert deploy("--check").code == 0
    assert splunkd.macros["my_own"] == {"definition": "x"}
    assert splunkd.macros["entrawatch_index"] == {"definition": "(index=other)"}


def test_what_the_app_brought_is_compared_and_marked_without_being_shadowed(
    deploy: Callable[..., Done], splunkd: Splunkd, content: Content
) -> None:
    """A package of the same version: its searches are in default/, and differ in nothing but that deploy never was."""
    deploy("--yes")
    for endpoint in (SEARCHES, MACROS):
        splunkd.default[endpoint], splunkd.local[endpoint] = splunkd.local[endpoint], {}
    for search in splunkd.default[SEARCHES].values():
        del search["args.entrawatch"]
    done = deploy("--yes")
    assert all(line.endswith(": mark") for line in searches(done, "~"))
    assert len(searches(done, "~")) == 4
    for name, local in splunkd.searches.items():
        assert set(local) == {"search", "args.entrawatch"}
        assert local["search"] == splunkd.default[SEARCHES][name]["search"]
    content.release()
    content.remove("guest-invited")
    done = deploy("--yes", "--prune", "--overwrite-drift")
    assert "part of the installed app" in searches(done, "-")[0]
    assert done.code == 0


def test_others_searches_are_not_touched(deploy: Callable[..., Done], splunkd: Splunkd) -> None:
    deploy("--yes")
    name = named(splunkd, "Guest")
    copied = {**splunkd.searches[name], "cron_schedule": "0 0 * * *"}
    splunkd.searches["A clone that an analyst shared"] = dict(copied)
    acls = [{"app": "search", "sharing": "global"}, {"app": "entrawatch", "sharing": "user"}]
    splunkd.foreign += [{"name": name, "content": copied, "acl": {**acl, "removable": True}} for acl in acls]
    splunkd.log.clear()
    done = deploy("--yes", "--prune", "--overwrite-drift")
    assert (done.code, splunkd.writes) == (0, [])
    assert deploy("--check").code == 0


def test_what_left_the_catalogue_goes_only_when_asked(
    deploy: Callable[..., Done], splunkd: Splunkd, content: Content
) -> None:
    deploy("--yes")
    name = named(splunkd, "Guest")
    content.remove("guest-invited")
    assert len(searches(deploy("--yes"), "-")) == 1
    assert name in splunkd.searches
    assert deploy("--yes", "--prune").code == 0
    assert name not in splunkd.searches
    assert deploy("--check").code == 0


def test_the_other_shape_of_events_is_another_set_of_searches(deploy: Callable[..., Done], splunkd: Splunkd) -> None:
    deploy("--yes")
    first = set(splunkd.searches)
    done = deploy("--yes", "--profile", "azure:monitor:aad")
    assert len(searches(done, "+")) == 4
    assert len(searches(done, "-")) == 4
    assert set(splunkd.searches) > first
    deploy("--yes", "--profile", "azure:monitor:aad", "--prune")
    assert not set(splunkd.searches) & first


def test_chosen_rules_come_with_the_baseline_and_the_macros_they_need(
    deploy: Callable[..., Done], splunkd: Splunkd
) -> None:
    deploy("--yes", "--rules", "guest-invited")
    assert len(splunkd.searches) == 1
    assert not [name for name in splunkd.macros if "password_spray" in name]
    deploy("--yes", "--rules", "single-factor-from-new-network")
    assert len(splunkd.searches) == 3
    assert [name for name in splunkd.searches if "Baseline" in name]


def test_without_the_app_nothing_is_done(deploy: Callable[..., Done], splunkd: Splunkd) -> None:
    splunkd.version = None
    done = deploy("--yes")
    assert done.code == 3
    assert "install its package first" in done.err
    assert splunkd.writes == []


def test_an_app_of_another_version_is_told(deploy: Callable[..., Done], splunkd: Splunkd) -> None:
    splunkd.version = "9.9.9"
    assert "the app is version 9.9.9, this is " in deploy("--plan").out


def test_a_refused_search_is_told_and_the_next_run_completes(deploy: Callable[..., Done], splunkd: Splunkd) -> None:
    deploy("--yes")
    name = named(splunkd, "Guest")
    splunkd.searches.clear()
    splunkd.refused[name] = "Invalid\nsearch \x07"
    done = deploy("--yes")
    assert done.code == 3
    assert "Invalid search" in done.told("x")[0]
    assert "\x07" not in done.out
    assert len(splunkd.searches) == 3
    splunkd.refused.clear()
    assert deploy("--yes").code == 0
    assert deploy("--check").code == 0


def test_a_search_made_or_changed_while_the_plan_was_read_is_not_overwritten(
    deploy: Callable[..., Done], splunkd: Splunkd, content: Content
) -> None:
    deploy("--yes")
    name = named(splunkd, "Guest")
    content.describe("guest-invited", ANOTHER)

    def meanwhile() -> None:
        splunkd.searches[name]["cron_schedule"] = "1 1 1 1 1"

    splunkd.faults.append(Fault(lambda a: a.path.endswith("Rule"), None, before=meanwhile))
    done = deploy("--yes")
    assert done.code == 3
    assert "meanwhile" in done.told("x")[0]
    assert ANOTHER not in splunkd.searches[name]["description"]
    taken = dict(splunkd.searches.pop(name), search="| theirs")
    splunkd.faults.append(
        Fault(lambda a: a.method == "POST", None, before=lambda: splunkd.searches.update({name: taken}))
    )
    done = deploy("--yes")
    assert done.code == 3
    assert "already exists" in done.told("x")[0]
    assert splunkd.searches[name]["search"] == "| theirs"


def test_names_are_escaped_in_paths(deploy: Callable[..., Done], splunkd: Splunkd, content: Content) -> None:
    title = "Guest / invited? 100% & more"
    content.replace("guest-invited", "title: Guest invited", f"title: {title}")
    deploy("--yes")
    content.describe("guest-invited", ANOTHER)
    assert deploy("--yes").code == 0
    assert ANOTHER in splunkd.searches[named(splunkd, title)]["description"]
    assert "%20%2F%20invited%3F%20100%25%20%26%20more" in splunkd.writes[-1].path


def test_many_searches_come_in_pages(
    deploy: Callable[..., Done], splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy("--yes")
    monkeypatch.setattr("entrawatch.deploy.splunk._PAGE", 3)
    splunkd.log.clear()
    assert deploy("--check").code == 0
    assert [asked.query["offset"] for asked in splunkd.log if asked.path.endswith(SEARCHES)] == ["0", "3"]
    splunkd.faults.append(
        Fault(lambda a: a.query.get("offset") == "3", Reply(200, {"entry": [], "paging": {"total": 9}}))
    )
    assert "changed while it was read" in deploy("--yes").err


@pytest.mark.parametrize(("status", "said"), [(401, "token authentication may be off"), (403, "schedule_search")])
def test_a_refusal_says_what_to_do_and_not_the_token(
    status: int, said: str, deploy: Callable[..., Done], splunkd: Splunkd
) -> None:
    echo = {"messages": [{"type": "WARN", "text": f"no: Bearer {TOKEN}"}]}
    splunkd.faults.append(Fault(lambda a: a.path.endswith(SEARCHES), Reply(status, echo), times=9))
    done = deploy("--yes")
    assert done.code == 3
    assert said in done.err
    assert TOKEN not in done.out + done.err
    done = deploy("--yes", "--format", "json")
    assert TOKEN not in done.out + done.err


def test_a_token_that_looks_like_any_word_is_not_shown_either(
    deploy: Callable[..., Done], splunkd: Splunkd, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("opaque.token.of.the.test\n", encoding="utf-8")
    token.chmod(0o600)
    echo = {"messages": [{"type": "WARN", "text": "no opaque.token.of.the.test"}]}
    splunkd.faults.append(Fault(lambda _: True, Reply(400, echo)))
    done = deploy("--yes", "--token-file", token)
    assert done.code == 3
    assert "no [hidden]" in done.err
    assert splunkd.log[0].headers["authorization"] == "Bearer opaque.token.of.the.test"
    token.chmod(0o644)
    assert "chmod 600" in deploy("--yes", "--token-file", token).err


def test_a_user_who_may_not_write_is_told_for_each_object(deploy: Callable[..., Done], splunkd: Splunkd) -> None:
    splunkd.may_write = False
    done = deploy("--yes", "--format", "json")
    outcomes = json.loads(done.out)["outcomes"]
    assert done.code == 3
    assert {one["done"] for one in outcomes} == {False}
    assert all("schedule_search" in one["error"] for one in outcomes)


def test_a_token_that_ends_midway_stops_there(deploy: Callable[..., Done], splunkd: Splunkd) -> None:
    posts: list[int] = []

    def third(asked: Any) -> bool:
        posts.append(asked.method == "POST")
        return sum(posts) == 3

    splunkd.faults.append(Fault(third, Reply(401, {"messages": []}), times=99))
    done = deploy("--yes")
    assert done.code == 3
    assert (len(done.told("*")), len(done.told("x"))) == (2, 1)
    splunkd.faults.clear()
    assert deploy("--yes").code == 0
    assert deploy("--check").code == 0


def test_who_interrupts_is_told_how_far_it_came(
    deploy: Callable[..., Done], splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("entrawatch.clock.SystemClock.sleep", interrupt)
    posts: list[str] = []

    def third(asked: Any) -> bool:
        posts.extend([asked.path] if asked.method == "POST" else [])
        return len(posts) == 3

    splunkd.faults.append(Fault(third, Reply(429)))
    done = deploy("--yes")
    assert (done.code, len(done.told("*"))) == (130, 2)
    first, last = done.err.splitlines()
    assert re.fullmatch(r"2 of \d+ done; run it again for the rest, what is done is not done twice", first)
    assert last == "entrawatch: interrupted"
    assert deploy("--yes").code == 0
    assert deploy("--check").code == 0
