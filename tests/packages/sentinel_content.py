"""content/sentinel as it lies there, read as Sentinel reads it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from entrawatch.packages.content import prepared
from entrawatch.packages.versions import LOCK, Lock, read_lock
from entrawatch.rules.catalogue import load_catalogue

CONTENT = Path(__file__).parents[2] / "content"
ROOT = CONTENT / "sentinel"
CATALOGUE = load_catalogue(CONTENT / "catalogue")
RELEASE = prepared(
    CATALOGUE, read_lock((CONTENT / LOCK).read_text()) if (CONTENT / LOCK).exists() else Lock(), "sentinel"
)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def documents(folder: str) -> dict[str, dict[str, Any]]:
    """File name → document."""
    return {path.name: yaml.safe_load(path.read_text(encoding="ascii")) for path in sorted((ROOT / folder).iterdir())}


def template(name: str) -> dict[str, Any]:
    """An ARM template."""
    found: dict[str, Any] = json.loads((ROOT / name).read_text(encoding="ascii"))
    return found


RULES = documents("Analytic Rules")
HUNTS = documents("Hunting Queries")
WORKBOOK: dict[str, Any] = json.loads((ROOT / "Workbooks" / "Entrawatch.json").read_text(encoding="ascii"))
#: what the workbook asks, by the item's name
ASKED = {one["name"]: one["content"]["query"] for one in WORKBOOK["items"] if one["type"] == 3}
#: identifier of a form → the rule
BY_ID = {uuid: CATALOGUE.rules[slug] for slug, name in RELEASE.names.items() for uuid in name.uuids.values()}
SCHEDULED = {name: one for name, one in RULES.items() if one["kind"] == "Scheduled"}
NRT = {name: one for name, one in RULES.items() if one["kind"] == "NRT"}


def duration(text: str) -> timedelta:
    """ "15m", "2h" and "8d", as the files have them."""
    found = re.fullmatch(r"(\d+)([dhm])", text)
    assert found, text
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
