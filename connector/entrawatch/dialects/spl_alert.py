"""A rule's search as a scheduled alert: it finds what its windows hold whenever it runs, and says so in CIM's names.

An event can come late, and a search that looks at each window once has then looked too early. So an alert looks back
over the windows and `LATE` beyond, at every run, and gives each event to all the windows that it lies in: a window that
holds is found at the first run after its events are there, be they on time or late. Found early it holds too, since
events only add to a window; so neither the minute of the run nor the end of its range matters, and runs can be
staggered. What one run tells and the next tells again is for the alert's throttling to keep apart.

The columns of the plain search come first, unchanged; then those that the Common Information Model has names for, and
`severity`, from which Enterprise Security takes a finding's urgency.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Optional

from entrawatch.dialects import notes, spl_baseline
from entrawatch.dialects.spl import SplDialect
from entrawatch.dialects.spl_fields import Names
from entrawatch.dialects.spl_search import Search, seconds
from entrawatch.dialects.spl_text import Spl, any_of, variable, word
from entrawatch.dialects.sql import evidence
from entrawatch.schema.fields import resolve

if TYPE_CHECKING:
    from entrawatch.rules import ir
    from entrawatch.rules.rule import Baseline, Rule

#: how late an event may reach the index and still be found, for rules that look at several events together: the
#: collector reads each range of time again after two hours, for what Entra ID did not show before
LATE = timedelta(hours=3)


class AlertSearch(Search):
    """One rule's alert."""

    late = LATE

    def notes(self, baseline: Optional[Baseline]) -> list[str]:
        return notes.spl_alert(self.rule, baseline, LATE)

    def more(self, columns: list[str]) -> list[tuple[str, Spl]]:
        """CIM's columns, and the level as `severity`."""
        taken = set(columns)
        cim = [(name, values) for name, values in _cim(self.rule).items() if name not in taken]
        return [*[(name, _first(values)) for name, values in cim], ("severity", Spl("level"))]


class SplAlertDialect(SplDialect):
    """Alerts in SPL."""

    def search(self, rule: Rule) -> Search:
        return AlertSearch(rule, self.profile, notes.asked(rule, self.baselines))

    def baseline_search(self, baseline: Baseline) -> str:
        return spl_baseline.search_text(baseline, Names(baseline.source, self.profile), keep=True)

    def reached(self, made: Search, query: ir.WindowQuery, measure: tuple[str, Spl], by: list[str]) -> None:
        """One row for each group that meets the threshold in at least one window, whichever it is."""
        step = seconds(query.every)
        first = f"(floor(_time/{step})+1)*{step}"
        made.assign(window=Spl(f"mvrange({first}, {first}+{seconds(query.length)}, {step})"))
        made.stats(made.measured(measure), [*by, "window"])
        made.where(Spl(f"{measure[0]}>={made.tests.value(query.measure.at_least)}"))
        ends = ["min(window) AS first_window", "max(window) AS last_window"]
        made.stats([f"max({measure[0]}) AS {measure[0]}", *ends, *made.measured_again()], by)

    def bounds(self, made: Search, query: ir.WindowQuery) -> None:
        """From the first window that holds to the last."""
        made.assign(window_start=Spl(f"first_window-{seconds(query.length)}"), window_end=Spl("last_window"))

    def partnered(self, made: Search, query: ir.JoinQuery) -> None:
        """Keep the events of which a partner, before or after, has a window in common with them."""
        step, apart = seconds(query.every), seconds(query.length - query.every)
        made.assign(window=Spl(f"(floor(_time/{step})+1)*{step}"))
        made.assign(partner=Spl("if(is_partner=1, window, null())"))
        made.add(Spl("sort 0 _time, -is_partner"), Spl("streamstats max(partner) AS before BY shared_key"))
        made.add(Spl("sort 0 -_time, -is_partner"), Spl("streamstats min(partner) AS after BY shared_key"))
        near = [Spl(f"if(window-before<={apart}, 1, 0)=1"), Spl(f"if(after-window<={apart}, 1, 0)=1")]
        made.where(Spl("is_event=1"), any_of(near))


def cim_columns(rule: Rule) -> dict[str, str]:
    """Field of the rule → the column that an alert has it in under CIM's name, for fields that have one."""
    return {field: name for name, values in _cim(rule).items() for field in values}


def _cim(rule: Rule) -> dict[str, dict[str, str]]:
    """CIM's name → the rule's fields that it stands for with their columns, the first that is there first."""
    columns = {key.field.name: word(key.name) for key in rule.keys}
    columns.update({ref.name: ref.name for ref in evidence(rule)})
    found: dict[str, dict[str, str]] = {}
    for field, column in columns.items():
        known = resolve(field, rule.source)
        if known is not None and known.cim and not known.cim.startswith("_"):
            found.setdefault(known.cim, {})[field] = column
    return found


def _first(columns: dict[str, str]) -> Spl:
    values = [variable(column) for column in columns.values()]
    return values[0] if len(values) == 1 else Spl(f"coalesce({', '.join(values)})")
