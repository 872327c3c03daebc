"""A rule's version rises when it changes and never otherwise; what it is called in a product never changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entrawatch.errors import ConfigError
from entrawatch.packages.versions import Lock, Version, identity, read_lock, release, versions
from entrawatch.rules.catalogue import Catalogue, load_catalogue

if TYPE_CHECKING:
    from entrawatch.rules.rule import Rule

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "content" / "catalogue")
SLUG = "password-spray"
RULE = CATALOGUE.rules[SLUG]
BASED = "single-factor-from-new-network"


def forms(catalogue: Catalogue, said: str = "text") -> dict[str, bytes]:
    return {slug: f"{said} {rule.title}".encode() for slug, rule in catalogue.rules.items()}


def changed(**parts: object) -> Catalogue:
    return replace(CATALOGUE, rules={**CATALOGUE.rules, SLUG: replace(RULE, **parts)})  # type: ignore[arg-type]


LOCK = release(CATALOGUE, Lock(), {"elastic": forms(CATALOGUE), "splunk": forms(CATALOGUE)})


def of(catalogue: Catalogue, lock: Lock = LOCK, said: str = "text", slug: str = SLUG) -> Version:
    return versions(catalogue, lock, "elastic", forms(catalogue, said))[slug]


@pytest.mark.parametrize(
    ("catalogue", "said", "expected"),
    [
        (CATALOGUE, "text", "1.0.0"),
        (CATALOGUE, "another text", "1.0.1"),
        (changed(title="Another title"), "text", "1.0.1"),
        (changed(level="low"), "text", "1.1.0"),
        (changed(level="low", title="Another title"), "text", "1.1.1"),
        (changed(query=replace(RULE.query, length=RULE.query.length * 2)), "text", "1.1.0"),  # type: ignore[union-attr]
        (changed(parameters=(replace(RULE.parameters[0], default=99),)), "text", "1.1.0"),
        (changed(triage=("Look.",)), "text", "1.0.0"),
    ],
)
def test_a_version_counts_what_changed_since_the_release(catalogue: Catalogue, said: str, expected: str) -> None:
    assert of(catalogue, said=said).text == expected
    assert of(catalogue, said=said).text == expected, "a second build counts no further"


def test_releases_add_up_and_a_form_that_changes_back_is_a_change_too() -> None:
    lock = LOCK
    for number, said in enumerate(("two", "text", "text", "four"), start=1):
        lock = release(CATALOGUE, lock, {"elastic": forms(CATALOGUE, said), "splunk": forms(CATALOGUE)})
        assert of(CATALOGUE, lock, said).number == {1: 2, 2: 3, 3: 3, 4: 4}[number]
    assert versions(CATALOGUE, lock, "splunk", forms(CATALOGUE))[SLUG] == Version()


def test_a_change_of_the_baseline_changes_the_rules_that_are_held_against_it() -> None:
    name, baseline = next(iter(CATALOGUE.baselines.items()))
    catalogue = replace(CATALOGUE, baselines={name: replace(baseline, days=baseline.days + 1)})
    assert of(catalogue, slug=BASED).meaning == 1
    assert of(catalogue).meaning == 0


def test_a_product_that_joins_later_starts_at_the_beginning() -> None:
    assert versions(CATALOGUE, LOCK, "sentinel", forms(CATALOGUE))[SLUG] == Version()


def test_the_lock_survives_its_file() -> None:
    assert read_lock(LOCK.dump().decode()) == LOCK
    assert read_lock(LOCK.dump().decode()).dump() == LOCK.dump()
    assert of(CATALOGUE, read_lock(LOCK.dump().decode())).text == "1.0.0"


@pytest.mark.parametrize("text", ["", "[]", '{"rules": {"a": {}}}', '{"rules": {"a": 1}}', '{"rules": []}', "{"])
def test_a_lock_that_cannot_be_read_is_not_taken_for_empty(text: str) -> None:
    with pytest.raises(ConfigError, match=r"versions\.json"):
        read_lock(text)


def test_names_stay_when_titles_change() -> None:
    before = identity(RULE, LOCK)
    assert identity(replace(RULE, title="Something else"), LOCK) == before
    assert identity(replace(RULE, title="Something else"), Lock()).splunk == "Entrawatch - Something else - Rule"


def test_names_are_told_apart_and_fit() -> None:
    every = [identity(rule, Lock()) for rule in CATALOGUE.rules.values()]
    names = [name for one in every for name in (one.splunk, *one.uuids.values())]
    assert len(set(names)) == len(names) == len(CATALOGUE.rules) * 5
    assert all(len(one.splunk) <= 99 and one.splunk.isascii() for one in every)
    assert not {rule.id for rule in CATALOGUE.rules.values()} & set(names)


def test_an_id_that_was_released_never_changes() -> None:
    with pytest.raises(ConfigError, match=r"password-spray\.yml: id: it was released as"):
        of(changed(id="00000000-0000-4000-8000-000000000000"))
    entry = LOCK.entries[RULE.id]
    twisted = Lock({**LOCK.entries, RULE.id: {**entry, "names": {**entry["names"], "elastic": "another"}}})
    with pytest.raises(ConfigError, match="never change"):
        identity(RULE, twisted)


def test_a_rule_that_is_gone_keeps_its_place() -> None:
    rest: dict[str, Rule] = {slug: rule for slug, rule in CATALOGUE.rules.items() if slug != SLUG}
    fewer = replace(CATALOGUE, rules=rest)
    lock = release(fewer, LOCK, {"elastic": forms(fewer), "splunk": forms(fewer)})
    assert lock.entries[RULE.id] == LOCK.entries[RULE.id]
    with pytest.raises(ConfigError, match="it was released as"):
        of(changed(id="00000000-0000-4000-8000-000000000000"), lock)
