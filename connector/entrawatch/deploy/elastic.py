"""Detection rules into Kibana, over the API that the Security app itself uses.

Source: elastic.co/docs/api/doc/kibana (Security detections API: `_find`, `_import`, `_bulk_action`), and Kibana's own
OpenAPI files. `_import` answers 200 and lists a fault a rule; a rule that is there gives a 409 in that list unless
`overwrite=true`.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from entrawatch import jsontext
from entrawatch.deploy import elastic_rule
from entrawatch.deploy.plan import CREATE, DELETE, UPDATE
from entrawatch.deploy.rest import line, rows
from entrawatch.deploy.target import MEANWHILE, Outcome
from entrawatch.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from entrawatch.deploy.plan import Standing, Step
    from entrawatch.deploy.rest import Rest

_RULES = "/api/detection_engine/rules"
_PAGE = 500
#: rules in one import: Kibana takes 10,000 and 10 MB
_BATCH = 50
ADVICE = {
    400: "is the address Kibana's, and its version 8.12 or later?",
    401: "check the API key: it may be revoked, expired or another cluster's",
    403: "give the key the Kibana privilege Security: All in this space (docs/deploy.md)",
    404: "check the address and the space: Kibana's, not Elasticsearch's",
}


def headers(api_key: str) -> dict[str, str]:
    """The headers of each request.

    :param api_key: as Elastic shows it ("encoded"), or `id:key`.
    """
    return {
        "Authorization": f"ApiKey {encoded(api_key)}",
        "kbn-xsrf": "entrawatch",
        # serverless wants the version of the public API named; others take it
        "elastic-api-version": "2023-10-31",
    }


def encoded(api_key: str) -> str:
    """An API key in its header's form."""
    return base64.b64encode(api_key.encode()).decode() if ":" in api_key else api_key


def spellings(api_key: str) -> list[str]:
    """Every form in which a key may turn up in an answer."""
    found = [api_key, encoded(api_key)]
    with suppress(ValueError):
        found.append(base64.b64decode(api_key, validate=True).decode())
    return [*found, *(one.rpartition(":")[2] for one in found)]


class KibanaRules:
    """The detection rules of one space.

    :param rest: Kibana's address.
    :param space: the space's id, "" for the default one.
    :param enable: whether a new rule begins to run at once.
    """

    def __init__(self, rest: Rest, space: str = "", *, enable: bool = False) -> None:
        self._rest = rest
        self._base = (f"/s/{quote(space, safe='')}" if space else "") + _RULES
        self._enable = enable

    def standing(self) -> list[Standing]:
        """Every rule that is not Elastic's own."""
        return [elastic_rule.standing(rule) for rule in self._find()]

    def apply(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        """New rules, then changed ones, then deletions; each import is read back, for that is what counts."""
        for action, done in ((CREATE, self._create), (UPDATE, self._update), (DELETE, self._delete)):
            chosen = [step for step in steps if step.action == action]
            for start in range(0, len(chosen), _BATCH):
                yield from done(chosen[start : start + _BATCH])

    def _now(self) -> dict[str, dict[str, Any]]:
        """rule_id → rule, as they stand."""
        return {str(rule.get("rule_id")): rule for rule in self._find()}

    def _find(self) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        page, total = 1, 1
        while (page - 1) * _PAGE < total:
            asked = {"page": page, "per_page": _PAGE, "sort_field": "created_at", "sort_order": "asc",
                     "filter": "alert.attributes.params.immutable: false"}  # fmt: skip
            answer = self._rest.get(f"{self._base}/_find", params=asked).value
            data = rows(answer, "data")
            if not isinstance(answer, dict) or not isinstance(answer.get("total"), int):
                raise TargetError(f"{self._rest.host}: {self._base}/_find gave no list of rules; is it Kibana?")
            found |= {str(rule.get("rule_id")): rule for rule in data}
            total = answer["total"]
            page += 1
        if len(found) < total:
            # a rule that was missed would be taken for one that is not there
            raise TargetError(f"{self._rest.host}: the list of rules changed while it was read; run it again")
        return list(found.values())

    def _create(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        lines = {step: elastic_rule.created(step.wanted, enabled=self._enable) for step in steps}
        yield from self._import(lines, overwrite=False)

    def _update(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        now = self._now()
        lines = {}
        for step in steps:
            key = step.difference.key
            if step.overtaken(elastic_rule.standing(now[key]) if key in now else None):
                yield Outcome(step, MEANWHILE)
            else:
                lines[step] = elastic_rule.updated(step.wanted, now[key])
        yield from self._import(lines, overwrite=True)

    def _import(self, lines: Mapping[Step, Mapping[str, Any]], *, overwrite: bool) -> Iterator[Outcome]:
        if not lines:
            return
        body = b"".join(jsontext.dumps(one) + b"\n" for one in lines.values())
        try:
            answer = self._rest.ask(
                "POST", f"{self._base}/_import", params={"overwrite": "true" if overwrite else "false"},
                files={"file": ("entrawatch-rules.ndjson", body, "application/x-ndjson")},
            ).value  # fmt: skip
        except TargetError as error:
            yield from (Outcome(step, str(error)) for step in lines)
            if error.status == 401:
                raise
            return
        yield from self._read_back(lines, _faults(answer))

    def _read_back(self, lines: Mapping[Step, Mapping[str, Any]], faults: Mapping[str, str]) -> Iterator[Outcome]:
        marks = {key: elastic_rule.mark_of(rule) for key, rule in self._now().items()}
        common = faults.get("", "Kibana says nothing of it and has not taken it")
        for step, one in lines.items():
            fault = faults.get(step.difference.key, "")
            if not fault and marks.get(step.difference.key) != elastic_rule.mark_of(one):
                fault = common
            yield Outcome(step, fault)

    def _delete(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        now = self._now()
        ids: dict[Step, str] = {}
        for step in steps:
            rule = now.get(step.difference.key)
            if rule is None:
                yield Outcome(step)
            elif step.overtaken(elastic_rule.standing(rule)):
                yield Outcome(step, MEANWHILE)
            else:
                ids[step] = str(rule.get("id"))
        yield from self._bulk_delete(ids)

    def _bulk_delete(self, ids: Mapping[Step, str]) -> Iterator[Outcome]:
        if not ids:
            return
        body = {"action": "delete", "ids": list(ids.values())}
        try:
            # 500 is what Kibana answers where some of them failed; what is left tells which
            self._rest.ask("POST", f"{self._base}/_bulk_action", json=body, accept={500})
        except TargetError as error:
            yield from (Outcome(step, str(error)) for step in ids)
            if error.status == 401:
                raise
            return
        left = self._now()
        for step in ids:
            yield Outcome(step, "Kibana has not deleted it" if step.difference.key in left else "")


def _faults(answer: Any) -> dict[str, str]:
    """rule_id → what Kibana says of it; "" → what it says of none in particular."""
    found: dict[str, str] = {}
    for name in ("errors", "action_connectors_errors", "exceptions_errors"):
        for fault in rows(answer, name):
            error = fault.get("error")
            said = line(error.get("message", "")) if isinstance(error, dict) else ""
            key = str(fault.get("rule_id", "")) if name == "errors" else ""
            found.setdefault("" if key == "(unknown id)" else key, said or "refused without a reason")
    return found
