"""The comments of queries: they say what the catalogue says of each parameter, and nothing in them leaves them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.dialects import DIALECTS, dialect
from entrawatch.dialects.base import Compiled
from entrawatch.dialects.kql import LONGEST
from entrawatch.packages.queries import FOLDERS

from .test_catalogue import CATALOGUE

if TYPE_CHECKING:
    from entrawatch.rules.rule import Rule

EVENT, WINDOW = CATALOGUE.rules["admin-role-outside-pim"], CATALOGUE.rules["password-spray"]
HOSTILE = [
    "x\n| delete\r\n; drop table signin\x0b\x0c\x1c\x85\u2028\u2029union", "``` | delete ```", "`entrawatch_signin`",
    "*/ drop /* x", "*`/ drop", "\u202e)elbat pord(\u2066\u200f", "\x00\x1b[2J\ufeff\u200b\U000e0041", "x\\", "--",
    "// `",
]  # fmt: skip


def text(rule: Rule, name: str) -> str:
    answer = dialect(name, CATALOGUE.baselines).compile(rule)
    assert isinstance(answer, Compiled), answer
    return answer.text


@pytest.mark.parametrize("said", HOSTILE, ids=ascii)
@pytest.mark.parametrize("name", DIALECTS)
def test_what_an_author_wrote_stays_in_its_comment(name: str, said: str) -> None:
    rule = EVENT if name == "eql" else WINDOW
    parameters = [replace(one, description=said) for one in rule.parameters]
    made = text(replace(rule, title=said, parameters=tuple(parameters)), name)
    lines, plain = made.splitlines(), text(rule, name).splitlines()
    head = 1 + len(rule.parameters)
    assert lines[head:] == plain[head:]
    assert [line.split(": ")[0] for line in lines[:head]] == [line.split(": ")[0] for line in plain[:head]]
    assert made.replace("\n", "").isprintable()
    for line, before in zip(lines[:head], plain):
        told = line.partition(": ")[2]
        assert not {"*/", "/*"} & {told[at : at + 2] for at in range(len(told))}
        assert told.count("`") == before.partition(": ")[2].count("`"), "only those that end SPL's comment"


@pytest.mark.parametrize(("name", "profile"), FOLDERS)
def test_each_parameter_is_explained_above_the_query(name: str, profile: str) -> None:
    for rule in CATALOGUE.rules.values():
        answer = dialect(name, CATALOGUE.baselines, profile).compile(rule)
        for place, parameter in enumerate(rule.parameters if isinstance(answer, Compiled) else (), 1):
            line: Any = answer.text.splitlines()[place]
            assert parameter.name in line
            assert line.rstrip("`").endswith(f": {parameter.description}")


def test_a_query_that_is_nearly_too_long_for_sentinel_goes_without_explanations() -> None:
    (parameter,) = WINDOW.parameters
    room = LONGEST - len(text(replace(WINDOW, parameters=(replace(parameter, description="x"),)), "kql"))
    fits, too_long = (replace(parameter, description="x" * length) for length in (room + 1, room + 2))
    assert len(text(replace(WINDOW, parameters=(fits,)), "kql")) == LONGEST
    _, run, row, first, *_ = text(replace(WINDOW, parameters=(too_long,)), "kql").splitlines()
    assert (run.startswith("// looks at the 1h "), row.startswith("// a row "), first) == (True, True, "let users = 5;")
