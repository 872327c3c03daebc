"""Whatever people and catalogues do in whatever order: a deployment keeps to what is its own, and then all is well.

The three products' targets against their servers, with objects of a few fields and sequences made up at random.
"""

from __future__ import annotations

import copy
import uuid
from typing import TYPE_CHECKING, Any, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.deploy import arm, kibana, splunkd

from entrawatch.deploy import azure, elastic, elastic_rule, sentinel, sentinel_rule, splunk, splunk_search
from entrawatch.deploy.plan import CHANGED, DRIFTED, NEW, REMOVED, UNCHANGED
from entrawatch.deploy.rest import Connection, Rest
from entrawatch.deploy.run import Choice, Deployment, Part
from entrawatch.deploy.target import Content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deploy.stub import Stub

    from entrawatch.deploy.plan import Wanted

NAMES = ("a", "b", "c")
TEXTS = ("one", "two", 'odd "], \\ \n\t% ü')


def guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


class Product:
    """One product: how its objects are made, and what people do to them."""

    server: Stub

    def rest(self, headers: dict[str, str]) -> Rest:
        return Rest(Connection(self.server.url, lambda: headers, {}, self.server.ca_file, 20.0))

    def wanted(self, name: str, text: str) -> Wanted:
        raise NotImplementedError

    def target(self, wanted: tuple[Wanted, ...]) -> Any:
        raise NotImplementedError

    @property
    def there(self) -> dict[str, dict[str, Any]]:
        raise NotImplementedError

    def edit(self, key: str, text: str) -> None:
        raise NotImplementedError

    def run(self, key: str, on: bool) -> None:
        """Turn it on or off."""
        raise NotImplementedError

    def runs(self) -> dict[str, Any]:
        raise NotImplementedError

    def copy(self, key: str) -> None:
        """Somebody's copy of ours, mark and all."""
        raise NotImplementedError


class Kibana(Product):
    def __init__(self, server: kibana.Kibana) -> None:
        self.server: kibana.Kibana = server
        self.api = self.rest(elastic.headers(kibana.KEY))

    def wanted(self, name: str, text: str) -> Wanted:
        line = {"rule_id": guid(name), "name": name, "description": text, "risk_score": 1, "severity": "low",
                "type": "query", "query": "*", "enabled": False, "actions": [], "exceptions_list": []}  # fmt: skip
        return elastic_rule.wanted(line, name)

    def target(self, wanted: tuple[Wanted, ...]) -> Any:
        return elastic.KibanaRules(self.api)

    @property
    def there(self) -> dict[str, dict[str, Any]]:
        return self.server.rules

    def edit(self, key: str, text: str) -> None:
        (self.server.edit if len(text) > 3 else self.server.change)(key, description=text)

    def run(self, key: str, on: bool) -> None:
        self.server.change(key, enabled=on)

    def runs(self) -> dict[str, Any]:
        return {key: rule["enabled"] for key, rule in self.there.items()}

    def copy(self, key: str) -> None:
        self.there[f"copy of {key}"] = {**copy.deepcopy(self.there[key]), "rule_id": f"copy of {key}", "id": f"i{key}"}


class Splunk(Product):
    def __init__(self, server: splunkd.Splunkd) -> None:
        self.server: splunkd.Splunkd = server
        self.api = self.rest({"Authorization": f"Bearer {splunkd.TOKEN}"})

    def wanted(self, name: str, text: str) -> Wanted:
        settings = {"search": f"search {name}", "description": text, "disabled": True, "alert.severity": 3}
        return splunk_search.wanted(name, {**settings, **({"dispatch.ttl": "1"} if text == "two" else {})}, name)

    def target(self, wanted: tuple[Wanted, ...]) -> Any:
        return splunk.SavedSearches(self.api, wanted)

    @property
    def there(self) -> dict[str, dict[str, Any]]:
        return self.server.searches

    def edit(self, key: str, text: str) -> None:
        self.there[key].update({"description": text, "dispatch.ttl": "1" if text == "two" else ""})

    def run(self, key: str, on: bool) -> None:
        self.there[key]["disabled"] = "0" if on else "1"

    def runs(self) -> dict[str, Any]:
        return {key: one["disabled"] for key, one in self.there.items()}

    def copy(self, key: str) -> None:
        self.there[f"copy of {key}"] = dict(self.there[key])


class Sentinel(Product):
    def __init__(self, server: arm.Arm) -> None:
        self.server: arm.Arm = server
        self.api = self.rest({"Authorization": f"Bearer {arm.TOKEN}"})

    def wanted(self, name: str, text: str) -> Wanted:
        properties = {"displayName": name, "description": text, "severity": "Low", "query": f"print '{name}'",
                      "queryFrequency": "PT1H", "queryPeriod": "P1D", "triggerOperator": "GreaterThan",
                      "triggerThreshold": 0, "suppressionDuration": "PT5H", "suppressionEnabled": False,
                      "tactics": ["Impact", "Persistence"]}  # fmt: skip
        return sentinel_rule.wanted_rule(guid(name), "Scheduled", properties, name)

    def target(self, wanted: tuple[Wanted, ...]) -> Any:
        return sentinel.AlertRules(self.api, azure.Workspace(arm.SUBSCRIPTION, "soc", "soc-logs"))

    @property
    def there(self) -> dict[str, dict[str, Any]]:
        self.server.deleted.clear()
        return self.server.rules

    def edit(self, key: str, text: str) -> None:
        self.server.change(key, description=text)

    def run(self, key: str, on: bool) -> None:
        self.server.change(key, enabled=on)

    def runs(self) -> dict[str, Any]:
        return {key: one["properties"]["enabled"] for key, one in self.there.items()}

    def copy(self, key: str) -> None:
        self.there[guid(f"copy of {key}")] = {**copy.deepcopy(self.there[key]), "name": guid(f"copy of {key}")}


@pytest.fixture(scope="module", params=["kibana", "splunk", "sentinel"])
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    servers: dict[str, tuple[type[Any], Callable[[Any], Product]]] = {
        "kibana": (kibana.Kibana, Kibana), "splunk": (splunkd.Splunkd, Splunk), "sentinel": (arm.Arm, Sentinel),
    }  # fmt: skip
    server, make = servers[request.param]
    with server(tmp_path_factory.mktemp("server")) as running:
        yield make(running)


names, texts, flags = st.sampled_from(NAMES), st.sampled_from(TEXTS), st.booleans()
steps = st.one_of(
    st.tuples(st.just("catalogue has"), names, texts),
    st.tuples(st.just("catalogue drops"), names),
    st.tuples(st.just("somebody edits"), names, texts),
    st.tuples(st.just("somebody deletes"), names),
    st.tuples(st.just("somebody turns"), names, flags),
    st.tuples(st.just("somebody copies"), names),
    st.tuples(st.just("deploy"), flags, flags),
)


class World:
    """A catalogue, a product, and what must hold of them."""

    def __init__(self, product: Product) -> None:
        self.product = product
        product.there.clear()
        self.catalogue = dict.fromkeys(NAMES, TEXTS[0])
        self.keys = {name: product.wanted(name, "").key for name in NAMES}

    def step(self, what: str, *rest: Any) -> None:
        there, key = self.product.there, self.keys.get(rest[0]) if rest else None
        if what == "deploy":
            self.deploy(Choice(*rest))
        elif what == "catalogue has":
            self.catalogue[rest[0]] = rest[1]
        elif what == "catalogue drops":
            self.catalogue.pop(rest[0], None)
        elif key not in there:
            return
        elif what == "somebody deletes":
            del there[key]
        else:
            deeds = {"edits": self.product.edit, "turns": self.product.run, "copies": self.product.copy}
            deeds[what.removeprefix("somebody ")](key, *rest[1:])

    def plan(self, choice: Choice) -> Deployment:
        wanted = tuple(self.product.wanted(*one) for one in self.catalogue.items())
        content = Content(wanted, frozenset(self.keys.values()))
        return Deployment([Part(self.product.target(wanted), content)], choice)

    def deploy(self, choice: Choice) -> None:
        before, running = copy.deepcopy(self.product.there), self.product.runs()
        planned = self.plan(choice)
        assert self.product.there == before  # a plan changes nothing
        assert all(not outcome.error for outcome in planned.apply())
        after = self.product.there
        touched = {step.difference.key for step in planned.steps}
        assert touched <= set(self.keys.values())
        assert {key: one for key, one in before.items() if key not in touched} == {
            key: one for key, one in after.items() if key not in touched
        }
        assert {key: on for key, on in self.product.runs().items() if key in running}.items() <= running.items()
        self.settled(choice, planned)

    def settled(self, choice: Choice, planned: Deployment) -> None:
        """A second run has nothing to do, and tells just what the first one left."""
        self.product.server.log.clear()
        again = self.plan(choice)
        assert list(again.apply()) == []
        assert self.product.server.writes == []
        told = {(one.key, one.what) for one in again.plans[0].changes}
        assert told == {(one.key, one.what) for one in planned.left}
        allowed = (set() if choice.overwrite_drift else {DRIFTED}) | (
            set() if choice.prune and choice.overwrite_drift else {REMOVED}
        )
        assert {what for _, what in told} <= allowed
        assert {NEW, CHANGED, UNCHANGED}.isdisjoint({what for _, what in told})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, max_size=14))
def test_any_sequence_converges_and_touches_nothing_of_others(product: Product, sequence: list[Any]) -> None:
    world = World(product)
    world.deploy(Choice())
    for step in sequence:
        world.step(*step)
    world.deploy(Choice(prune=True, overwrite_drift=True))
    assert not world.plan(Choice()).differs
    for name, text in world.catalogue.items():
        one = world.product.wanted(name, text)
        assert one.key in product.there
    assert set(product.there) & set(world.keys.values()) == {world.keys[name] for name in world.catalogue}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names, first=texts, second=texts, catalogue=texts)
def test_an_edit_by_hand_is_drift_unless_it_is_what_the_catalogue_says(
    product: Product, name: str, first: str, second: str, catalogue: str
) -> None:
    world = World(product)
    world.catalogue = {name: first}
    world.deploy(Choice())
    world.product.edit(world.keys[name], second)
    world.catalogue = {name: catalogue}
    (found,) = world.plan(Choice()).plans[0].differences
    told = (found.what, found.fields)
    if second == catalogue:
        assert told == ((UNCHANGED, ()) if first == second else (CHANGED, ("mark",)))
    elif first == second:
        assert found.what == CHANGED
    else:
        assert found.what == DRIFTED
