"""Sigma detections, as pySigma parses them, to typed predicates.

What Sigma says loosely is made exact here: a number asked of a text field becomes text, a list over one field becomes
OneOf, `null` and `''` both mean absent. What has no meaning on Entra logs is refused with the reason.
"""

from __future__ import annotations

import ipaddress
import re
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Callable, TypeVar, Union

from sigma import conditions as sc
from sigma import types as st
from sigma.exceptions import SigmaError
from sigma.rule import SigmaDetections

from entrawatch.rules import ir
from entrawatch.rules.faults import Refused
from entrawatch.rules.modifiers import check_modifiers

if TYPE_CHECKING:
    from collections.abc import Mapping

#: how a name in a rule becomes a field; raises Refused for one that does not exist
Resolve = Callable[[str], ir.FieldRef]

T = TypeVar("T")

#: IPv4 addresses as IPv6 has them
_MAPPED = ipaddress.ip_network("::ffff:0:0/96")
#: I with a dot is one letter or two in lower case, a sigma another one where it ends a word
_ODD_LETTERS = "\u0130\u03a3\u03c2"
#: what every language's parser bears
_DEEPEST = 40
_OPERATORS = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}


class Detection:
    """Reads one `detection` mapping.

    :param resolve: names to fields.
    :param parameters: the rule's parameters by name.
    """

    def __init__(self, resolve: Resolve, parameters: Mapping[str, ir.Parameter]) -> None:
        self.resolve = resolve
        self._parameters = parameters

    def predicate(self, detection: dict[str, object]) -> ir.Predicate:
        """The predicate of the detection's condition.

        :raises Refused: something in it cannot be said exactly.
        """
        check_modifiers(detection)

        def parsed() -> list[object]:
            found = SigmaDetections.from_dict(dict(detection)).parsed_condition
            return [condition.parsed for condition in found]

        conditions = by_pysigma(parsed)
        if any(_depth(condition) > _DEEPEST for condition in conditions):
            raise Refused(f"it is nested too deeply: at most {_DEEPEST} levels of and, or and not")
        return self._node(conditions[0]) if len(conditions) == 1 else ir.Or(tuple(map(self._node, conditions)))

    def _node(self, node: object) -> ir.Predicate:
        if isinstance(node, sc.ConditionNOT):
            return ir.Not(self._node(node.args[0]))
        if isinstance(node, sc.ConditionAND):
            return ir.And(_flat(ir.And, [self._node(part) for part in node.args]))
        if isinstance(node, sc.ConditionOR):
            return _one_of(_flat(ir.Or, [self._node(part) for part in node.args]))
        if isinstance(node, sc.ConditionFieldEqualsValueExpression):
            return self._test(node.value, self.resolve(node.field))
        raise Refused("a keyword without a field means nothing on structured records; write field|contains: keyword")

    @singledispatchmethod
    def _test(self, value: object, field: ir.FieldRef) -> ir.Predicate:
        raise Refused(f"{field.name}: {type(value).__name__} has no exact form in every language")

    # --- one method a kind of value ---

    @_test.register
    def _expansion(self, value: st.SigmaExpansion, field: ir.FieldRef) -> ir.Predicate:
        """What a modifier (windash) makes several values of: one of them."""
        return _one_of(_flat(ir.Or, [self._test(one, field) for one in value.values]))

    @_test.register
    def _cased(self, _: st.SigmaCasedString, field: ir.FieldRef) -> ir.Predicate:
        raise Refused(f"{field.name}|cased: text compares without case in every language here; drop |cased")

    @_test.register
    def _string(self, value: st.SigmaString, field: ir.FieldRef) -> ir.Predicate:
        parts = tuple(value.s)
        if not parts or parts == ("",):
            return ir.Not(ir.Present(field))
        if any(isinstance(part, st.Placeholder) for part in parts):
            return self._parameter(field, parts)
        if len(parts) == 1 and isinstance(parts[0], str):
            return ir.Equals(field, coerced(field, parts[0]))
        if parts == (st.SpecialChars.WILDCARD_MULTI,):
            return ir.Present(field)
        return ir.Like(_text(field, "a wildcard"), tuple(_piece(field, part) for part in parts))

    def _parameter(self, field: ir.FieldRef, parts: tuple[object, ...]) -> ir.Predicate:
        inner = [part for part in parts if part is not st.SpecialChars.WILDCARD_MULTI]
        name = getattr(inner[0], "name", "")
        if len(inner) != 1 or name not in self._parameters:
            known = ", ".join(sorted(self._parameters)) or "none; write the values themselves"
            raise Refused(f"{field.name}: %{name}% stands alone and names a parameter of the rule (there are: {known})")
        parameter = self._parameters[name]
        if len(parts) == 3 and parameter.kind == "list":
            return ir.ContainsAny(_text(field, "|contains"), parameter)
        if len(parts) != 1:
            raise Refused(f"{field.name}: a parameter goes with |contains (a list) or with plain equality")
        return ir.OneOf(field, parameter) if parameter.kind == "list" else ir.Equals(field, parameter)

    @_test.register
    def _number(self, value: st.SigmaNumber, field: ir.FieldRef) -> ir.Predicate:
        return ir.Equals(field, coerced(field, value.number))

    @_test.register
    def _boolean(self, value: st.SigmaBool, field: ir.FieldRef) -> ir.Predicate:
        return ir.Equals(field, coerced(field, value.boolean))

    @_test.register
    def _null(self, _: st.SigmaNull, field: ir.FieldRef) -> ir.Predicate:
        return ir.Not(ir.Present(field))

    @_test.register
    def _exists(self, value: st.SigmaExists, field: ir.FieldRef) -> ir.Predicate:
        return ir.Present(field) if value.exists else ir.Not(ir.Present(field))

    @_test.register
    def _compare(self, value: st.SigmaCompareExpression, field: ir.FieldRef) -> ir.Predicate:
        number = getattr(value.number, "number", None)
        if field.kind != "number" or number is None or value.op.name not in _OPERATORS:
            raise Refused(f"{field.name}: only a number field compares with lt, lte, gt and gte")
        return ir.Compares(field, _OPERATORS[value.op.name], _number_of(field, number))

    @_test.register
    def _network(self, value: st.SigmaCIDRExpression, field: ir.FieldRef) -> ir.Predicate:
        if field.kind != "address":
            raise Refused(f"{field.name}|cidr: it holds no address")
        network = ipaddress.ip_network(value.cidr)
        if "%" in value.cidr:
            raise Refused(
                f"{field.name}|cidr: {value.cidr!r} has a scope, which is a name of one machine's; leave it out"
            )
        if network.overlaps(_MAPPED):
            raise Refused(f"{field.name}|cidr: {network} holds IPv4 addresses as IPv6 has them; write an IPv4 network")
        return ir.InNetwork(field, (str(network),))

    @_test.register
    def _regex(self, value: st.SigmaRegularExpression, field: ir.FieldRef) -> ir.Predicate:
        pattern = str(value.regexp.to_plain() if hasattr(value.regexp, "to_plain") else value.regexp)
        return ir.Matches(_text(field, "|re"), _same_everywhere(field, pattern))

    @_test.register
    def _reference(self, value: st.SigmaFieldReference, field: ir.FieldRef) -> ir.Predicate:
        if getattr(value, "starts_with", False) or getattr(value, "ends_with", False):
            raise Refused(f"{field.name}|fieldref: only whole fields compare")
        other = self.resolve(value.field)
        return ir.SameAs(_text(field, "|fieldref"), _text(other, "|fieldref"))


def by_pysigma(read: Callable[[], T]) -> T:
    """What pySigma makes of a document.

    :raises Refused: it does not read it, or it breaks on it: it takes for granted that keys are text, lists are none
        of null, and a condition is not hundreds of levels deep.
    """
    try:
        return read()
    except SigmaError as error:
        raise Refused(f"pySigma does not read it: {' '.join(str(error).split())}") from error
    except (TypeError, AttributeError, ValueError, LookupError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else f"a value of another type? {error}"
        raise Refused(f"pySigma does not read it: {' '.join(reason.split())}") from error


def _depth(node: object) -> int:
    """How many levels of and, or and not."""
    levels, here = 0, [node]
    while here:
        here = [inner for one in here for inner in getattr(one, "args", ())]
        levels += 1
    return levels


def coerced(field: ir.FieldRef, value: ir.Scalar) -> ir.Scalar:
    """The value as the field holds it.

    :raises Refused: the field can never hold it.
    """
    if field.kind == "number":
        return _number_of(field, value)
    if field.kind == "boolean":
        return _boolean_of(field, value)
    if field.kind == "time":
        raise Refused(f"{field.name}: a rule does not test absolute times")
    return str(value).lower() if isinstance(value, bool) else _same_everywhere(field, str(value))


def _same_everywhere(field: ir.FieldRef, text: str) -> str:
    """
    :raises Refused: a letter whose lower case is another one in another language.
    """
    if odd := next((letter for letter in text if letter in _ODD_LETTERS), ""):
        raise Refused(f"{field.name}: {odd} in lower case is not the same in every language; write ? in its place")
    return text


def _number_of(field: ir.FieldRef, value: ir.Scalar) -> Union[int, float]:
    text = str(value).strip()
    if re.fullmatch(r"-?[0-9]{1,15}", text):  # all of them are themselves as floats, which Splunk makes of them
        return int(text)
    if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text):
        return float(text)
    raise Refused(f"{field.name}: it holds a number of at most 15 digits, which {value!r} is not")


def _boolean_of(field: ir.FieldRef, value: ir.Scalar) -> bool:
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise Refused(f"{field.name}: it is true or false, not {value!r}")


def _text(field: ir.FieldRef, what: str) -> ir.FieldRef:
    if field.kind in {"number", "boolean", "time"}:
        raise Refused(f"{field.name}: {what} goes with text, and the field holds a {field.kind}")
    return field


def _piece(field: ir.FieldRef, part: object) -> Union[str, ir.Wildcard]:
    if part is st.SpecialChars.WILDCARD_MULTI:
        return ir.Wildcard.ANY
    return ir.Wildcard.ONE if part is st.SpecialChars.WILDCARD_SINGLE else _same_everywhere(field, str(part))


def _flat(kind: type[Union[ir.And, ir.Or]], parts: list[ir.Predicate]) -> tuple[ir.Predicate, ...]:
    """The parts with those of nested nodes of the same kind beside them."""
    flat: list[ir.Predicate] = []
    for part in parts:
        flat.extend(part.of if isinstance(part, (ir.And, ir.Or)) and type(part) is kind else [part])
    return tuple(flat)


def _one_of(parts: tuple[ir.Predicate, ...]) -> ir.Predicate:
    """Tests over one field as one: equalities as OneOf, of substrings as ContainsAny, networks; anything else as Or."""
    values = [(part.field, part.value) for part in parts if isinstance(part, ir.Equals) and _is_scalar(part.value)]
    if len(values) == len(parts) and len({field for field, _ in values}) == 1:
        return ir.OneOf(values[0][0], tuple(value for _, value in values if not isinstance(value, ir.Parameter)))
    pieces = [piece for part in parts for piece in _contained(part)]
    if len(pieces) == len(parts) and len({field for field, _ in pieces}) == 1:
        return ir.ContainsAny(pieces[0][0], tuple(piece for _, piece in pieces))
    within = [part for part in parts if isinstance(part, ir.InNetwork)]
    if len(within) == len(parts) and len({part.field for part in within}) == 1:
        return ir.InNetwork(within[0].field, tuple(one for part in within for one in part.networks))
    return ir.Or(parts)


def _is_scalar(value: ir.Value) -> bool:
    return not isinstance(value, ir.Parameter)


def _contained(part: ir.Predicate) -> list[tuple[ir.FieldRef, str]]:
    """The field and the piece of a plain substring test, nothing for any other."""
    if not isinstance(part, ir.Like) or len(part.parts) != 3:
        return []
    first, middle, last = part.parts
    whole = first is ir.Wildcard.ANY and last is ir.Wildcard.ANY
    return [(part.field, middle)] if whole and isinstance(middle, str) else []
