"""content/splunk as Splunk would read it: a parser of .conf files that is not ours, and a scheduler of searches."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from addonfactory_splunk_conf_parser_lib import TABConfigParser

from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.normalize.envelope import wrap
from entrawatch.packages.splunk_searches import learning_name
from entrawatch.packages.versions import Lock, identity
from entrawatch.rules.catalogue import load_catalogue
from entrawatch.schema.streams import STREAMS
from rules.judge import Row, rows
from rules.spl.engine import Engine, event
from rules.spl.values import values_of
from rules.splunk import ENVELOPE, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from entrawatch.emulator.records import Emitted

CONTENT = Path(__file__).parents[2] / "content"
APP = CONTENT / "splunk"
CATALOGUE = load_catalogue(CONTENT / "catalogue")
MINUTE, HOUR, DAY = 60, 3600, 86400
Conf = dict[str, dict[str, str]]
Keys = tuple[str, ...]
_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY, "s": 1}


def parsed(text: str) -> Conf:
    """Stanza → key → value; a value that goes on in the next line without its backslashes."""
    parser = TABConfigParser()
    parser.read_file(io.StringIO(text))
    return {
        name: {key: re.sub(r"\s*\\\n", "\n", value) for key, value in parser.items(name) if key != "__name__"}
        for name in parser.sections()
    }


@cache
def conf(name: str) -> Conf:
    """One of the app's .conf files."""
    return parsed((APP / "default" / f"{name}.conf").read_text(encoding="utf-8"))


@cache
def tenant() -> list[Emitted]:
    """Two weeks of a small company, attacks among them."""
    return list(generate(TenantOptions(seed=5, users=4, changes=False)))


@cache
def macros() -> dict[str, str]:
    """Name → definition."""
    return {name: settings["definition"] for name, settings in conf("macros").items()}


def names(slug: str) -> dict[str, str]:
    """Profile → the saved search of a rule."""
    own = {
        name: settings
        for name, settings in conf("savedsearches").items()
        if f" {slug}: " in settings["search"].splitlines()[0]
    }
    assert identity(CATALOGUE.rules[slug], Lock()).splunk in own
    return {ENVELOPE if ENVELOPE in name else "normalized": name for name in own}


# --- events with the time at which they were indexed ------------------------------------------------------------------


@dataclass(frozen=True)
class Indexed:
    """A row in Splunk.

    :param at: when it was indexed, seconds since the epoch.
    """

    row: Row
    at: float
    document: dict[str, Any]


def indexed(records: Iterable[tuple[str, Mapping[str, Any]]], profile: str, delays: Iterable[float]) -> list[Indexed]:
    """The records as they arrive, each so many seconds after it happened."""
    made = []
    for row, delay in zip(rows(records), delays):
        if profile == ENVELOPE:
            stream = STREAMS[row.event["entra"]["stream"]]
            document = event(wrap(row.record, stream, "tenant"), seconds(row.time), ENVELOPE)
        else:
            document = event(row.event, seconds(row.time), f"entrawatch:{row.source}")
        made.append(Indexed(row, seconds(row.time) + delay, document))
    return made


# --- the scheduler ----------------------------------------------------------------------------------------------------


def relative(text: str, now: float) -> float:
    """Splunk's relative time: now, or minus a number and a unit."""
    if text == "now":
        return now
    found = re.fullmatch(r"-(\d+)([smhd])", text)
    assert found, text
    return now - int(found.group(1)) * _UNITS[found.group(2)]


def runs(cron: str, since: float, until: float) -> Iterator[float]:
    """The moments in which a search with this schedule runs; UTC."""
    minutes, hours, *rest = cron.split()
    assert rest == ["*", "*", "*"], cron
    wanted = {int(one) for one in minutes.split(",")}
    allowed = set(range(24)) if hours == "*" else {int(one) for one in hours.split(",")}
    at = (since // MINUTE) * MINUTE
    while at <= until:
        if (at // MINUTE) % 60 in wanted and (at // 3600) % 24 in allowed:
            yield at
        at += MINUTE


@dataclass
class Alert:
    """A saved search as the scheduler runs it.

    :ivar told: what fired, with the moment: after throttling.
    :ivar found: what the runs found, before throttling.
    """

    settings: Mapping[str, str]
    held: list[Indexed]
    lookups: dict[str, list[dict[str, Any]]]

    def __post_init__(self) -> None:
        self.told: list[tuple[float, Keys]] = []
        self.found: list[tuple[float, Keys]] = []
        self._silent: dict[Keys, float] = {}
        self._known: dict[tuple[int, ...], list[Keys]] = {}

    def run(self, now: float) -> None:
        """One run, and what it fires."""
        period = -relative(f"-{self.settings['alert.suppress.period']}", 0)
        for keys in self._results(now):
            self.found.append((now, keys))
            if self._silent.get(keys, 0) <= now:
                self.told.append((now, keys))
                self._silent[keys] = now + period

    def _results(self, now: float) -> list[Keys]:
        earliest, latest = (relative(self.settings[f"dispatch.{end}_time"], now) for end in ("earliest", "latest"))
        seen = [place for place, one in enumerate(self.held) if self._seen(one, now, earliest, latest)]
        # what a search finds that does not ask for its range depends on the events in it alone
        known = None if _dated(self.settings) else self._known.get(tuple(seen))
        if known is None:
            known = self._known[tuple(seen)] = self._searched(seen, earliest, latest) if seen else []
        return known

    def _searched(self, seen: list[int], earliest: float, latest: float) -> list[Keys]:
        engine = Engine([self.held[place].document for place in seen], macros())
        engine.lookups = dict(self.lookups)
        fields = self.settings["alert.suppress.fields"].split(",")
        results = engine.run(self.settings["search"], earliest, latest)
        return [tuple(_text(result[field]) for field in fields) for result in results]

    def _seen(self, one: Indexed, now: float, earliest: float, latest: float) -> bool:
        """Whether the event is in the index by now, and was indexed when the search wants."""
        if one.at >= now or not earliest <= seconds(one.row.time) < latest:
            return False
        if "dispatch.index_earliest" not in self.settings:
            return True
        bounds = [relative(self.settings[f"dispatch.index_{end}"], now) for end in ("earliest", "latest")]
        return bounds[0] <= one.at < bounds[1]


def scheduled(slug: str, profile: str, held: list[Indexed]) -> Alert:
    """A rule's saved search, run by its schedule from the first event on until none of them is looked at any more."""
    settings = conf("savedsearches")[names(slug)[profile]]
    alert = Alert(settings, held, learnt(slug, profile, held))
    if held:
        back = -relative(settings["dispatch.earliest_time"], 0)
        # what follows is found within the allowance and a step, or not at all
        end = max(one.at for one in held) + (min(back, 5 * HOUR) if _dated(settings) else back) + 2 * MINUTE
        for now in runs(settings["cron_schedule"], min(one.at for one in held), end):
            alert.run(now)
    return alert


def _dated(settings: Mapping[str, str]) -> bool:
    """Whether what a search finds depends on when it runs."""
    return "_time>=info_max_time" in settings["search"]


def learnt(slug: str, profile: str, held: list[Indexed]) -> dict[str, list[dict[str, Any]]]:
    """The lookups that a rule asks, as the baseline's own saved search makes them of these events by their last."""
    outside = getattr(CATALOGUE.rules[slug].query, "outside", None)
    if outside is None or not held:
        return {}
    baseline = CATALOGUE.baselines[outside.baseline]
    search = conf("savedsearches")[learning_name(baseline, profile)]
    lookback = -relative(search["dispatch.earliest_time"], 0)
    first = min((seconds(one.row.time) for one in held if one.row.source == baseline.source), default=0.0)
    # in a cold start, after one whole lookback
    moment = max(*(seconds(one.row.time) for one in held), first + lookback, 0.0)
    engine = Engine([one.document for one in held], macros())
    engine.run(search["search"], moment - lookback, moment)
    return engine.lookups


def _text(value: Any) -> str:
    return "\n".join(str(one).lower() for one in values_of(value))
