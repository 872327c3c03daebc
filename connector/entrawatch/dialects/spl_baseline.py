"""Baselines in SPL: a lookup that a search of its own keeps fresh, and that rules ask.

A rule is exact as of the lookup's last refresh: what the baseline learnt since then it does not know, and in the first
days, before the data reaches back over the whole lookback, it knows too little: rules that ask it are enabled after
that. The lookup (`lookup_name`) has the columns address and country, both in lower case; it is to be defined with
case_sensitive_match = true, and as a file or collection of its own.

https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Lookup,
https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Outputlookup
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.notes import known
from entrawatch.dialects.spl_changes import commands
from entrawatch.dialects.spl_macros import source_name
from entrawatch.dialects.spl_predicates import Conditions, search
from entrawatch.dialects.spl_text import Spl, clauses, comment, macro, string, word

if TYPE_CHECKING:
    from entrawatch.dialects.spl_fields import Names
    from entrawatch.rules import ir
    from entrawatch.rules.rule import Baseline

_DAY = 86400


def lookup_name(baseline: Baseline) -> str:
    """The lookup that holds a baseline."""
    return f"entrawatch_{word(baseline.name)}"


def search_text(baseline: Baseline, names: Names, *, keep: bool = False) -> str:
    """The search that fills the lookup; its range is the lookback up to now.

    An address counts whatever its country, a country only with its address: `place` is both, and `stats` puts a row
    into each group that one of its values names.

    :param keep: leave what was known when nothing is found, as where the data or its index failed for a week: else each
        office would be a finding.
    """
    tests = Conditions(names, _no_parameter)
    said = search(baseline.where, names)
    source = macro(source_name(baseline.source, names.profile))
    head = clauses(f"{source} {comment(f'baseline {known(baseline)}')}", *filter(None, [said]))
    address, country, person = (tests.folded(ref) for ref in (baseline.address, baseline.country, baseline.user))
    lines = [
        *([] if said else [f"where {tests.write(baseline.where)}"]),
        "eval "
        + clauses(f"address={address},", f"country={country},", f"person={person},", f"day=floor(_time/{_DAY})"),
        'where address!="" AND person!=""',
        f'eval place=if(country="", {string("*")}, mvappend({string("*")}, country))',
        "stats dc(person) AS users BY address place day",
        f"where users>={baseline.users}",
        "stats dc(day) AS days BY address place",
        f"where days>={baseline.days}",
        'eval country=if(place="*", "", place), address=if(place="*", address, "")',
        "stats count BY address country",
        "fields address country",
        f"outputlookup {'override_if_empty=false ' if keep else ''}{lookup_name(baseline)}",
    ]
    computed = commands(names.computed)
    return "\n".join([head, *[f"| {line}" for line in (*computed, *lines)]]) + "\n"


def _no_parameter(parameter: ir.Parameter) -> Spl:
    raise Unsupported(parameter, "a baseline has no parameters")
