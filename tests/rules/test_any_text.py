"""Any text as a rule file: `rules validate` gives a rule or a line that says what is wrong, never a traceback."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrawatch.cli.main import main

from .test_catalogue import ROOT, changed_all
from .test_community import MANY, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: what hides in YAML: values that its constructors, a schema, pySigma or a date choke on
_SCALARS = st.sampled_from(
    [
        None, True, 0, -1, 5.0, 10**30, 1e300, float("nan"), float("inf"), "", "x", "%x%", "*", "a|b|re", "1 of them",
        "999999999d", "id", "not", "\u0130", "\x1b[2J", "2026-13-45", "selection", "\U0001f600", "50126",
        "10.0.0.0/33", "(?=x)", "a{1001}",
    ]
) | st.text(max_size=8)  # fmt: skip
_KEYS = (
    st.sampled_from([*PLAIN, *MANY["correlation"], "re", "userAgent|re", "IPAddress|cidr", "x|all", "a.b", "a"])
    | _SCALARS
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)
_WHOLE = [
    [PLAIN], [PLAIN, MANY],
    *([yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))] for name in (
        "signin/brute-force.yml", "signin/password-spray-success.yml", "audit/third-party-changes.yml",
        "signin/single-factor-from-new-network.yml",
    )),
]  # fmt: skip


def places(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every part of a document stands."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield (*above, key)
        yield from places(value, (*above, key))


@st.composite
def changed(draw: st.DrawFn) -> str:
    """Rules of each form with a few parts that are something else, under another key, or gone."""
    documents = yaml.safe_load(yaml.safe_dump(draw(st.sampled_from(_WHOLE))))
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from([place for place in places(documents) if len(place) > 1]))
        at = documents
        for parent in parents:
            at = at[parent]
        if isinstance(at, dict) and draw(st.booleans()):
            at.update([(draw(_KEYS), at.pop(last))])
        else:
            at[last] = draw(_VALUES)
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=draw(st.booleans()))


def validated(text: str, folder: Path) -> tuple[int, str, str]:
    """The exit code, and what is told."""
    path = folder / "x.yml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["rules", "validate", str(path)])
    out.flush()
    return code, out.buffer.getvalue().decode(), err.getvalue()


def check(text: str, folder: Path) -> None:
    code, out, err = validated(text, folder)
    assert code in {0, 2}, (code, err)
    assert bool(err) == (code == 2), (out, err)
    assert all(line.startswith(f"entrawatch: {folder}") for line in err.splitlines()), err
    assert code == 2 or out.endswith((" rule, no fault\n", " rules, no fault\n")), out


ODD = {
    "no int": "title: !!int x",
    "no float": "title: !!float x",
    "no bool": "title: !!bool x",
    "no timestamp": "title: !!timestamp x",
    "no map": "!!map [a]",
    "as no int": f"title: {'9' * 5000}",
    "ascii": 'title: !!binary "\u00e9"',
    "merging": "<<: 5",
    "it has no detection": 'title: "\\ud800"\nlogsource: {product: "\\ud800"}',
}


@pytest.mark.parametrize("told", ODD)
def test_what_is_not_what_its_tag_says_is_told_in_a_line(tmp_path: Path, told: str) -> None:
    check(ODD[told], tmp_path)
    assert told in validated(ODD[told], tmp_path)[2]


#: a record of a case, and of the first of its numbers
_RECORD, _REPEAT = "tests/cases/0/records/0", "tests/cases/0/records/0/repeat"
HUGE = [
    ({"correlation/at_least": 5.0, "parameters": {}}, "at_least: 5.0 is no whole number from 1, and no parameter as %"),
    ({_REPEAT: 3.0}, "repeat: 3.0 is not of type 'integer'"),
    ({_REPEAT: 10**7}, "repeat: 10000000 is greater than the maximum of 1000"),
    ({"correlation/timespan": "9999999999d"}, "timespan: '9999999999d' is not of the form"),
    ({f"{_RECORD}/at": "-999999d"}, "at: '-999999d' is not of the form"),
    ({f"{_RECORD}/step": "999999d"}, "step: '999999d' is not of the form"),
    ({f"{_RECORD}/5": 6}, "tests.cases.0.records.0.5: 5 is a key that is no text"),
    ({f"{_RECORD}/a": 1, f"{_RECORD}/a.b": 2}, "records.0: a.b lies in a, which is no object beside it"),
    ({"tests/cases/0/match": [{None: 6}]}, "match.0.None: None is a key that is no text; put it between quotes"),
    ({"tests/base": {None: 5}, "keys": {True: "id"}, "parameters": {5: 6}}, "parameters.5: 5 is a key that is no text"),
]


@pytest.mark.parametrize(("changes", "told"), HUGE, ids=[told for _, told in HUGE])
def test_numbers_and_keys_that_nothing_bears_are_told_in_a_line(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    text = changed_all(changes)
    check(text, tmp_path)
    assert told in validated(text, tmp_path)[2]


_QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=60, deadline=None, suppress_health_check=_QUIET)
@given(changed())
def test_a_rule_with_any_part_changed_is_read_or_refused(tmp_path: Path, text: str) -> None:
    check(text, tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=_QUIET)
@given(st.text(alphabet="ab:-[]{}!|>&*#%@`'\"\n\t 1.0~?,\\x\u0130\x00\ufeff", max_size=40))
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    check(text, tmp_path)
