"""What keeps a baseline in Elasticsearch: lookup indices that ES|QL joins, and the transforms that fill them.

Three continuous transforms over the last `lookback`:

* `…-networks`: one document an address, with `network_days`, on how many days enough users signed in from it;
* `…-pairs`: the same for each pair of address and country (an ordinary index), with `pair_written`, when it was made;
* `…-countries`: one document a country, the largest of its pairs' days, so that one event joins one row.

A document is made anew when its address is seen again, and goes when it has not been seen for the whole lookback. So
the numbers are those of the last refresh, not of the event's own moment: an address that has fallen silent keeps its
days until the lookback after its last sign-in, and what an event's own address did since the last refresh is unknown
until the next one. A day is a UTC day.

https://www.elastic.co/docs/reference/elasticsearch/rest-apis/transforms (pivot, scripted_metric, retention_policy) and
https://www.elastic.co/docs/reference/query-languages/esql/esql-lookup-join (index mode lookup)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.esql_dsl import Dsl
from entrawatch.dialects.esql_text import column_of, dataset
from entrawatch.rules import ir

if TYPE_CHECKING:
    from entrawatch.rules.rule import Baseline

Json = dict[str, Any]

#: Painless. No set of users grows beyond the number that matters, so a busy address costs no more than a quiet one.
_MAP = """\
if (doc[params.user].size() == 0) return;
String day = String.valueOf(doc['@timestamp'].value.toInstant().toEpochMilli() / 86400000L);
String user = doc[params.user].value.toLowerCase();
List who = state.days.computeIfAbsent(day, unused -> new ArrayList());
if (who.size() < params.users && !who.contains(user)) who.add(user);"""
_REDUCE = """\
Map days = new HashMap();
for (part in states) {
  if (part == null) continue;
  for (day in part.entrySet()) {
    List who = days.computeIfAbsent(day.getKey(), unused -> new ArrayList());
    for (user in day.getValue()) if (!who.contains(user)) who.add(user);
  }
}
int busy = 0;
for (who in days.values()) if (who.size() >= params.enough) busy++;
return busy;"""
#: how long events may still come in after their time
_LATE = "15m"
#: A transform sees a document whose clock lies between the end of its last look and that of this one, each less the
#: delay (TimeBasedCheckpointProvider of Elasticsearch's transform plugin). A pair's last sign-in is past when the pair
#: is written, days past when the transform is new: the countries would never see it. So they go by `pair_written`; and
#: as a busy pair is written anew every 15 minutes, they look several times between two refreshes.
_WRITTEN, _SOON = "pair_written", "5m"
_OF_EVENTS: Json = {"frequency": _LATE, "sync": {"time": {"field": "@timestamp", "delay": _LATE}}}
_OF_PAIRS: Json = {"frequency": _SOON, "sync": {"time": {"field": _WRITTEN, "delay": _SOON}}}
#: a metric that has nothing to map: when it is reduced
_MOMENT = {"map_script": "return;", "combine_script": "return 0;", "reduce_script": "return new Date().getTime();"}


def lookup_name(baseline: Baseline, what: str) -> str:
    """The name of an index that belongs to a baseline.

    :param what: networks, countries or pairs.
    """
    return f"entrawatch-{baseline.name}" if what == "networks" else f"entrawatch-{baseline.name}-{what}"


def indices(baseline: Baseline) -> dict[str, Json]:
    """Index → what it is created with."""
    seen = {"type": "date"}
    lookup = {"index": {"mode": "lookup"}}
    return {
        lookup_name(baseline, "networks"): _index(
            lookup, address={"type": "ip"}, network_days={"type": "integer"}, network_seen=seen
        ),
        lookup_name(baseline, "countries"): _index(
            lookup, country={"type": "keyword"}, country_days={"type": "integer"}, country_seen=seen
        ),
        lookup_name(baseline, "pairs"): _index(
            {"index": {"number_of_shards": 1}},
            address={"type": "ip"}, country={"type": "keyword"}, pair_days={"type": "integer"}, pair_seen=seen,
            pair_written={"type": "date"},
        ),
    }  # fmt: skip


def _index(settings: Json, **fields: Json) -> Json:
    return {"settings": settings, "mappings": {"dynamic": False, "properties": fields}}


def transforms(baseline: Baseline) -> dict[str, Json]:
    """Transform → what it is created with; to be started in this order.

    :raises Unsupported: Elasticsearch has no field of its own for one that the baseline reads, or no exact query.
    """
    address = {"address": {"terms": {"field": _field(baseline, baseline.address)}}}
    country = {"country": {"terms": {"field": "folded_country"}}}
    pairs, countries = lookup_name(baseline, "pairs"), lookup_name(baseline, "countries")
    return {
        lookup_name(baseline, "networks"): _transform(
            baseline, "networks", _source(baseline), _OF_EVENTS, address, _days(baseline, "network")
        ),
        pairs: _transform(
            baseline, "pairs", _source(baseline), _OF_EVENTS, {**address, **country},
            {**_days(baseline, "pair"), _WRITTEN: {"scripted_metric": _MOMENT}},
        ),
        countries: _transform(
            baseline, "countries", {"index": [pairs]}, _OF_PAIRS, {"country": {"terms": {"field": "country"}}},
            {"country_days": {"max": {"field": "pair_days"}}, "country_seen": {"max": {"field": "pair_seen"}}},
        ),
    }  # fmt: skip


def _field(baseline: Baseline, ref: ir.FieldRef) -> str:
    if ref.many:
        raise Unsupported(ref, f"{ref.name} holds a list: a baseline of its values")
    return column_of(ref, baseline.source).ecs


def _source(baseline: Baseline) -> Json:
    """The successes of the lookback, with the country as it compares."""
    country = _field(baseline, baseline.country)
    # an index that does not map the field would fail the transform, and with it the whole baseline
    there = f"doc.containsKey('{country}') && doc['{country}'].size() > 0"
    folded = f"if ({there}) emit(doc['{country}'].value.toLowerCase());"
    seconds = int(baseline.lookback.total_seconds())
    where = Dsl(baseline.source).write(ir.And((baseline.where, *map(ir.Present, (baseline.address, baseline.user)))))
    return {
        "index": [f"logs-{dataset(baseline.source)}-*"],
        "query": {"bool": {"filter": [{"range": {"@timestamp": {"gte": f"now-{seconds}s"}}}, where]}},
        "runtime_mappings": {"folded_country": {"type": "keyword", "script": {"source": folded}}},
    }


def _days(baseline: Baseline, what: str) -> Json:
    """On how many days enough distinct users signed in, and when the last one did."""
    script = {
        "params": {"user": _field(baseline, baseline.user), "users": baseline.users},
        "init_script": "state.days = new HashMap();",
        "map_script": _MAP,
        "combine_script": "return state.days;",
        # the reduce step sees its own parameters alone, and names may not stand twice
        "reduce_script": {"source": _REDUCE, "params": {"enough": baseline.users}},
    }
    return {f"{what}_days": {"scripted_metric": script}, f"{what}_seen": {"max": {"field": "@timestamp"}}}


def _transform(baseline: Baseline, what: str, source: Json, when: Json, groups: Json, aggregations: Json) -> Json:
    seen = next(name for name in aggregations if name.endswith("_seen"))
    return {
        "description": f"Entrawatch: {' '.join(baseline.description.split())}",
        "source": source,
        "dest": {"index": lookup_name(baseline, what)},
        "pivot": {"group_by": groups, "aggregations": aggregations},
        **when,
        "retention_policy": {"time": {"field": seen, "max_age": f"{int(baseline.lookback.total_seconds())}s"}},
        "_meta": {"managed_by": "entrawatch"},
    }
