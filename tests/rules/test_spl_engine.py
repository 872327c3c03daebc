"""The tests' own SPL: it parses searches as people write them and refuses broken ones; it means what Splunk says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .spl.engine import Engine, event
from .spl.faults import SplError
from .spl.functions import Evaluator
from .spl.parsing import parse
from .spl.values import Raw, fields_of

HERE = Path(__file__).parent / "spl"
CORPUS = (HERE / "corpus.txt").read_text(encoding="utf-8").strip().split("\n\n")
BROKEN = (HERE / "broken.txt").read_text(encoding="utf-8").strip().split("\n\n")


def test_the_corpus_is_large_and_varied() -> None:
    assert len(CORPUS) >= 60
    used = {command.name for search in CORPUS for command in parse(search)}
    assert len(used) >= 45


@pytest.mark.parametrize("search", CORPUS)
def test_a_search_as_people_write_it_parses(search: str) -> None:
    assert parse(search)


@pytest.mark.parametrize("search", BROKEN)
def test_a_broken_search_is_refused(search: str) -> None:
    with pytest.raises(SplError):
        parse(search)


#: the events of Splunk's page on != and NOT, with a few more
HORSES = [
    {"ID": "101M3", "Name": "McIntosh", "Color": "Chestnut", "Location": "Marin Meadows"},
    {"ID": "104F5", "Name": "Lyra", "Color": "Bay"},
    {"ID": "104M6", "Name": "Rutherford", "Color": "Dun", "Location": "Placer Pastures"},
    {"ID": "102M7", "Name": "Dash", "Color": "Black", "Location": "Calaveras Farms"},
    {"ID": "102M1", "Name": "Roan", "Age": 7, "Foals": ["Dun", "Bay"]},
]


def ran(search: str, documents: list[Any] | None = None, **more: Any) -> list[dict[str, Any]]:
    given = HORSES if documents is None else documents
    events = [event(document, 1000.0 + place, "horses") for place, document in enumerate(given)]
    return Engine(events, {"all": "sourcetype=horses", "none": "search *"}, **more).run(search, 0, 10_000)


def names(search: str) -> set[str]:
    return {str(row["ID"])[:5] for row in ran(search)}


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ('`all` Location!="Calaveras Farms"', {"101M3", "104M6"}),
        ('`all` NOT Location="Calaveras Farms"', {"101M3", "104F5", "104M6", "102M1"}),
        ('`all` Location="calaveras farms"', {"102M7"}),
        ('`all` | where Location="calaveras farms"', set()),
        ('`all` | where lower(Location)="calaveras farms"', {"102M7"}),
        ('`all` | where Location!="Calaveras Farms"', {"101M3", "104M6"}),
        ("`all` Name=*r*h*", {"104M6"}),
        # OR before AND in the search command, AND before OR in where
        ("`all` Color=Bay OR Color=Dun Name=Lyra", {"104F5"}),
        ('`all` | where Color="Bay" OR Color="Dun" AND Name="Lyra"', {"104F5"}),
        ('`all` | where Color="Dun" OR Color="Bay" AND Name="Roan"', {"104M6"}),
        ("`all` Color=Dun OR Color=Bay Name=Roan", set()),
        ("`all` Foals{}=bay", {"102M1"}),
        ("`all` Foals{} IN (grey, dun)", {"102M1"}),
        ("`all` Age>5", {"102M1"}),
        ("`all` | where Age>5", {"102M1"}),
        ("`all` Age=7.0", {"102M1"}),
        ('`all` | where like(Name, "L_ra")', {"104F5"}),
        ('`all` | where match(Name, "(?i)^l")', {"104F5"}),
        ("`all` | where isnull(Location)", {"104F5", "102M1"}),
        ("`all` | where isnotnull(mvfilter(lower('Foals{}')=\"bay\"))", {"102M1"}),
        ("`all` | search Color=b* | `none`", {"104F5", "102M7"}),
        ('`all` ```Color=Bay``` Name="Lyra"', {"104F5"}),
    ],
)
def test_a_search_means_what_splunk_says(search: str, found: set[str]) -> None:
    assert names(search) == found


@pytest.mark.parametrize(
    ("search", "table"),
    [
        # a row without the BY field is in no group, one with several values in several
        ("`all` | stats count BY Location", [("Calaveras Farms", 1), ("Marin Meadows", 1), ("Placer Pastures", 1)]),
        ("`all` | stats count BY Foals{}", [("Bay", 1), ("Dun", 1)]),
        ("`all` | stats count", [(5,)]),
        ("`all` | stats count(Location) AS n dc(Color) AS c", [(3, 4)]),
        ("`all` | stats values(Color) AS c BY Age", [("7",)]),
        ("`all` Age=7 | mvexpand Foals{} | table Foals{}", [("Dun",), ("Bay",)]),
        ("`all` Age=7 | eval x=mvjoin('Foals{}', \"+\"), z=Age+1 | table x z", [("Dun+Bay", 8)]),
        ("`all` | sort 0 -Name | streamstats max(Age) AS a | stats count BY a", [("7", 4)]),
        ("`all` Color=* | eval n=1 | streamstats count AS c BY n | stats max(c) AS m", [(4,)]),
        ("`all` Age=7 | bin _time span=1h | table _time", [(0.0,)]),
        ("`all` Age=7 | eval n=mvrange(0, 900, 300) | stats count BY n", [("0", 1), ("300", 1), ("600", 1)]),
        ('`all` Age=7 | addinfo | eval s=info_min_time, t=typo | table s t', [(0,)]),
    ],
)  # fmt: skip
def test_a_pipeline_gives_what_splunk_says(search: str, table: list[tuple[Any, ...]]) -> None:
    assert [tuple(row.values()) for row in ran(search)] == table


@pytest.mark.parametrize(
    "search",
    [
        "`all` | where NOT Location=\"x\"",
        "`all` | eval x=(Age=7)",
        "`all` | where 'Foals{}'=\"Bay\"",
        "`all` | eval x=lower('Foals{}')",
        "`all` | sort Age",
        "`all` | transaction ID",
        "`all` Name=Ünï",
        '`all` Name="a\\\\b"',
        "`all` Foals{}!=Bay",
        "`all` lyra",
        "`unknown` Name=Lyra",
        "`all` | eval x=nosuch(1)",
        "`all` | where like(Name, \"\\\\_\")",
        "`all` | eval x=Name+1",
        "`all` | lookup nosuch a AS b OUTPUT c AS d",
    ],
)  # fmt: skip
def test_what_is_not_documented_or_not_implemented_raises(search: str) -> None:
    with pytest.raises(SplError):
        ran(search)


def test_json_is_extracted_as_splunk_does() -> None:
    document = {"a": {"b": [1, 2.5, None, True]}, "c": [{"d": "x"}, {"d": None}], "e": [], "f": "", "g": None}
    assert fields_of(document, "text") == {
        "a.b{}": ["1", "2.5", "null", "true"],
        "c{}.d": ["x", "null"],
        "f": "",
        "g": "null",
    }
    assert fields_of(document, "dropped") == {"a.b{}": ["1", "2.5", "true"], "c{}.d": "x", "f": ""}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (r'"a\\b" . "\"" . "\d"', 'a\\b"\\d'),
        ('urldecode("%0A%60")', "\n`"),
        ('substr("hello", 2, 3)', "ell"),
        ('mvindex(split("a,b,c", ","), -1)', "c"),
        ('mvindex(split("a,b,c", ","), 0, 1)', ["a", "b"]),
        ('coalesce(null(), "x")', "x"),
        ('if(null()="x", 1, 0)', 0),
        ('case(1=2, "a", true(), "b")', "b"),
        ('nullif("a", "a")', None),
        ('tonumber("x")', None),
        ('tonumber("7")+1', 8),
        ('n=="07"', False),
        ("n==7", True),
        ('mvappend("a", null(), split("b;c", ";"))', ["a", "b", "c"]),
        ('cidrmatch("10.0.0.0/8", "10.9.9.9")', True),
        ('cidrmatch("10.0.0.0/8", "no address")', False),
        ('spath("{\\"a\\":[{\\"b\\":1},{\\"b\\":2}]}", "a{}.b")', ["1", "2"]),
        ('mvmap(m, m . "!")', ["x!", "y!"]),
        ("2+3*4-1", 13),
        ('json_valid("[1")', False),
        ('trim("..a..", ".")', "a"),
    ],
)
def test_an_expression_is_computed(expression: str, value: Any) -> None:
    made = parse(f"search * | eval x={expression}" if "=" not in expression[:6] else f"search * | where {expression}")
    node = made[1].made if made[1].name == "where" else made[1].made[0][1]
    assert Evaluator().value(node, {"n": Raw("7"), "m": [Raw("x"), Raw("y")]}) == value


def test_a_join_is_cut_off_in_silence() -> None:
    search = "`all` | table ID | join ID [search `all` | table ID Color]"
    assert len(ran(search)) == 5
    assert len(ran(search, subsearch_rows=2)) == 2


# --- what dashboards ask for ------------------------------------------------------------------------------------------

#: one event at each of these seconds, every other one grey
TIMES = [60, 61, 119, 240, 359]


def charted(search: str, earliest: float = 0, latest: float = 360) -> list[dict[str, Any]]:
    held = [
        event({"n": place, "colour": "grey" if place % 2 else "bay"}, float(time), "horses")
        for place, time in enumerate(TIMES)
    ]
    return Engine(held, {}).run(f"sourcetype=horses {search}", earliest, latest)


def test_timechart_has_a_row_for_every_span_of_the_range_and_zero_where_nothing_was() -> None:
    found = charted("| timechart span=2m limit=0 count AS events")
    assert found == [{"_time": 0, "events": 3}, {"_time": 120, "events": 0}, {"_time": 240, "events": 2}]
    split = charted("| timechart span=2m limit=0 count BY colour", 0, 240)
    assert split == [{"_time": 0, "bay": 2, "grey": 1}, {"_time": 120, "bay": 0, "grey": 0}]


@pytest.mark.parametrize(
    "search",
    ["| timechart span=2m count", "| timechart limit=0 count", "| timechart span=2x limit=0 count", "| fillnull n"],
)
def test_what_would_be_cut_in_silence_or_is_not_known_is_refused(search: str) -> None:
    with pytest.raises(SplError):
        charted(search)


@pytest.mark.parametrize(
    ("search", "row"),
    [
        ("| stats sum(n) AS s avg(n) AS a median(n) AS m perc95(n) AS p", {"s": 10, "a": 2, "m": 2.0, "p": 4.0}),
        ('| stats max(_time) AS t | eval t=strftime(t, "%Y-%m-%d %H:%M:%S")', {"t": "1970-01-01 00:05:59"}),
        ("| stats max(_time) AS t | eval t=round((now()-t)/60, 2)", {"t": 0.02}),
        ("| search n=9 | stats sum(n) AS s | fillnull value=0 s", {"s": "0"}),
        ("| sort 0 -n | head 1 | table n", {"n": "4"}),
    ],
)
def test_numbers_and_times(search: str, row: dict[str, Any]) -> None:
    assert charted(search) == [row]
