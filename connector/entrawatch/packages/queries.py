"""The rules' query texts as files, one a rule and language, with the searches that keep Splunk's baselines.

The files are what is reviewed when a dialect changes: `entrawatch build` writes them, `build --check` fails when they
are not what the rules say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects import dialect
from entrawatch.dialects.base import Refusal
from entrawatch.dialects.spl import SplDialect

if TYPE_CHECKING:
    from entrawatch.packages.tree import Tree
    from entrawatch.rules.catalogue import Catalogue

#: (dialect, profile) → folder and ending of its files
FOLDERS = {
    ("spl", "normalized"): ("spl", "spl"),
    ("spl", "azure:monitor:aad"): ("spl-azure-monitor-aad", "spl"),
    ("esql", ""): ("esql", "esql"),
    ("eql", ""): ("eql", "eql"),
    ("kql", ""): ("kql", "kql"),
    ("sql", "duckdb"): ("duckdb", "sql"),
    ("sql", "postgres"): ("postgres", "sql"),
}


def queries(catalogue: Catalogue) -> Tree:
    """Path below content/queries/ → bytes: every text, every refusal with its reason, and what the texts lean on."""
    tree: Tree = {}
    refusals: list[str] = []
    for (name, profile), (folder, ending) in FOLDERS.items():
        made = dialect(name, catalogue.baselines, profile)
        for slug, rule in catalogue.rules.items():
            answer = made.compile(rule)
            if isinstance(answer, Refusal):
                refusals.append(f"{folder}\t{slug}\t{answer.node}\t{answer.why}\n")
            else:
                tree[f"{folder}/{slug}.{ending}"] = answer.text.encode()
    tree["refusals.tsv"] = ("folder\trule\tnode\twhy\n" + "".join(sorted(refusals))).encode()
    return {**tree, **_splunk(catalogue)}


def _splunk(catalogue: Catalogue) -> Tree:
    return {
        f"{FOLDERS['spl', profile][0]}/baseline-{name}.spl": SplDialect(catalogue.baselines, profile)
        .baseline_search(baseline)
        .encode()
        for profile in SplDialect.profiles
        for name, baseline in catalogue.baselines.items()
    }
