"""The rules a person asks for: names, files, folders; what they are called, and every wrong word in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from entrawatch.dialects import coverage
from entrawatch.errors import ConfigError
from entrawatch.rules.asked import Asked, asked

from .test_catalogue import CATALOGUE, ROOT
from .test_community import MANY, PLAIN, correlated, without

if TYPE_CHECKING:
    from pathlib import Path

OTHER = without(PLAIN, title="Zurückgewiesen: zu oft!", id=..., name=...)
CYRILLIC = without(PLAIN, title="Блокировка", name=...)
BROKEN = without(PLAIN, detection={"a": {"nosuch": 1}, "condition": "a"})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder: Path, **files: list[dict[str, Any]]) -> None:
    for name, documents in files.items():
        path = folder / f"{name.replace('__', '/')}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump_all(documents, allow_unicode=True), encoding="utf-8")


def names(found: Asked) -> list[str]:
    return list(found.catalogue.rules)


def test_nothing_asked_is_the_catalogue_and_names_are_of_it() -> None:
    assert names(asked([])) == list(CATALOGUE.rules)
    assert names(asked(["guest-invited", "brute-force"])) == ["guest-invited", "brute-force"]


@pytest.mark.parametrize(
    ("files", "words", "called"),
    [
        ({"My_Rule": [PLAIN]}, ["My_Rule.yml"], ["my-rule"]),
        ({"x": [PLAIN, OTHER]}, ["x.yml"], ["lockout", "zuruckgewiesen-zu-oft"]),
        ({"x": [PLAIN, MANY]}, ["x.yml"], ["x"]),
        ({"x": [PLAIN], "many": [MANY]}, ["many.yml", "x.yml"], ["many"]),
        ({"x": [PLAIN, {**MANY, "correlation": {**MANY["correlation"], "generate": True}}]}, ["x.yml"],
         ["lockout", "many-lockouts"]),
        ({"f__a": [PLAIN], "f__g__b": [OTHER], "f__.git__c": [OTHER], "f__baselines__d": [OTHER]}, ["f"], ["a", "b"]),
        ({"x": [OTHER]}, ["brute-force", "x.yml", "./x.yml", "."], ["brute-force", "x"]),
        ({"brute-force": [PLAIN]}, ["brute-force.yml"], ["brute-force"]),
        ({"brute-force": [PLAIN]}, ["brute-force"], ["brute-force"]),
        ({"f__a": [OTHER], "f__b": [BROKEN]}, ["f"], ["a"]),
        ({"f__a": [OTHER], "f__b": [PLAIN, correlated(type="temporal")]}, ["f"], ["a"]),
        ({"f__a": [PLAIN], "f__b": [PLAIN]}, ["f"], ["a"]),
        ({"日本": [PLAIN]}, ["日本.yml"], [PLAIN["id"]]),
        ({"日本": [without(PLAIN, id=...)]}, ["日本.yml"], ["rule"]),
        ({"x": [CYRILLIC, without(CYRILLIC, id=...)]}, ["x.yml"], [PLAIN["id"], "x"]),
        ({"Große Straße": [PLAIN]}, ["Große Straße.yml"], ["grosse-strasse"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_rule_is_called_as_its_file_or_as_it_says(
    folder: Path, files: dict[str, Any], words: list[str], called: list[str]
) -> None:
    put(folder, **files)
    assert names(asked(words)) == called


def test_the_catalogues_own_file_is_the_same_rule() -> None:
    found = asked([str(ROOT / "signin" / "brute-force.yml")])
    assert found.catalogue.rules == {"brute-force": CATALOGUE.rules["brute-force"]}
    assert found.files == {"brute-force": ROOT / "signin" / "brute-force.yml"}


def test_what_a_folder_holds_and_is_not_understood_is_left_out_and_told(folder: Path) -> None:
    put(folder, f__a=[OTHER], f__b=[BROKEN])
    (line,) = asked(["f"]).left_out
    assert line.startswith("f/b.yml: line 4: detection.a.nosuch: the signin source has no field")


@pytest.mark.parametrize(
    ("files", "words", "kept", "told"),
    [
        ({"a__x": [PLAIN], "b__x": [OTHER]}, ["a", "b"], {"x": "a/x.yml"}, "b/x.yml: x is a rule's name in a/x.yml"),
        ({"a__x": [PLAIN], "b__x": [OTHER]}, ["a", "b/x.yml"], {"x": "b/x.yml"}, "a/x.yml: x is a rule's name in b"),
        ({"a__x": [OTHER, OTHER]}, ["a"], {"zuruckgewiesen-zu-oft": "a/x.yml"}, "a/x.yml: zuruckgewiesen-zu-oft is a "),
        ({"a__x": [OTHER], "a__brute-force": [PLAIN]}, ["a", "brute-force"], {"x": "a/x.yml"},
         "a/brute-force.yml: brute-force is a rule's name in the catalogue, too"),
    ],
    ids=str,
)  # fmt: skip
def test_a_rule_of_a_folder_that_is_called_as_another_is_left_out_and_told(
    folder: Path, files: dict[str, Any], words: list[str], kept: dict[str, str], told: str
) -> None:
    put(folder, **files)
    found = asked(words)
    assert {slug: str(path) for slug, path in found.files.items()} == kept
    (line,) = found.left_out
    assert line.startswith(told)


@pytest.mark.parametrize("words", [["f", "HERE/f/b.yml"], ["HERE/f/b.yml", "f"]])
def test_a_file_that_is_named_beside_its_folder_is_named(folder: Path, words: list[str]) -> None:
    put(folder, f__a=[OTHER], f__b=[BROKEN])
    with pytest.raises(ConfigError, match=r"f/b.yml: line 4: .*nosuch"):
        asked([word.replace("HERE", str(folder)) for word in words])
    put(folder, f__b=[PLAIN])
    assert sorted(names(asked([word.replace("HERE", str(folder)) for word in words]))) == ["a", "b"]


@pytest.mark.parametrize(
    ("files", "words", "told"),
    [
        ({"x": [BROKEN]}, ["x.yml", "guest-invited"], ["x.yml: line 4: detection.a.nosuch: "]),
        ({"f__x": [BROKEN]}, ["f"], ["f/x.yml: line 4: detection.a.nosuch: "]),
        ({"f__x": [BROKEN], "y": [OTHER]}, ["f/x.yml", "y.yml"], ["f/x.yml: line 4: "]),
        ({"brute-force": [OTHER]}, ["brute-force.yml", "brute-force"],
         ["brute-force.yml: brute-force is a rule's name in the catalogue, too; rename it"]),
        ({"a__x": [PLAIN], "b__x": [OTHER]}, ["a/x.yml", "b/x.yml"], ["b/x.yml: x is a rule's name in a/x.yml, too"]),
        ({"a__x": [OTHER, OTHER]}, ["a/x.yml"], ["a/x.yml: zuruckgewiesen-zu-oft is a rule's name in a/x.yml, too"]),
        ({"x": [OTHER, OTHER]}, ["x.yml"], ["x.yml: zuruckgewiesen-zu-oft is a rule's name in x.yml, too"]),
        ({"x": [PLAIN, PLAIN]}, ["x.yml"], [
            "x.yml: line 23: id: 2b7d6fc0-71ac-4cf7-8ed1-b5788ee5257a is the id of another rule, too (x.yml)",
            "x.yml: line 28: name: lockout is the name of another rule, too (x.yml)",
        ]),
        ({"x": [MANY]}, ["x.yml"], ["x.yml: line 7: correlation.rules: lockout is the name or id of no rule"]),
        ({"x": [PLAIN, correlated(type="temporal")]}, ["x.yml"], ["x.yml: line 27: correlation.type: temporal has no"]),
        ({}, ["x.yml"], ["x.yml: there is no such file or folder"]),
        ({}, ["./brute-force"], ["brute-force: there is no such file or folder"]),
        ({}, ["."], [".: no .yml file in it"]),
        ({}, ["brut-force"], ["--rules: there is no rule 'brut-force'; did you mean brute-force?"]),
        ({}, ["/dev/null"], ["/dev/null: it is no file; name a .yml file"]),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_done_is_told_all_at_once(
    folder: Path, files: dict[str, Any], words: list[str], told: list[str]
) -> None:
    put(folder, **files)
    with pytest.raises(ConfigError) as error:
        asked(words)
    assert len(error.value.faults) == len(told), error.value.faults
    for line, start in zip(error.value.faults, told):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("service", "detection", "about", "first"),
    [
        ("signinlogs", {"ResultType": 1}, ["userPrincipalName", "ipAddress", "appDisplayName"], "status.errorCode"),
        ("signinlogs", {"userAgent": "x"}, ["userPrincipalName", "ipAddress", "appDisplayName"], "userAgent"),
        ("auditlogs", {"Category": "x"}, ["initiatedBy.user.userPrincipalName", "initiatedBy.app.displayName",
         "entra.target.user.name", "entra.target.app.name"], "category"),
    ],
)  # fmt: skip
def test_what_plain_sigma_lacks_is_filled_in(
    folder: Path, service: str, detection: dict[str, Any], about: list[str], first: str
) -> None:
    said = {"logsource": {"product": "azure", "service": service}, "detection": {"a": detection, "condition": "a"}}
    tags = ["attack.Credential_Access", "attack.T1110.003"]
    put(folder, x=[without(OTHER, **said, level="High", tags=tags, date="2022/08/05", description=...)])
    (rule,) = asked(["x.yml"]).catalogue.rules.values()
    assert [entity.field.name for entity in rule.entities] == about
    assert (rule.shown[0].name, len(rule.triage)) == (first, 3)
    assert (rule.level, rule.techniques, rule.tactics, rule.date) == ("high", ("T1110.003",), ("TA0006",), "2022-08-05")
    assert not any(hasattr(answer, "why") for answer in coverage([rule], {})["x"].values())


def test_a_correlation_says_for_itself_and_takes_the_rest_from_its_rule(folder: Path) -> None:
    plain = without(PLAIN, level="high", falsepositives=["never"], description="The part.")
    put(folder, x=[plain, without(MANY, level=..., description="The whole.")])
    (rule,) = asked(["x.yml"]).catalogue.rules.values()
    assert (rule.title, rule.description, rule.level) == ("Many lockouts", "The whole.", "high")
    assert (rule.techniques, rule.false_positives) == (("T1110",), ("never",))
    assert next(entity.field.name for entity in rule.entities) == "ipAddress", "what it is grouped by comes first"
