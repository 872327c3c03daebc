"""Which version a rule has in each product, and the names it is known by there, which never change.

`content/versions.json` is the lock: what the last release shipped, as fingerprints and counts. A build counts from it:
one more where the fingerprint is another, the same where it is not. So the same catalogue and lock give the same
versions, however often one builds, and only `entrawatch build --release` writes the lock.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from entrawatch.errors import ConfigError
from entrawatch.packages.tree import json_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from entrawatch.rules.catalogue import Catalogue
    from entrawatch.rules.rule import Rule

#: where the lock stands below content/
LOCK = "versions.json"
#: the namespace of our identifiers in the products (a version 4 UUID of our own)
_OURS = uuid.UUID("7d0c7a43-52ab-4a1c-9a53-5f4b6cf0a9e1")
#: the form in which a rule stands in a product → how it is identified there; Splunk's is a name, see `splunk_name`
_UUIDS = ("elastic", "sentinel", "sentinel-nrt", "sentinel-hunting")
_LONGEST_NAME = 99


@dataclass(frozen=True)
class Version:
    """A rule's version in one product.

    :param meaning: how often what it finds has changed since its first release.
    :param form: how often anything of it has changed in this product (its query's text, a triage step) since then.
    """

    meaning: int = 0
    form: int = 0

    @property
    def text(self) -> str:
        """As three numbers, rising with every change: 1.meaning.form."""
        return f"1.{self.meaning}.{self.form}"

    @property
    def number(self) -> int:
        """As one number from 1, rising with every change."""
        return 1 + self.form


@dataclass(frozen=True)
class Identity:
    """What a rule is called in each product: never another once released.

    :param splunk: the saved search's name.
    :param uuids: form (elastic, sentinel, sentinel-nrt, sentinel-hunting) → its identifier.
    """

    splunk: str
    uuids: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class Lock:
    """What was released: rule id → its entry in the lock file."""

    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    def dump(self) -> bytes:
        """The file's bytes."""
        return json_file({"rules": self.entries}, sort_keys=True)


def load_lock(path: Path) -> Lock:
    """The lock of a file; an empty one where there is none, for nothing was released then.

    :raises ConfigError: the file is no lock.
    """
    return read_lock(path.read_text(encoding="utf-8")) if path.exists() else Lock()


def read_lock(text: str) -> Lock:
    """The lock of a file's text.

    :raises ConfigError: it is none.
    """
    try:
        entries = json.loads(text)["rules"]
        for entry in entries.values():
            _check(entry)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError([f"{LOCK}: it is no lock of released versions ({error}); restore it from git"]) from error
    return Lock(entries)


def _check(entry: Mapping[str, Any]) -> None:
    """:raises KeyError: a part is missing. :raises TypeError: a part is of another type than the lock writes."""
    for count in (entry["meaning"], *entry["forms"].values()):
        if not isinstance(count["hash"], str) or not isinstance(count["number"], int):
            raise TypeError(f"a hash and a number, not {count}")
    for name in (entry["slug"], entry["names"]["splunk"]):
        if not isinstance(name, str):
            raise TypeError(f"a name, not {name}")


def fingerprint(content: bytes) -> str:
    """What stands for a content in the lock."""
    return hashlib.sha256(content).hexdigest()


def meaning(rule: Rule, catalogue: Catalogue) -> str:
    """What stands for what a rule finds: its query, keys, parameters, level, and the baseline it is held against."""
    outside = getattr(rule.query, "outside", None)
    parts = (
        rule.query, rule.keys, rule.parameters, rule.level, rule.escalations,
        catalogue.baselines[outside.baseline] if outside else None,
    )  # fmt: skip
    return fingerprint(repr(parts).encode())


def identity(rule: Rule, lock: Lock) -> Identity:
    """What the rule is called in each product; what has been released stays, whatever its title becomes.

    :raises ConfigError: the lock knows it under other identifiers.
    """
    made = {form: str(uuid.uuid5(_OURS, f"{form}/{rule.id}")) for form in _UUIDS}
    entry = lock.entries.get(rule.id)
    if entry is None:
        return Identity(splunk_name(rule), made)
    names = dict(entry["names"])
    splunk = names.pop("splunk")
    if names != made:
        raise ConfigError([f"{LOCK}: {rule.slug}: its identifiers are others than those released; they never change"])
    return Identity(splunk, made)


def splunk_name(rule: Rule) -> str:
    """The saved search's name at its first release.

    Splunk's own content keeps to 99 characters, and a stanza's name to what needs no escaping.
    """
    plain = rule.title.encode("ascii", "ignore").decode().replace("[", "(").replace("]", ")")
    return f"Entrawatch - {plain} - Rule"[:_LONGEST_NAME]


def versions(catalogue: Catalogue, lock: Lock, target: str, forms: Mapping[str, bytes]) -> dict[str, Version]:
    """Slug → its version in a product.

    :param target: splunk, elastic or sentinel.
    :param forms: slug → everything the product is given of the rule, its version left out.
    :raises ConfigError: a rule that was released has changed its id.
    """
    _keep_ids(catalogue, lock)
    return {slug: _version(rule, catalogue, lock, target, forms[slug]) for slug, rule in catalogue.rules.items()}


def _keep_ids(catalogue: Catalogue, lock: Lock) -> None:
    known = {entry["slug"]: rule_id for rule_id, entry in lock.entries.items()}
    faults = [
        f"{slug}.yml: id: it was released as {known[slug]}; a rule's id never changes"
        for slug, rule in catalogue.rules.items()
        if known.get(slug, rule.id) != rule.id
    ]
    if faults:
        raise ConfigError(faults)


def _version(rule: Rule, catalogue: Catalogue, lock: Lock, target: str, form: bytes) -> Version:
    entry = lock.entries.get(rule.id)
    if entry is None:
        return Version()
    shipped = entry["forms"].get(target, {"hash": "", "number": -1})
    return Version(_count(entry["meaning"], meaning(rule, catalogue)), _count(shipped, fingerprint(form)))


def _count(released: Mapping[str, Any], now: str) -> int:
    """The count at the last release, and one more where what it counts has changed since."""
    number: int = released["number"]
    return number if released["hash"] == now else number + 1


def release(catalogue: Catalogue, lock: Lock, forms: Mapping[str, Mapping[str, bytes]]) -> Lock:
    """The lock after a release of this catalogue; rules that are gone stay in it, so that no name is given twice.

    :param forms: target → slug → everything that product is given of the rule, its version left out.
    """
    made = {target: versions(catalogue, lock, target, of) for target, of in forms.items()}
    entries = dict(lock.entries)
    for slug, rule in catalogue.rules.items():
        name = identity(rule, lock)
        # the meaning's count is the same in every product
        counted = next(iter(made.values()))[slug].meaning
        entries[rule.id] = {
            "slug": slug,
            "names": {"splunk": name.splunk, **name.uuids},
            "meaning": {"hash": meaning(rule, catalogue), "number": counted},
            "forms": {
                target: {"hash": fingerprint(of[slug]), "number": made[target][slug].form}
                for target, of in forms.items()
            },
        }
    return Lock(entries)
