"""Other people's objects stand among ours: whatever is in them, the list is read and they are not taken for ours."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrawatch.deploy import elastic_rule, sentinel_rule, splunk_search
from entrawatch.deploy.plan import NOT_OURS

ODD = ("PT1H", "P", "now-5m", f"now-{'9' * 30}d", f"PT{'9' * 30}H", f"PT{'9' * 5000}H")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4) | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def some(*names: str, **shapes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with some of these keys, or no object at all."""
    return st.fixed_dictionaries({}, optional={**dict.fromkeys(names, VALUES), **shapes}) | VALUES


def whole(found: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return found.filter(lambda one: isinstance(one, dict))


INCIDENT = some("createIncident", groupingConfiguration=some("enabled", "lookbackDuration"))
READERS: dict[str, tuple[Callable[[Any], Any], st.SearchStrategy[Any]]] = {
    "Kibana": (elastic_rule.standing, some("rule_id", *elastic_rule.OURS)),
    "Splunk": (lambda entry: splunk_search.standing(entry, None),
               some("name", "acl", content=some("search", "disabled", splunk_search.MARK))),
    "Sentinel's rules": (sentinel_rule.standing_rule, some(
        "name", "kind", "etag", properties=some(*sentinel_rule.OURS, incidentConfiguration=INCIDENT))),
    "Sentinel's queries": (sentinel_rule.standing_hunt, some(
        "name", properties=some("displayName", "category", "query", "tags"))),
}  # fmt: skip


@pytest.mark.parametrize("product", READERS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_an_object_of_any_shape_is_read_and_not_ours(product: str, data: st.DataObject) -> None:
    read, shapes = READERS[product]
    standing = read(data.draw(whole(shapes)))
    assert standing.by_hand
    assert standing.kept == NOT_OURS
