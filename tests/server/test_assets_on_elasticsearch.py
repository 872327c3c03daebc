"""What content/elastic/assets is worth on real servers: 8.19 takes the objects, Elastic's own Painless runs scripts.

7.10.2 is the last version whose Painless is on Maven Central; it runs the ingest pipeline, and what a transform does to
a bucket (the same aggregation in the same groups). 8.19 reads templates, pipelines and transforms with its own classes.
"""

from __future__ import annotations

import ipaddress
import json
import random
from collections import defaultdict
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("elasticsearch")

from entrawatch.dialects.base import Compiled
from entrawatch.dialects.esql import Esql
from entrawatch.dialects.esql_baseline import indices, lookup_name, transforms
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.normalize import normalize
from entrawatch.packages.elastic_assets import MANIFEST, tree
from entrawatch.packages.elastic_assets_integration import PIPELINE, component_templates, hook, pipelines
from entrawatch.schema.index_templates import properties
from entrawatch.schema.streams import STREAMS
from packages.elastic_shape import RECORDED, TENANT, hostile, stored
from rules import esql_runs
from rules.esql_engine import Run, columns, document, parsed
from rules.judge import DAY, EPOCH, Networks, fold, holds
from rules.tenants import judged, near, tenant
from rules.test_catalogue import CATALOGUE

from .record import lines, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .painless import PainlessServer

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

NETWORKS = CATALOGUE.baselines["organisation-networks"]
TREE = tree(CATALOGUE)
REQUESTS = json.loads(TREE[MANIFEST])["requests"]
AUDIT_RULES = [slug for slug, rule in CATALOGUE.rules.items() if rule.source == "audit"]
INDEX = "logs-azure.signinlogs-test"
ALPHABET = '[]{}",:\\ \t\u00a0=>Scope:KeyIdentifier=0-1.5eEtruefalsenull\u2028é'


def derived(record: dict[str, Any]) -> dict[str, Any]:
    made = normalize(record, STREAMS["directory_audits"], tenant_id=TENANT)["entra"]
    return {name: value for name, value in made.items() if name not in {"unfit", "time_missing"}}


# --- the pipeline -----------------------------------------------------------------------------------------------------


def test_what_the_fast_tests_read_is_what_the_server_makes(scripts: PainlessServer) -> None:
    assert lines(scripts) == RECORDED.read_text(encoding="utf-8").splitlines()


def test_over_a_companys_weeks_the_pipeline_derives_what_the_connector_derives(scripts: PainlessServer) -> None:
    end = datetime(2026, 11, 9, tzinfo=timezone.utc)
    made = generate(TenantOptions(seed=3, users=700, end=end))
    records = [one.record for one in made if one.stream == "directory_audits"]
    assert len(records) > 3000
    results = simulated(scripts, [stored(record) for record in records])
    for record, result in zip(records, results):
        assert result["entra"] == derived(record)


def test_texts_that_were_damaged_at_random_make_no_difference(scripts: PainlessServer) -> None:
    dice = random.Random(7)
    records = [damaged(dice, record) for _ in range(40) for record in hostile()]
    results = simulated(scripts, [stored(record) for record in records])
    for record, result in zip(records, results):
        assert result["entra"] == derived(record), record


def damaged(dice: random.Random, record: dict[str, Any]) -> dict[str, Any]:
    """A record with some characters of its changes put in, taken out or changed."""
    made = deepcopy(record)
    for target in made["targetResources"]:
        for change in target.get("modifiedProperties", []):
            for name in ("newValue", "oldValue"):
                if isinstance(change.get(name), str) and change[name]:
                    change[name] = spoilt(dice, change[name])
    return made


def spoilt(dice: random.Random, text: str) -> str:
    for _ in range(dice.randrange(3)):
        place = dice.randrange(len(text) + 1)
        text = text[:place] + dice.choice(["", dice.choice(ALPHABET)]) + text[place + dice.randrange(2) :]
    return text


def test_an_event_that_the_script_cannot_read_stays_as_it_came_and_says_so(scripts: PainlessServer) -> None:
    broken = {"azure": {"auditlogs": {"properties": {"id": "x"}}}, "event": "no object"}
    definition = {"processors": pipelines()[PIPELINE]["processors"]}
    asked = {"pipeline": definition, "docs": [{"_source": broken}]}
    (answer,) = scripts.ask("POST", "/_ingest/pipeline/_simulate", asked)["docs"]
    assert {name: answer["doc"]["_source"][name] for name in broken} == broken
    assert "Entrawatch: " in answer["doc"]["_source"]["error"]["message"][0]


@pytest.mark.parametrize("document_", [{}, {"azure": {}}, {"azure": {"auditlogs": {"properties": "text"}}}], ids=str)
def test_what_is_no_audit_is_left_alone(scripts: PainlessServer, document_: dict[str, Any]) -> None:
    assert simulated(scripts, [{**document_, "x": 1}]) == [{**document_, "x": 1}]


@pytest.mark.parametrize("slug", AUDIT_RULES)
def test_a_rule_finds_in_elastics_documents_what_it_finds_in_the_connectors(scripts: PainlessServer, slug: str) -> None:
    rule = CATALOGUE.rules[slug]
    query = Esql(CATALOGUE.baselines).compile(rule)
    assert isinstance(query, Compiled)
    close = near(rule, tenant(), judged(slug), most=50)
    audits = [row for row in tenant() if row.source == "audit"]
    made = simulated(scripts, [stored(dict(row.record)) for row in audits])
    theirs = {id(row): document(one) for row, one in zip(audits, made)}
    documents = [theirs.get(id(row)) or esql_runs.stored(row) for row in tenant()]
    found = esql_runs.keys(query, esql_runs.run(query, tenant(), documents=documents, near=close))
    assert found == {finding.keys for finding in judged(slug)} != set()


# --- the server that takes the objects --------------------------------------------------------------------------------


def test_every_template_is_taken_and_given_back_as_it_was(client: Any) -> None:
    for one in (one for one in REQUESTS if one["kind"] in {"component template", "index template"}):
        client.perform_request("PUT", one["path"], headers=JSON, body=json.loads(TREE[f"assets/{one['file']}"]))
    for dataset in ("azure.signinlogs", "azure.auditlogs"):
        name = hook(dataset)
        there = client.cluster.get_component_template(name=name)["component_templates"][0]["component_template"]
        assert there == component_templates(CATALOGUE)[name]


JSON = {"content-type": "application/json", "accept": "application/json"}


def test_the_hook_calls_the_pipeline(scripts: PainlessServer) -> None:
    """What 7.10 does not know yet is taken out: descriptions of a pipeline's maker, a missing pipeline ignored."""
    for name, definition in pipelines().items():
        processors = deepcopy(definition["processors"])
        processors[0].get("pipeline", {}).pop("ignore_missing_pipeline", None)
        scripts.ask("PUT", f"/_ingest/pipeline/{name}", {"processors": processors})
    (record, *_) = hostile()
    path = f"/_ingest/pipeline/{hook('azure.auditlogs')}/_simulate"
    (answer,) = scripts.ask("POST", path, {"docs": [{"_source": stored(record)}]})["docs"]
    assert answer["doc"]["_source"]["entra"] == derived(record)


def test_a_pipelines_other_parts_are_what_the_server_takes(client: Any) -> None:
    """The processors are a module's that 8.19 has not here."""
    for name, definition in pipelines().items():
        body = {**definition, "processors": []}
        client.perform_request("PUT", f"/_ingest/pipeline/{name}", headers=JSON, body=body)
        assert client.ingest.get_pipeline(id=name)[name].items() >= body.items()


def test_beside_a_package_of_elastics_our_mapping_is_merged_and_takes_the_pipelines_documents(
    client: Any, scripts: PainlessServer
) -> None:
    """As Fleet composes it: the package's mapping, then the administrator's, which is ours."""
    changes = "azure.auditlogs.properties.target_resources.*.modified_properties.*.*"
    package = {
        "dynamic": True,
        "dynamic_templates": [
            {"changes": {"path_match": changes, "mapping": {"type": "keyword", "ignore_above": 1024}}}
        ],
        "properties": {
            "event": {"properties": {"outcome": {"type": "keyword", "ignore_above": 1024}}},
            "azure": {"properties": {"tenant_id": {"type": "keyword", "ignore_above": 1024}}},
        },
    }
    name = hook("azure.auditlogs")
    client.cluster.put_component_template(name="fleet-package", template={"mappings": package})
    client.cluster.put_component_template(name=name, **component_templates(CATALOGUE)[name])
    client.indices.put_index_template(
        name="fleet", index_patterns=["fleet-audits"], composed_of=["fleet-package", name], priority=900
    )
    made = simulated(scripts, [stored(record) for record in hostile()])
    for number, one in enumerate(made):
        client.index(index="fleet-audits", id=str(number), document=one)
    client.indices.refresh(index="fleet-audits")
    for path in ("entra.credentials.growth", "entra.policy.exclusions_added", "entra.consent.is_admin"):
        wanted = sum(path.split(".")[2] in one["entra"].get(path.split(".")[1], {}) for one in made)
        assert client.count(index="fleet-audits", query={"exists": {"field": path}})["count"] == wanted > 0
    caps = client.field_caps(index="fleet-audits", fields="*")["fields"]
    assert caps["entra.credentials.growth"].keys() == {"long"}
    assert caps["entra.target.group.id"].keys() == {"keyword"}


def test_the_transforms_are_read_by_elasticsearchs_own_classes(client: Any) -> None:
    from elasticsearch import BadRequestError

    for one in (one for one in REQUESTS if one["kind"] == "transform" and one["file"]):
        body = json.loads(TREE[f"assets/{one['file']}"])
        answer = client.perform_request("PUT", one["path"], headers=JSON, body=body).body
        assert answer["id"] == one["name"]
        assert answer["pivot"] == body["pivot"]
        assert answer["retention_policy"] == body["retention_policy"]
        assert answer["source"]["index"] == body["source"]["index"]
        wrong = {**body, "pivot": {**body["pivot"], "group_bye": {}}}
        with pytest.raises(BadRequestError, match="group_bye"):
            client.perform_request("PUT", one["path"], headers=JSON, body=wrong)


# --- what the transforms compute --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(scripts: PainlessServer) -> PainlessServer:
    """The server, holding a company's sign-ins with the fields that the baseline reads."""
    text = json.dumps(transforms(NETWORKS))
    wanted = {name for row in tenant()[:2000] for name in document(row.event) if name in text}
    fields = properties(("signin",), {*wanted, "@timestamp"})
    scripts.ask("PUT", f"/{INDEX}", {"mappings": {"dynamic": False, "properties": fields}})
    signins = [row for row in tenant() if row.source == "signin"]
    body = [line for row in signins for line in ({"index": {}}, row.event)]
    answer = scripts.ask("POST", f"/{INDEX}/_bulk?refresh=true", b"".join(json.dumps(x).encode() + b"\n" for x in body))
    assert not answer["errors"]
    return scripts


def buckets(server: PainlessServer, index: str, transform: dict[str, Any], end: datetime) -> Iterator[dict[str, Any]]:
    """The documents that a transform writes when it runs at a moment.

    7.10 has no runtime mappings: the script of the one there is stands in the group itself, returning what it emits.
    """
    groups = []
    for name, group in transform["pivot"]["group_by"].items():
        runtime = transform["source"].get("runtime_mappings", {}).get(group["terms"]["field"])
        source = runtime and runtime["script"]["source"].replace("emit(", "return (").replace(");", ");return null;")
        groups.append({name: {"terms": {"script": {"source": source}} if runtime else group["terms"]}})
    query = deepcopy(transform["source"].get("query", {"match_all": {}}))
    if "bool" in query:
        first = end - NETWORKS.lookback
        query["bool"]["filter"][0] = {"range": {"@timestamp": {"gte": first.isoformat(), "lt": end.isoformat()}}}
    composite: dict[str, Any] = {"sources": groups, "size": 500}
    while True:
        aggs = {"all": {"composite": composite, "aggs": transform["pivot"]["aggregations"]}}
        answer = server.ask("POST", f"/{index}/_search", {"size": 0, "query": query, "aggs": aggs})["aggregations"]
        for bucket in answer["all"]["buckets"]:
            values = {name: bucket[name]["value"] for name in transform["pivot"]["aggregations"]}
            yield {**bucket["key"], **values}
        if "after_key" not in answer["all"]:
            return
        composite["after"] = answer["all"]["after_key"]


def refreshed(server: PainlessServer, end: datetime) -> dict[str, list[dict[str, Any]]]:
    """Every index of the baseline as the transforms leave it."""
    networks, pairs, countries = (
        transforms(NETWORKS)[lookup_name(NETWORKS, w)] for w in ("networks", "pairs", "countries")
    )
    made = {"networks": list(buckets(server, INDEX, networks, end)), "pairs": list(buckets(server, INDEX, pairs, end))}
    server.ask("PUT", "/pairs", {"mappings": indices(NETWORKS)[lookup_name(NETWORKS, "pairs")]["mappings"]})
    body = [line for one in made["pairs"] for line in ({"index": {}}, {**one, "pair_seen": int(one["pair_seen"])})]
    server.ask("POST", "/pairs/_bulk?refresh=true", b"".join(json.dumps(x).encode() + b"\n" for x in body))
    made["countries"] = list(buckets(server, "pairs", countries, end))
    server.ask("DELETE", "/pairs")
    return made


def expected(end: datetime) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Address → busy days, and pair of address and country → busy days, of the lookback before a moment."""
    users: dict[Any, set[str]] = defaultdict(set)
    for time, (spelled, country, user) in Networks(NETWORKS, tenant()).facts:
        address = str(ipaddress.ip_address(spelled))
        if end - NETWORKS.lookback <= time < end:
            day = (time - EPOCH) // DAY
            users[address, day].add(user)
            users[(address, country), day].add(user)
    days: dict[Any, int] = defaultdict(int)
    for (key, _), who in users.items():
        days[key] += len(who) >= NETWORKS.users
    return (
        {key: count for key, count in days.items() if isinstance(key, str)},
        {key: count for key, count in days.items() if isinstance(key, tuple) and key[1]},
    )


@pytest.mark.parametrize("back", [0, 3, 5])
def test_the_transforms_count_what_the_baseline_says(company: PainlessServer, back: int) -> None:
    end = max(row.time for row in tenant()) - timedelta(days=back, hours=back)
    made = refreshed(company, end)
    networks, pairs = expected(end)
    assert {one["address"]: one["network_days"] for one in made["networks"]} == networks
    assert {(one["address"], one["country"]): one["pair_days"] for one in made["pairs"]} == pairs
    most: dict[str, int] = defaultdict(int)
    for (_, country), count in pairs.items():
        most[country] = max(most[country], count)
    assert {one["country"]: one["country_days"] for one in made["countries"]} == most
    assert max(networks.values()) > NETWORKS.days > min(networks.values())


def test_a_rule_that_joins_what_the_transforms_wrote_finds_what_the_judge_finds(company: PainlessServer) -> None:
    rule = CATALOGUE.rules["single-factor-from-new-network"]
    query = Esql(CATALOGUE.baselines).compile(rule)
    assert isinstance(query, Compiled)
    tree_ = parsed(query.text, esql_runs.OLDEST, esql_runs.lookup_types())
    begin = Networks(NETWORKS, tenant()).begin + NETWORKS.lookback
    where = rule.query.where  # type: ignore[union-attr]
    close = [row for row in near(rule, tenant(), judged(rule.slug), most=20) if row.source == rule.source]
    asked = [row for row in close if row.time >= begin and holds(where, row)]
    wanted = {finding.keys for finding in judged(rule.slug)}
    found = set()
    for row in asked:
        (event,) = columns([esql_runs.stored(row)], query.text)
        result = Run([event], row.time, joined(refreshed(company, row.time))).result(tree_)
        found |= esql_runs.keys(query, result)
    mine = {key for key in wanted if any(fold(row.record["id"]) in key for row in asked)}
    assert found == mine != set()
    assert len(asked) > len(mine)


def joined(made: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The lookup indices as ES|QL reads them."""
    tables: dict[str, Any] = {name: (dict(types), []) for name, types in esql_runs.lookup_types()}
    for what in ("networks", "countries"):
        types, filled = tables[lookup_name(NETWORKS, what)]
        for one in made[what]:
            row = {name: one[name] for name in types if not name.endswith("_seen")}
            address = {"address": ipaddress.ip_address(one["address"])} if what == "networks" else {}
            filled.append({**dict.fromkeys(types), **row, **address})
    return tables
