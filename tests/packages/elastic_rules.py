"""The Elastic package as the tests read it: from its own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tomllib

from entrawatch.packages.content import prepared
from entrawatch.packages.elastic import RULES, tree
from entrawatch.packages.versions import LOCK, Lock, read_lock
from entrawatch.rules.catalogue import load_catalogue

CONTENT = Path(__file__).parents[2] / "content"
CATALOGUE = load_catalogue(CONTENT / "catalogue")
_LOCK = read_lock((CONTENT / LOCK).read_text()) if (CONTENT / LOCK).exists() else Lock()
RELEASE = prepared(CATALOGUE, _LOCK, "elastic")
TREE = tree(RELEASE)
#: the elastic/detection-rules files below content/elastic/
LAYOUT = "detection-rules/"


def _rules() -> dict[str, dict[str, Any]]:
    slugs = {name.uuids["elastic"]: slug for slug, name in RELEASE.names.items()}
    lines = [json.loads(line) for line in (CONTENT / "elastic" / RULES).read_bytes().splitlines()]
    return {slugs[line["rule_id"]]: line for line in lines}


#: slug → the line of the committed NDJSON
LINES = _rules()


def documents() -> dict[str, dict[str, Any]]:
    """Path below detection-rules/ → the committed TOML, read by Python's own reader."""
    folder = CONTENT / "elastic" / LAYOUT
    return {
        path.relative_to(folder).as_posix(): tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.toml"))
    }
