"""ES|QL: every rule is valid for Elastic's own verifier and finds what the judge finds, on stacks from 8.19 on."""

from __future__ import annotations

from typing import Any

import pytest

from entrawatch.dialects.base import Compiled
from entrawatch.dialects.esql import Esql

from .esql_runs import keys, run
from .judge import Judge, rows
from .test_catalogue import CASES, CATALOGUE


def compiled(rule: Any) -> Compiled:
    answer = Esql(CATALOGUE.baselines).compile(rule)
    assert isinstance(answer, Compiled), answer
    return answer


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_esql_finds_what_the_judge_finds(rule: Any, case: Any) -> None:
    case_rows = rows(case.records)
    query = compiled(rule)
    results = run(query, case_rows)
    wanted = Judge(CATALOGUE.baselines).findings(rule, case_rows)
    assert keys(query, results) == {finding.keys for finding in wanted}
