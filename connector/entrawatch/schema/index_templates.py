"""What Elasticsearch is told of our data streams: lifecycle, settings and mappings, made from the field table.

Nothing here talks to a cluster. Each data stream has its own index template, whose pattern is that one name
(`logs-azure.signinlogs-entrawatch`): other namespaces, and with them those that Elastic's azure integration fills
through its own template and ingest pipeline, keep theirs. The priority is above 500, as Elastic asks of templates
that share the logs-*-* names (https://www.elastic.co/docs/manage-data/data-store/templates); Fleet's are 200 and 250.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from entrawatch.schema.fields import FIELDS, Field
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

#: above Elastic's logs (100), Fleet's integrations (200) and their namespaces (250)
PRIORITY = 501
LIFECYCLE = "entrawatch"
SETTINGS = "entrawatch-settings"
#: the person's own settings and mappings, which win over ours; never written by us
CUSTOM = "entrawatch-custom"
META = {"managed_by": "entrawatch"}
#: the namespace of our data streams unless another one is configured
NAMESPACE = "entrawatch"
POLICY, COMPONENT, INDEX = "ILM policy", "component template", "index template"
#: kind of object → where the cluster's API has it
PATHS = {POLICY: "_ilm/policy", COMPONENT: "_component_template", INDEX: "_index_template"}
#: the longest keyword that is indexed: 32,766 bytes at up to four bytes a character. Elastic's usual 1,024 would hide
#: long old and new values of audit records from rules.
_LONGEST = 8191
_KEYWORD = {"type": "keyword", "ignore_above": _LONGEST}

# A value that does not fit must cost its field, not its event: ignore_malformed wherever Elasticsearch has it.
_TYPES: dict[str, dict[str, Any]] = {
    "keyword": _KEYWORD,
    "text": {"type": "text"},
    "long": {"type": "long", "ignore_malformed": True},
    "double": {"type": "double", "ignore_malformed": True},
    "boolean": {"type": "boolean", "ignore_malformed": True},
    "date": {"type": "date", "ignore_malformed": True},
    "ip": {"type": "ip", "ignore_malformed": True},
    "geo_point": {"type": "geo_point", "ignore_malformed": True},
    "flattened": {"type": "flattened", "ignore_above": _LONGEST},
    "object": {"type": "object"},
}
_PARTICULAR: dict[str, dict[str, Any]] = {
    # a data stream's own time can have no ignore_malformed
    "@timestamp": {"type": "date"},
    # added by the sink; Elastic's rules look for new events by it
    "event.ingested": {"type": "date"},
    # shown, never searched, and as long as the record is
    "event.original": {"type": "keyword", "index": False, "doc_values": False},
}


def datasets() -> dict[str, tuple[str, ...]]:
    """data set → the field table's families whose events it holds."""
    families: dict[str, dict[str, None]] = {}
    for stream in STREAMS.values():
        families.setdefault(stream.dataset, {})[stream.family] = None
    return {dataset: tuple(names) for dataset, names in families.items()}


def _fields(families: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path and mapping of each field, a path once; what lies below a flattened field has none of its own."""
    seen: dict[str, str] = {}
    for field in FIELDS:
        if field.family in {"common", *families} and not field.opaque and _is_new(field, seen):
            yield field.ecs, _PARTICULAR.get(field.ecs, _TYPES[field.type])


def _is_new(field: Field, seen: dict[str, str]) -> bool:
    before = seen.setdefault(field.ecs, field.type)
    if before != field.type:
        raise ValueError(f"{field.ecs} is both {before} and {field.type}")
    fresh = field.ecs + " " not in seen
    seen[field.ecs + " "] = ""
    return fresh


def _place(tree: dict[str, Any], path: str, mapping: dict[str, Any]) -> None:
    """Put a field's mapping at its path, making the objects above it."""
    *above, leaf = path.split(".")
    for name in above:
        tree = tree.setdefault(name, {}).setdefault("properties", {})
    tree.setdefault(leaf, {}).update(mapping)


def _tidy(tree: dict[str, Any]) -> dict[str, Any]:
    """Drop `"type": "object"` where there are properties: Elasticsearch does, and comparing must find no difference."""
    for node in tree.values():
        if "properties" in node:
            node.pop("type", None)
            _tidy(node["properties"])
    return dict(sorted(tree.items()))


def _numbered(paths: list[str]) -> list[str]:
    """Patterns of the objects whose names are the numbers of a list, made of the field table's starred paths."""
    return sorted({path.partition(".*")[0] + ".*" for path in paths if "*" in path})


def _dynamic(numbered: list[str]) -> list[dict[str, Any]]:
    """Mappings for names that are not known beforehand, first match first."""
    # What Microsoft adds before we know it: objects become one field each, so that they cannot grow the mapping.
    objects: dict[str, Any] = {"path_match": "azure.*", "match_mapping_type": "object", "mapping": _TYPES["flattened"]}
    if numbered:
        objects["path_unmatch"] = numbered
    return [{"objects": objects}, {"text": {"match_mapping_type": "string", "mapping": _KEYWORD}}]


def properties(families: tuple[str, ...], wanted: Container[str]) -> dict[str, Any]:
    """The mapping of some fields alone.

    :param wanted: their paths in the event.
    """
    tree: dict[str, Any] = {}
    for path, mapping in _fields(families):
        if path in wanted:
            _place(tree, path, mapping)
    return _tidy(tree)


def mappings(families: tuple[str, ...]) -> dict[str, Any]:
    """The mapping of a data set that holds events of these families."""
    fields = {**dict(_fields(families)), "event.ingested": _PARTICULAR["event.ingested"]}
    tree: dict[str, Any] = {}
    for path, mapping in fields.items():
        if "*" not in path:
            _place(tree, path, mapping)
        elif mapping["type"] not in {"keyword", "object"}:  # the others would need a dynamic template each
            raise ValueError(f"{path}: below a numbered list there is text only")
    return {
        "_meta": META,
        "date_detection": False,
        "numeric_detection": False,
        "dynamic_templates": _dynamic(_numbered(list(fields))),
        "properties": _tidy(tree),
    }


def lifecycle(retention_days: Optional[int]) -> dict[str, Any]:
    """The ILM policy: a new index every 30 days or 50 GB; old ones are deleted only if a retention is given."""
    phases: dict[str, Any] = {
        "hot": {
            "min_age": "0ms",
            "actions": {
                "rollover": {"max_age": "30d", "max_primary_shard_size": "50gb"},
                "set_priority": {"priority": 100},
            },
        }
    }
    if retention_days is not None:
        delete = {"delete": {"delete_searchable_snapshot": True}}
        phases["delete"] = {"min_age": f"{retention_days}d", "actions": delete}
    return {"phases": phases, "_meta": META}


def settings() -> dict[str, Any]:
    """The component template with what all our data streams share."""
    return {
        "template": {
            "settings": {
                "index.lifecycle.name": LIFECYCLE,
                "index.codec": "best_compression",
                "index.mapping.total_fields.limit": "2000",
                # a record with more names than that is stored whole, the names too many are just not indexed
                "index.mapping.total_fields.ignore_dynamic_beyond_limit": "true",
            }
        },
        "_meta": META,
    }


def mappings_name(dataset: str) -> str:
    """The name of the component template with a data set's mapping."""
    return f"entrawatch-{dataset}-mappings"


def mappings_template(families: tuple[str, ...]) -> dict[str, Any]:
    """The component template with a data set's mapping."""
    return {"template": {"mappings": mappings(families)}, "_meta": META}


def index_template(dataset: str, namespace: str) -> dict[str, Any]:
    """The index template of one data stream."""
    return {
        "index_patterns": [f"logs-{dataset}-{namespace}"],
        "composed_of": [SETTINGS, mappings_name(dataset), CUSTOM],
        "ignore_missing_component_templates": [CUSTOM],
        "priority": PRIORITY,
        "data_stream": {"hidden": False, "allow_custom_routing": False},
        "_meta": META,
    }


def objects(namespace: str, retention_days: Optional[int]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Kind, name and body of all that our data streams need, in the order in which it can be installed."""
    yield POLICY, LIFECYCLE, {"policy": lifecycle(retention_days)}
    yield COMPONENT, SETTINGS, settings()
    for dataset, families in datasets().items():
        yield COMPONENT, mappings_name(dataset), mappings_template(families)
        yield INDEX, f"entrawatch-{dataset}-{namespace}", index_template(dataset, namespace)
