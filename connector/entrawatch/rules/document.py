"""A rule file's text to a checked document: YAML, then the published JSON Schema; every fault with its key."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Callable, Optional

import yaml
from jsonschema import Draft202012Validator, validators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

    from entrawatch.rules.faults import Faults

#: values in a document with every alias written out
_MOST = 200_000
#: the schemas by the kind of document they are for
_SCHEMAS = {"rule": "catalogue.schema.json", "baseline": "baseline.schema.json"}


class Document(dict[str, Any]):
    """A mapping of a YAML text.

    :ivar places: the line of each of its dotted keys, from 1.
    """

    places: dict[str, int]


class _Loader(yaml.SafeLoader):
    """YAML whose dates stay text (Sigma's are) and whose keys stand once."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        """
        :raises yaml.YAMLError: the node is not what its tag says; PyYAML lets other errors through.
        """
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, TypeError, AttributeError):
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"this can be read as no {kind}", node.start_mark
            ) from None


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[object, object]:
    keys: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key is no list and no mapping", key.start_mark)
        if key.value in keys:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} stands twice", key.start_mark)
        keys.add(key.value)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_documents(text: str, faults: Faults) -> list[Document]:
    """The mappings of a YAML text; what is none is a fault."""
    try:
        documents = list(_documents(text))
    except RecursionError:
        faults.add("", "it is nested too deeply for a rule")
        return []
    except yaml.YAMLError as error:
        faults.add("", _yaml_fault(error))
        return []
    if not documents or None in documents:
        faults.add("", "a rule is a YAML mapping of keys to values")
        return []
    return [document for document in documents if document is not None]


def _documents(text: str) -> Iterator[Optional[Document]]:
    """None for each document that is no mapping.

    :raises yaml.YAMLError: it is none, or its anchors stand for more than any rule holds.
    """
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                return
            if _size(node, {}) > _MOST:
                raise yaml.constructor.ConstructorError(
                    None, None, "its anchors unfold to more than a rule can hold", node.start_mark
                )
            held = loader.construct_document(node)
            if held is None:
                continue  # what stands behind a last "---"
            document = Document(held) if isinstance(held, dict) else None
            if document is not None:
                document.places = dict(_places(node, ""))
            yield document
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes it has when every alias is written out."""
    if id(node) not in known:
        known[id(node)] = 0  # where it holds itself; the constructor refuses that
        inner = node.value if isinstance(node, yaml.SequenceNode) else []
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        held = [*inner, *(value for _, value in pairs)]
        known[id(node)] = 1 + sum(_size(one, known) for one in held)
    return known[id(node)]


def _places(node: yaml.Node, above: str) -> Iterator[tuple[str, int]]:
    """The dotted keys below a node, with the line that each stands on."""
    if isinstance(node, yaml.MappingNode):
        inner = [(str(key.value), key, value) for key, value in node.value]
    else:
        inner = [(str(place), item, item) for place, item in enumerate(node.value)]
    for name, at, value in inner:
        yield above + name, at.start_mark.line + 1
        if not isinstance(value, yaml.ScalarNode):
            yield from _places(value, f"{above}{name}.")


def _yaml_fault(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or error
    return f"{where}no YAML: {' '.join(str(reason).split())}"


def check(document: Document, kind: str, faults: Faults) -> bool:
    """Whether the document is as its schema says; each difference is a fault."""
    faults.places = document.places
    odd = odd_keys(document)
    for key in odd:
        faults.add(key, f"{key.rpartition('.')[2]} is a key that is no text; put it between quotes")
    errors = errors_of(document, kind)
    for error in errors:
        faults.add(".".join(map(str, error.path)), _expectation(error))
    return not odd and not errors


def odd_keys(node: object, above: str = "") -> list[str]:
    """The dotted keys of a document whose last part is no text: YAML has numbers and null for keys, JSON has not."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = []
    for key, value in inner:
        found += [f"{above}{key}"] if isinstance(node, dict) and not isinstance(key, str) else []
        found += odd_keys(value, f"{above}{key}.")
    return found


def errors_of(document: Document, kind: str) -> list[ValidationError]:
    """Each difference from the schema of its kind, by where it is."""
    return sorted(_validator(kind).iter_errors(document), key=lambda error: [str(part) for part in error.path])


def schema(kind: str) -> dict[str, Any]:
    """The published JSON Schema for a kind of document (rule, baseline)."""
    text = resources.files("entrawatch.rules").joinpath(_SCHEMAS[kind]).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


#: JSON Schema whose whole numbers are none with a fraction, be it 0
_Validator: Callable[[dict[str, Any]], Validator] = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)


@cache
def _validator(kind: str) -> Validator:
    return _Validator(schema(kind))


def _expectation(error: ValidationError) -> str:
    """Plainer words than the validator's for the faults people make."""
    teller = _TELLERS.get(str(error.validator))
    return teller(error) if teller else error.message


def _unknown_key(error: ValidationError) -> str:
    known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    unknown = set(error.instance) - set(known) if isinstance(error.instance, dict) else set()
    return f"unknown key {', '.join(sorted(map(str, unknown)))}; it takes {', '.join(sorted(known))}"


def _too_short(error: ValidationError) -> str:
    return f"it is too short: at least {error.validator_value} {_COUNTED[str(error.validator)]}"


_COUNTED = {"minLength": "characters", "minItems": "entries", "minProperties": "entries"}
_TELLERS: dict[str, Callable[[ValidationError], str]] = {
    "additionalProperties": _unknown_key,
    "enum": lambda error: f"{error.instance!r} is none of {_listed(error.validator_value)}",
    "pattern": lambda error: f"{error.instance!r} is not of the form {error.validator_value}",
    "oneOf": lambda error: f"{error.instance!r} is no whole number from 1, and no parameter as %name%",
    "not": lambda _: "a rule has a correlation or a join, not both",
    **dict.fromkeys(_COUNTED, _too_short),
}


def _listed(values: Any) -> str:
    return ", ".join(map(str, values))
