"""What lets the rules run on events that Elastic's own azure integration made: an ingest pipeline, and mappings.

The integration keeps a directory audit's targets and changes as objects with the keys 0, 1, …, which no ES|QL and no
EQL can search, and moves the result to event.outcome. The pipeline computes the fields that the connector would have
made (`normalize.derived` says what they mean) and copies the result back. Fleet's pipelines call
`logs-<dataset>@custom` last, and its index templates are composed of the component template of that name:
https://www.elastic.co/docs/reference/fleet/data-streams (component templates, ingest pipelines).

ES|QL refuses a query with a column that no index maps ("Unknown column"). So the component templates map every field
that the rules read, whether or not a document with it has come yet.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrawatch.dialects import dialect
from entrawatch.dialects.base import Compiled
from entrawatch.schema.derived import APPS, EXCLUSIONS, FLAGS, ROLE_IDS, SCOPES
from entrawatch.schema.fields import FIELDS
from entrawatch.schema.index_templates import META, datasets, properties
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.rules.catalogue import Catalogue

Json = dict[str, Any]

#: the pipeline that computes the fields, apart from the hook, where a person may have processors of their own
PIPELINE = "entrawatch-azure.auditlogs"
_SCRIPT = Path(__file__).with_name("elastic_assets_audit.painless").read_text(encoding="utf-8")
_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_@.]*")
#: what Fleet maps in every data stream of its own, some of it otherwise than we do (constant_keyword, match_only_text)
_FLEETS = re.compile(r"@timestamp|message|data_stream\..*|event\.(ingested|dataset|module)")


def hook(dataset: str) -> str:
    """The name of the pipeline that Fleet calls last, and of the component template that wins over its own."""
    return f"logs-{dataset}@custom"


def pipelines() -> dict[str, Json]:
    """Pipeline → its definition, in the order in which they can be put."""
    audit = STREAMS["directory_audits"]
    return {
        PIPELINE: {
            "description": "Entrawatch: fields derived from directory audits, for its rules on Elastic's integration",
            "processors": [_derive(audit.name)],
            "_meta": META,
        },
        hook(audit.dataset): {
            "description": "Called by the azure integration's own pipeline; yours to add to",
            "processors": [{"pipeline": {"name": PIPELINE, "ignore_missing_pipeline": True}}],
            "_meta": META,
        },
    }


def _derive(stream: str) -> Json:
    """The processor; where it fails, the event stays as it came and says so."""
    failed = {"field": "error.message", "value": "Entrawatch: {{{_ingest.on_failure_message}}}"}
    script = {
        "tag": "entrawatch-derived",
        "description": "Consent, roles, credentials, policies, targets and who did it, as single fields",
        "lang": "painless",
        "source": _SCRIPT,
        "params": {
            "stream": stream,
            "apps": list(APPS),
            "flags": FLAGS,
            "scopes": list(SCOPES),
            "role_ids": list(ROLE_IDS),
            "exclusions": [{"part": part, "list": key, "kind": kind} for (part, key), kind in EXCLUSIONS.items()],
        },
        "on_failure": [{"append": failed}],
    }
    return {"script": script}


def component_templates(catalogue: Catalogue) -> dict[str, Json]:
    """Component template → its body, for the data sets that the rules read."""
    read = read_by(catalogue)
    families = datasets()
    return {
        hook(dataset): {"template": {"mappings": {"properties": properties(families[dataset], wanted)}}, "_meta": META}
        for dataset, wanted in ((name, _mapped(families[name], read)) for name in families)
        if wanted
    }


def _mapped(families: tuple[str, ...], read: frozenset[str]) -> frozenset[str]:
    """The paths to map in a data set; none where the rules read none of its own records."""
    own = {field.ecs for field in FIELDS if field.family in families}
    if not own & {path for path in read if path.startswith("azure.")}:
        return frozenset()
    known = own | {field.ecs for field in FIELDS if field.family == "common"}
    made = {path for path in known if path.startswith("entra.") and "audit" in families}
    return frozenset(path for path in (known & read) | made if not _FLEETS.fullmatch(path) and "*" not in path)


def read_by(catalogue: Catalogue) -> frozenset[str]:
    """Every field of the event that a rule's text in Elastic's languages names."""
    known = {field.ecs for field in FIELDS}
    return frozenset(name for text in _texts(catalogue) for name in _NAME.findall(text) if name in known)


def _texts(catalogue: Catalogue) -> Iterator[str]:
    for name in ("esql", "eql"):
        made = dialect(name, catalogue.baselines)
        for rule in catalogue.rules.values():
            answer = made.compile(rule)
            if isinstance(answer, Compiled):
                yield answer.text
