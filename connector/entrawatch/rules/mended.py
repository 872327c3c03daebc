"""A document of the catalogue with faults of form, so that what it means can be read and told in the same run.

A part that cannot be read makes room for one that surely can; what is too short or too few is read as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from entrawatch.rules.document import errors_of, odd_keys

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

    from entrawatch.rules.document import Document

_CASE = {"name": "x", "records": []}
#: what stands for a part that cannot be read, or is missing
_RIGHT: dict[str, Any] = {
    "title": "x", "id": "x", "status": "test", "description": "x", "references": [], "author": "x", "date": "x",
    "tags": [], "detection": {"x": {"id": "x"}, "condition": "x"}, "falsepositives": [], "level": "medium",
    "triage": [], "entities": [{"kind": "account", "identifier": "upn", "field": "id"}],
    "tests": {"base": {}, "cases": [{**_CASE, "match": []}, _CASE, _CASE]},
}  # fmt: skip
#: faults of form with which a part is read all the same
_READABLE = {"additionalProperties", "minLength", "maxLength", "minItems", "uniqueItems"}


def mended(document: Document) -> Optional[dict[str, Any]]:
    """The document with every part in a form that can be read; None where a key is no text or its source not known."""
    if odd_keys(document):
        return None
    wrong = {str(error.path[0]) for error in errors_of(document, "rule") if error.path and not _readable(error)}
    if "logsource" in wrong or "logsource" not in document:
        return None
    if "parameters" in wrong:  # what names one cannot be read without
        wrong |= {key for key, part in document.items() if "%" in str(part)}
    if wrong & {"correlation", "keys"} or ("correlation" in document and "join" in document):
        wrong.add("tests")  # whose keys are the group's
    return {**_RIGHT, **{key: part for key, part in document.items() if key not in wrong}}


def _readable(error: ValidationError) -> bool:
    """Whether the part is read in spite of it: of a detection without a condition its tests are."""
    if error.path[-1] == "detection" and error.validator in {"required", "minProperties"}:
        return True
    return error.validator in _READABLE and error.path[0] != "correlation"
