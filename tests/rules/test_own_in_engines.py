"""Sigma rules of one's own in every engine: what one finds in a company's logs they all find, and the judge finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.rules.asked import asked
from entrawatch.rules.catalogue import Catalogue

from . import test_agreement as agreement

if TYPE_CHECKING:
    from pathlib import Path

SIGNINS = "logsource: {product: azure, service: signinlogs}"
AUDITS = "logsource: {product: azure, service: auditlogs}"
#: after the style of the community's rules
RULES = f"""\
title: Refused with a code of a list
name: base
{SIGNINS}
detection: {{selection: {{ResultType: [50126, 50053, 50057]}}, condition: selection}}
---
title: Legacy client without a device, or a second factor refused
{SIGNINS}
detection:
  selection_agent:
    userAgent|contains: [BAV2ROPC, python, Sync_]
  selection_code:
    properties.status.errorCode|gte: 500000
    properties.status.errorCode|lt: 600000
  filter_device:
    DeviceDetail.trusttype|exists: true
  condition: 1 of selection_* and not filter_device
---
title: No country, or an odd one
{SIGNINS}
detection:
  selection: {{Location.countryOrRegion: [null, TR, BR], ResultType|gt: 0}}
  condition: selection
---
title: Role or consent
{AUDITS}
detection:
  selection:
    - properties.message|contains|all: [add, role]
    - properties.message|startswith: Consent to
      Category: ApplicationManagement
  condition: selection
---
title: By people of the company, Straße
{AUDITS}
detection:
  by: {{initiatedBy.user.userPrincipalName|re: '^[a-z.]+[0-9]*@'}}
  reset: {{OperationName|endswith: password}}
  condition: by and not reset
---
title: Many refused
correlation: {{type: event_count, rules: base, group-by: [IPAddress], timespan: 2h, condition: {{gt: 3}}}}
---
title: Refused people
correlation:
  type: value_count
  rules: [base]
  group-by: [IPAddress, AppDisplayName]
  timespan: 1d
  condition: {{gte: 3, field: UserPrincipalName}}
"""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The logs of a small company, with rules of one's own in the catalogue's place."""
    path: Path = tmp_path_factory.mktemp("own") / "mine.yml"
    path.write_text(RULES, encoding="utf-8")
    rules = asked([str(path)]).catalogue.rules
    records = agreement.small(31).records
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "CATALOGUE", Catalogue(rules, {}))
        yield agreement.Company(records)


@pytest.mark.xdist_group("own")
@pytest.mark.parametrize("engine", agreement.ENGINES)
def test_an_engine_finds_what_the_judge_finds(company: Any, engine: Any) -> None:
    agreement.agree(engine, company)
