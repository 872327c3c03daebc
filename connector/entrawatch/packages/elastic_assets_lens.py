"""Kibana's Lens panels as a dashboard keeps them by value: columns, what shows them, and where the panel stands.

The structure is that of the dashboards which Kibana 8.19 exports: state of the data source (formBased for fields of a
data view, textBased for an ES|QL query), state of the visualization, references to data views by name.
https://www.elastic.co/docs/explore-analyze/visualize/lens, dashboards of https://github.com/elastic/integrations
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]

#: the namespace of the objects' identifiers (a version 4 UUID of our own)
_OURS = uuid.UUID("5f7c1c54-8f0f-4a3e-9d16-0d2b7f5a6c11")
#: columns of a dashboard's grid
WIDTH = 48


def identifier(what: str) -> str:
    """The identifier of an object or a part of one: the same in every build."""
    return str(uuid.uuid5(_OURS, what))


@dataclass(frozen=True)
class View:
    """A data view.

    :param title: the index pattern.
    :param hidden: whether it reads hidden indices.
    """

    name: str
    title: str
    hidden: bool = False

    @property
    def id(self) -> str:
        """Its identifier."""
        return identifier(f"data view {self.name}")


@dataclass(frozen=True)
class Column:
    """A column of a data view's layer.

    :param operation: count, max, unique_count, terms or date_histogram.
    :param source: the field; ___records___ for a count.
    :param type: number, date, string or ip, of what the column shows.
    :param params: what else the operation is told, order left out.
    """

    label: str
    operation: str
    source: str
    type: str
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def bucketed(self) -> bool:
        """Whether it groups, rather than measures."""
        return self.operation in {"terms", "date_histogram"}


def count(label: str) -> Column:
    """How many documents."""
    return Column(label, "count", "___records___", "number", {"emptyAsNull": False})


def latest(label: str, source: str) -> Column:
    """The latest of a date field."""
    return Column(label, "max", source, "date", {"emptyAsNull": True})


def distinct(label: str, source: str) -> Column:
    """How many different values, approximately."""
    return Column(label, "unique_count", source, "number", {"emptyAsNull": False})


def over_time() -> Column:
    """The time, in steps that fit the dashboard's range."""
    params = {"dropPartials": False, "includeEmptyRows": True, "interval": "auto"}
    return Column("@timestamp", "date_histogram", "@timestamp", "date", params)


def top(label: str, source: str, size: int, kind: str = "string") -> Column:
    """The values with most of the panel's first measure."""
    params = {
        "exclude": [], "excludeIsRegex": False, "include": [], "includeIsRegex": False, "missingBucket": False,
        "orderDirection": "desc", "otherBucket": False, "parentFormat": {"id": "terms"}, "size": size,
    }  # fmt: skip
    return Column(label, "terms", source, kind, params)


@dataclass(frozen=True)
class Panel:
    """A panel over a data view.

    :param kind: metric, table, bars or pie.
    :param query: KQL that its documents pass.
    :param place: x, y, width and height on the grid.
    """

    title: str
    kind: str
    view: View
    query: str
    columns: Sequence[Column] = field(hash=False)
    place: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def id(self) -> str:
        """Its identifier."""
        return identifier(f"panel {self.title}")

    @property
    def layer(self) -> str:
        """The identifier of its only layer."""
        return identifier(f"layer {self.title}")

    def column_id(self, column: Column) -> str:
        """The identifier of one of its columns."""
        return identifier(f"column {self.title} {column.label}")

    def references(self) -> list[Json]:
        """What its layer refers to."""
        name = f"indexpattern-datasource-layer-{self.layer}"
        return [{"id": self.view.id, "name": name, "type": "index-pattern"}]

    def state(self) -> Json:
        """Its Lens state."""
        columns = {self.column_id(one): self._column(one) for one in self.columns}
        layer = {"columnOrder": list(columns), "columns": columns, "incompleteColumns": {}, "sampling": 1}
        return {
            "adHocDataViews": {},
            "datasourceStates": {"formBased": {"layers": {self.layer: layer}}, "textBased": {"layers": {}}},
            "filters": [],
            "internalReferences": [],
            "query": {"language": "kuery", "query": self.query},
            "visualization": visualization(self.kind, self.layer, self._ids(bucketed=True), self._ids(bucketed=False)),
        }

    def _ids(self, *, bucketed: bool) -> list[str]:
        return [self.column_id(one) for one in self.columns if one.bucketed is bucketed]

    def _column(self, column: Column) -> Json:
        params = dict(column.params)
        if column.operation == "terms":
            params["orderBy"] = {"columnId": self._ids(bucketed=False)[0], "type": "column"}
        scale = "interval" if column.operation == "date_histogram" else "ordinal" if column.bucketed else "ratio"
        return {
            "customLabel": True, "dataType": column.type, "isBucketed": column.bucketed, "label": column.label,
            "operationType": column.operation, "params": params, "scale": scale, "sourceField": column.source,
        }  # fmt: skip


@dataclass(frozen=True)
class QueryPanel:
    """A table of an ES|QL query's result.

    :param pattern: the indices its query reads, as its own data view is called.
    :param columns: column of the result → type (number, date, string).
    """

    title: str
    pattern: str
    query: str
    columns: Mapping[str, str] = field(hash=False)
    place: tuple[int, int, int, int] = (0, 0, 0, 0)
    kind: str = "table"

    @property
    def id(self) -> str:
        """Its identifier."""
        return identifier(f"panel {self.title}")

    def references(self) -> list[Json]:
        """Nothing: its data view stands in itself."""
        return []

    def state(self) -> Json:
        """Its Lens state."""
        layer, view = identifier(f"layer {self.title}"), identifier(f"ad hoc {self.title}")
        columns = [{"columnId": name, "fieldName": name, "meta": {"type": kind}} for name, kind in self.columns.items()]
        query = {"esql": self.query}
        kept = {"columns": columns, "index": view, "query": query, "timeField": "@timestamp"}
        ad_hoc = {
            "allowHidden": False, "allowNoIndex": False, "fieldFormats": {}, "id": view, "name": self.pattern,
            "runtimeFieldMap": {}, "sourceFilters": [], "timeFieldName": "@timestamp", "title": self.pattern,
            "type": "esql",
        }  # fmt: skip
        return {
            "adHocDataViews": {view: ad_hoc},
            "datasourceStates": {"textBased": {"layers": {layer: kept}}},
            "filters": [],
            "internalReferences": [],
            "query": query,
            "visualization": visualization(self.kind, layer, list(self.columns), []),
        }


#: kind → Lens's name of it
VISUALIZATIONS = {"metric": "lnsMetric", "table": "lnsDatatable", "bars": "lnsXY", "pie": "lnsPie"}
_PIE = {"categoryDisplay": "default", "legendDisplay": "show", "nestedLegend": False, "numberDisplay": "percent"}


def visualization(kind: str, layer: str, groups: Sequence[str], measures: Sequence[str]) -> Json:
    """How the columns are shown."""
    own: Json = {"layerId": layer, "layerType": "data"}
    if kind == "metric":
        return {**own, "metricAccessor": measures[0]}
    if kind == "table":
        return {**own, "columns": [{"columnId": one} for one in (*groups, *measures)]}
    if kind == "pie":
        slices = {**own, "metrics": list(measures), "primaryGroups": list(groups), **_PIE}
        return {"layers": [slices], "shape": "donut"}
    time, *split = groups
    series = {"accessors": list(measures), "seriesType": "bar_stacked", "xAccessor": time}
    layers = [{**own, **series, **({"splitAccessor": split[0]} if split else {})}]
    return {
        "layers": layers,
        "legend": {"isVisible": True, "position": "right"},
        "preferredSeriesType": "bar_stacked",
        "valueLabels": "hide",
    }
