"""Everything below content/ that is generated: the rules' query texts, and what each product imports.

A product's module (`packages.splunk`, `packages.elastic`, `packages.sentinel`) has two doors:

* `forms(catalogue) -> {slug: bytes}`: everything the product is given of a rule, its version left out: what changes
  there makes a new version.
* `tree(release) -> {path: bytes}`: the product's folder, paths below content/<product>/.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from entrawatch.packages.queries import queries
from entrawatch.packages.versions import identity, release, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.packages.tree import Tree
    from entrawatch.packages.versions import Identity, Lock, Version
    from entrawatch.rules.catalogue import Catalogue

#: product → the module that makes its folder
TARGETS: dict[str, str] = {
    "elastic": "entrawatch.packages.elastic",
    "sentinel": "entrawatch.packages.sentinel",
    "splunk": "entrawatch.packages.splunk",
}
#: folders below content/ that hold nothing that a person wrote
OWNED = ("queries", "splunk", "elastic", "sentinel")


@dataclass(frozen=True)
class Release:
    """A catalogue as one product is to get it.

    :param versions: slug → the rule's version in this product.
    :param names: slug → what the rule is called in each product.
    """

    catalogue: Catalogue
    versions: Mapping[str, Version] = field(hash=False)
    names: Mapping[str, Identity] = field(hash=False)


def content(catalogue: Catalogue, lock: Lock) -> Tree:
    """Path below content/ → bytes.

    :raises ConfigError: the catalogue gainsays the lock.
    """
    tree = {f"queries/{path}": made for path, made in queries(catalogue).items()}
    for target in TARGETS:
        made = import_module(TARGETS[target]).tree(prepared(catalogue, lock, target))
        tree.update({f"{target}/{path}": content for path, content in made.items()})
    return tree


def prepared(catalogue: Catalogue, lock: Lock, target: str) -> Release:
    """The catalogue with the versions and names that a product's tree is made of."""
    forms = import_module(TARGETS[target]).forms(catalogue)
    names = {slug: identity(rule, lock) for slug, rule in catalogue.rules.items()}
    return Release(catalogue, versions(catalogue, lock, target, forms), names)


def released(catalogue: Catalogue, lock: Lock) -> Lock:
    """The lock once this catalogue is released."""
    return release(catalogue, lock, {target: import_module(TARGETS[target]).forms(catalogue) for target in TARGETS})
