"""The classical mistakes in SQL, to be planted in the dialect one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlglot import exp

from entrawatch.dialects import sql, sql_baseline, sql_parts, sql_predicates, sql_time
from entrawatch.dialects.sql import TIME, Sql
from entrawatch.dialects.sql_predicates import SqlPredicates, column
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from entrawatch.dialects.sql_predicates import Expr
    from entrawatch.rules.rule import Rule

    Plant = Callable[[pytest.MonkeyPatch], None]


# --- in predicates ----------------------------------------------------------------------------------------------------


def coalesce_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SqlPredicates, "negation", lambda self, node: exp.not_(self.write(node.of)))


def negation_wants_a_value(patch: pytest.MonkeyPatch) -> None:
    right = SqlPredicates.negation

    def wrong(self: SqlPredicates, node: ir.Not) -> Expr:
        field = getattr(node.of, "field", None)
        return right(self, node) if field is None else exp.and_(self.write(ir.Present(field)), right(self, node))

    patch.setattr(SqlPredicates, "negation", wrong)


def not_in_with_null(patch: pytest.MonkeyPatch) -> None:
    """`NOT IN` over a list that NULL has got into: never true."""
    right = SqlPredicates.negation

    def wrong(self: SqlPredicates, node: ir.Not) -> Expr:
        inner = node.of
        if not isinstance(inner, ir.OneOf) or inner.field.many:
            return right(self, node)
        values = [*(self.literal(value) for value in inner.values), exp.null()]
        return exp.not_(exp.In(this=sql_predicates.folded(self.field(inner.field)), expressions=values))

    patch.setattr(SqlPredicates, "negation", wrong)


def one_other_value_is_enough(patch: pytest.MonkeyPatch) -> None:
    """A list without the value for a list with another value."""
    right = SqlPredicates.negation

    def wrong(self: SqlPredicates, node: ir.Not) -> Expr:
        inner = node.of
        if not isinstance(inner, ir.Equals) or not inner.field.many:
            return right(self, node)
        return self._each(inner.field, lambda item: exp.NEQ(this=item, expression=self.value(inner.value)))

    patch.setattr(SqlPredicates, "negation", wrong)


def compared_with_case(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql_predicates, "comparable", lambda ref, item: item)


def searched_with_case(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        sql_predicates,
        "_contains",
        lambda item, piece: exp.GT(this=exp.StrPosition(this=item, substr=piece), expression=sql_time.number(0)),
    )


def matched_with_case(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql_predicates.exp, "RegexpILike", exp.RegexpLike)


def underscore_is_any_character(patch: pytest.MonkeyPatch) -> None:
    right = sql_predicates._like_piece
    patch.setattr(sql_predicates, "_like_piece", lambda part: right(part).replace("!_", "_"))


def percent_is_any_text(patch: pytest.MonkeyPatch) -> None:
    right = sql_predicates._like_piece
    patch.setattr(sql_predicates, "_like_piece", lambda part: right(part).replace("!%", "%"))


def escape_is_not_escaped(patch: pytest.MonkeyPatch) -> None:
    right = sql_predicates._like_piece
    patch.setattr(sql_predicates, "_like_piece", lambda part: right(part).replace("!!", "!"))


def prefix_by_like(patch: pytest.MonkeyPatch) -> None:
    """A prefix written as a LIKE pattern without a thought of its underscore."""
    right = sql_predicates._like

    def wrong(item: Expr, parts: tuple[Any, ...]) -> Expr:
        if len(parts) == 2 and isinstance(parts[0], str):
            return exp.Like(this=sql_predicates.folded(item), expression=sql_predicates.text(parts[0] + "%"))
        return right(item, parts)

    patch.setattr(sql_predicates, "_like", wrong)


def prefix_anywhere(patch: pytest.MonkeyPatch) -> None:
    right = sql_predicates._like
    patch.setattr(
        sql_predicates,
        "_like",
        lambda item, parts: right(item, (ir.Wildcard.ANY, *parts) if isinstance(parts[0], str) else parts),
    )


def quotes_lost(patch: pytest.MonkeyPatch) -> None:
    right = sql_predicates.text
    patch.setattr(sql_predicates, "text", lambda value: right(value.replace("'", "")))


def quotes_doubled_twice(patch: pytest.MonkeyPatch) -> None:
    right = sql_predicates.text
    patch.setattr(sql_predicates, "text", lambda value: right(value.replace("'", "''")))


def brackets_dropped(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: SqlPredicates, node: ir.Or) -> Expr:
        return exp.or_(*[self.write(part) for part in node.of], wrap=False) if node.of else exp.false()

    patch.setattr(SqlPredicates, "disjunction", wrong)
    patch.setattr(
        SqlPredicates,
        "conjunction",
        lambda self, node: exp.and_(*map(self.write, node.of), wrap=False) if node.of else exp.true(),
    )


def of_none_is_true(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        SqlPredicates,
        "disjunction",
        lambda self, node: exp.true() if not node.of else exp.or_(*map(self.write, node.of)),
    )


def bound_moved(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sql_predicates._COMPARISONS, ">=", exp.GT)


def nothing_is_the_same_as_nothing(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: SqlPredicates, node: ir.SameAs) -> Expr:
        return exp.EQ(
            this=sql_predicates.folded(self.field(node.field)), expression=sql_predicates.folded(self.field(node.other))
        )

    patch.setattr(SqlPredicates, "same_as", wrong)


def empty_is_a_value(patch: pytest.MonkeyPatch) -> None:
    """IS NOT NULL, where '' is absent too."""
    for module in (sql_predicates, sql, sql_baseline):
        patch.setattr(module, "given", lambda value: exp.Not(this=exp.Is(this=value, expression=exp.null())))


IN_PREDICATES = [
    coalesce_lost, negation_wants_a_value, not_in_with_null, one_other_value_is_enough, compared_with_case,
    searched_with_case, matched_with_case, underscore_is_any_character, percent_is_any_text, escape_is_not_escaped,
    prefix_by_like, prefix_anywhere, quotes_lost, quotes_doubled_twice, brackets_dropped, of_none_is_true, bound_moved,
    empty_is_a_value, nothing_is_the_same_as_nothing,
]  # fmt: skip


# --- in queries -------------------------------------------------------------------------------------------------------


def group_without(name: str) -> Plant:
    """A group that does not ask one of its fields."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        right = sql.group_key
        for module in (sql, sql_parts):
            patch.setattr(module, "group_key", lambda ref: exp.Literal.string("") if ref.name == name else right(ref))

    plant.__name__ = f"group_without_{name}"
    return plant


def fixed_hours(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Sql, rule: Rule, query: ir.WindowQuery) -> exp.Select:
        end = sql_time.at(sql_time.slot(column(TIME), query.length, 1), query.length, self.profile)
        present = [self.predicates.write(ir.Present(field)) for field in query.by]
        return (
            exp.select(f"{rule.source}.*", exp.alias_(end, "window_end"))
            .from_(exp.to_table(rule.source))
            .where(self.predicates.write(query.where), *present)
        )

    patch.setattr(Sql, "_windowed", wrong)


def window_holds_its_end(patch: pytest.MonkeyPatch) -> None:
    """(kH - W, kH] and [kH - W, kH]: `<=` at the window's end."""
    right = sql.numbers
    patch.setattr(sql, "numbers", lambda count, engine: right(count + 1, engine))
    patch.setattr(
        sql,
        "slot",
        lambda time, step, plus=0: exp.Ceil(
            this=exp.Div(
                this=exp.TimeToUnix(this=time.copy()),
                expression=sql_time.number(int(step.total_seconds())),
                typed=False,
            )
        ),
    )


def a_step_too_long(patch: pytest.MonkeyPatch) -> None:
    right = sql.numbers
    patch.setattr(sql, "numbers", lambda count, engine: right(count + 1, engine))


def a_step_too_short(patch: pytest.MonkeyPatch) -> None:
    right = sql.numbers
    patch.setattr(sql, "numbers", lambda count, engine: right(count - 1, engine))


def rounded_to_the_nearest_step(patch: pytest.MonkeyPatch) -> None:
    right = sql.slot

    def wrong(time: Expr, step: timedelta, plus: int = 0) -> Expr:
        made = right(time, step, plus)
        for floor in list(made.find_all(exp.Floor)):
            floor.replace(exp.Round(this=floor.this.copy()))
        return exp.Round(this=made.this) if isinstance(made, exp.Floor) else made

    patch.setattr(sql, "slot", wrong)


def rows_counted(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Sql, query: ir.WindowQuery) -> Expr:
        return exp.Count(this=exp.Star())

    patch.setattr(Sql, "_measured", wrong)


def values_counted_by_case(patch: pytest.MonkeyPatch) -> None:
    right = Sql._measured

    def wrong(self: Sql, query: ir.WindowQuery) -> Expr:
        if isinstance(query.measure, ir.Count):
            return right(self, query)
        return exp.Count(this=exp.Distinct(expressions=[column(query.measure.field.name)]))

    patch.setattr(Sql, "_measured", wrong)


def absent_counted_as_a_value(patch: pytest.MonkeyPatch) -> None:
    right = Sql._measured

    def wrong(self: Sql, query: ir.WindowQuery) -> Expr:
        if isinstance(query.measure, ir.Count):
            return right(self, query)
        return exp.Count(this=exp.Distinct(expressions=[sql_predicates.folded(column(query.measure.field.name))]))

    patch.setattr(Sql, "_measured", wrong)


def one_above_the_threshold(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql.exp, "GTE", exp.GT)


def any_window_of_the_group(patch: pytest.MonkeyPatch) -> None:
    """The evidence of windows that did not reach the threshold."""
    right = sql.of_reached

    def wrong(query: ir.WindowQuery, source: str) -> exp.Select:
        made = right(query, source)
        for test in list(made.find_all(exp.EQ)):
            if test.expression.name == "reached_end":
                test.replace(exp.true())
        return made

    patch.setattr(sql, "of_reached", wrong)


def a_group_of_nothing(patch: pytest.MonkeyPatch) -> None:
    right = SqlPredicates.present
    patch.setattr(
        SqlPredicates,
        "present",
        lambda self, node: exp.true() if node.field.name in {"ipAddress", "userAgent"} else right(self, node),
    )


def every_row_must_raise_the_level(patch: pytest.MonkeyPatch) -> None:
    right = Sql._level

    def wrong(self: Sql, rule: Rule) -> Expr:
        made = right(self, rule)
        for highest in list(made.find_all(exp.Max)):
            highest.replace(exp.Count(this=exp.Star()))
        return made

    patch.setattr(Sql, "_level", wrong)


def parameters_keep_their_case(patch: pytest.MonkeyPatch) -> None:
    def wrong(value: str) -> Expr:
        return exp.Literal.string(value)

    right = sql.parameter_tables

    def tables(parameters: Any) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(sql_predicates, "text", wrong)
            return right(parameters)

    patch.setattr(sql, "parameter_tables", tables)


def joined_without(*dropped: str) -> Plant:
    """A join that lacks the conditions in which one of these names stands."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        right = exp.Select.join

        def wrong(self: exp.Select, *given: Any, on: Any = None, **more: Any) -> exp.Select:
            parts = list(on.flatten()) if isinstance(on, exp.And) else [on]
            kept = [
                one for one in parts if not (one and {name.name for name in one.find_all(exp.Column)} & set(dropped))
            ]
            return right(self, *given, on=exp.and_(*kept) if kept and on else exp.true() if on else None, **more)

        patch.setattr(exp.Select, "join", wrong)

    plant.__name__ = f"joined_without_{'_'.join(dropped)}"
    return plant


def success_before_the_last_failure(patch: pytest.MonkeyPatch) -> None:
    right = Sql._following

    def wrong(self: Sql, rule: Rule, query: ir.FollowedQuery, group: Sequence[str]) -> exp.Select:
        made = right(self, rule, query, group)
        for test in list(made.find_all(exp.GT)):
            test.replace(exp.true())
        return made

    patch.setattr(Sql, "_following", wrong)


def success_in_the_same_second(patch: pytest.MonkeyPatch) -> None:
    right = Sql._following

    def wrong(self: Sql, rule: Rule, query: ir.FollowedQuery, group: Sequence[str]) -> exp.Select:
        made = right(self, rule, query, group)
        for test in list(made.find_all(exp.GT)):
            test.replace(exp.GTE(this=test.this.copy(), expression=test.expression.copy()))
        return made

    patch.setattr(Sql, "_following", wrong)


def after_the_first_failure(patch: pytest.MonkeyPatch) -> None:
    right = Sql.followed

    def wrong(self: Sql, rule: Rule, query: ir.FollowedQuery) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(sql.exp, "Max", exp.Min)
            return right(self, rule, query)

    patch.setattr(Sql, "followed", wrong)


def less_than_a_day_after(patch: pytest.MonkeyPatch) -> None:
    right = Sql._following

    def wrong(self: Sql, rule: Rule, query: ir.FollowedQuery, group: Sequence[str]) -> exp.Select:
        made = right(self, rule, query, group)
        for test in list(made.find_all(exp.LTE)):
            test.replace(exp.LT(this=test.this.copy(), expression=test.expression.copy()))
        return made

    patch.setattr(Sql, "_following", wrong)


def intervals(factor: float) -> Plant:
    """Spans that are too long or too short: an hour for a minute, a day more."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        right = sql_parts.seconds
        patch.setattr(sql_parts, "seconds", lambda count: right(int(count * factor)))

    plant.__name__ = f"intervals_{factor}"
    return plant


def partners_with_case(patch: pytest.MonkeyPatch) -> None:
    right = sql.folded
    patch.setattr(sql, "folded", lambda value: value if value == column("correlationId") else right(value))


def tried_with_case(patch: pytest.MonkeyPatch) -> None:
    right = sql.folded
    patch.setattr(sql, "folded", lambda value: value if value == column("userPrincipalName") else right(value))


def late_and_early_confused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql.exp, "Greatest", exp.Least)


def none_has_a_partner(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql, "given", lambda value: exp.true())


_CLIENT = ("ipAddress", "appDisplayName", "userAgent")
_SPRAY, _THEN, _JOIN = "password-spray", "password-spray-success", "third-party-changes"
IN_QUERIES: list[tuple[Plant, str]] = [
    *((group_without(name), "brute-force") for name in ("userPrincipalName", *_CLIENT)),
    *((group_without(name), _SPRAY) for name in _CLIENT),
    (fixed_hours, "brute-force"), (window_holds_its_end, "brute-force"), (a_step_too_long, "multiple-lockouts"),
    (a_step_too_short, "brute-force"), (rounded_to_the_nearest_step, "brute-force"), (rows_counted, "brute-force"),
    (rows_counted, _SPRAY), (values_counted_by_case, _SPRAY), (absent_counted_as_a_value, _SPRAY),
    (one_above_the_threshold, "brute-force"), (any_window_of_the_group, "brute-force"),
    (a_group_of_nothing, "disabled-user-signin"), (every_row_must_raise_the_level, "brute-force"),
    (parameters_keep_their_case, "user-consent-to-application"), (brackets_dropped, "admin-role-outside-pim"),
    (prefix_by_like, "sync-account-abuse"), (compared_with_case, "sync-account-abuse"),
    (coalesce_lost, _JOIN), (empty_is_a_value, _JOIN),
    (success_before_the_last_failure, _THEN), (success_in_the_same_second, _THEN), (after_the_first_failure, _THEN),
    (less_than_a_day_after, _THEN), (joined_without("same_0"), _THEN), (joined_without("tried"), _THEN),
    (intervals(2), _THEN), (intervals(0.5), _THEN), (tried_with_case, _THEN),
    (joined_without("partner_key"), _JOIN), (intervals(2), _JOIN), (intervals(0.5), _JOIN), (partners_with_case, _JOIN),
    (late_and_early_confused, _JOIN), (none_has_a_partner, _JOIN),
]  # fmt: skip


# --- in the baseline --------------------------------------------------------------------------------------------------


def everything_is_known_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A baseline over all of the logs, the finding's own time and what came behind it among them."""
    patch.setattr(sql_baseline.exp, "LT", lambda **_: exp.true())


def nothing_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    right = exp.GTE

    def wrong(this: Expr, expression: Expr) -> Expr:
        return exp.true() if this.name == "until" else right(this=this, expression=expression)

    patch.setattr(sql_baseline.exp, "GTE", wrong)


def the_window_counts_itself(patch: pytest.MonkeyPatch) -> None:
    """`<=`: what happens in the very moment is known already."""
    patch.setattr(sql_baseline, "_asked", _asked_later(sql_baseline._asked))


def _asked_later(right: Any) -> Any:
    return lambda asked, hits, moment: right(
        asked, hits, exp.Add(this=moment.copy(), expression=sql_time.seconds(3 * 86400))
    )


def first_days_are_judged_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql_baseline, "_lookback", _no_lookback_at_first(sql_baseline._lookback))


def _no_lookback_at_first(right: Any) -> Any:
    calls: list[int] = []

    def wrong(baseline: Any) -> Expr:
        calls.append(1)
        return sql_time.seconds(0) if len(calls) % 3 == 1 else right(baseline)

    return wrong


def days(more: int) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        right = sql_baseline._next
        patch.setattr(sql_baseline, "_next", lambda name, count: right(name, count + more))

    plant.__name__ = f"days_{more:+}"
    return plant


def users_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    right = sql_baseline._learnt

    def wrong(names: list[str]) -> exp.Select:
        made = right(names)
        for person in list(made.find_all(exp.Column)):
            if person.name == "person":
                person.replace(exp.column("seen"))
        return made

    patch.setattr(sql_baseline, "_learnt", wrong)


def days_of_all_networks(patch: pytest.MonkeyPatch) -> None:
    """A country that is known from people at any address."""
    right = sql_baseline._known
    patch.setattr(sql_baseline, "_known", lambda baseline, what, names: right(baseline, what, names[-1:]))


def country_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    right = sql_baseline.outside
    patch.setattr(
        sql_baseline,
        "outside",
        lambda baseline, asked, *rest: right(baseline, ir.Outside(asked.baseline, asked.address), *rest),
    )


def address_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    right = sql_baseline._absent
    patch.setattr(sql_baseline, "_absent", lambda table, what: exp.true() if what == "address" else right(table, what))


def baseline_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql_baseline, "_absent", lambda table, what: exp.true())


def lookback(factor: float) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        right = sql_baseline.seconds
        patch.setattr(sql_baseline, "seconds", lambda count: right(int(count * factor)))

    plant.__name__ = f"lookback_{factor}"
    return plant


def last_user_for_the_last_but_one(patch: pytest.MonkeyPatch) -> None:
    right = sql_baseline._over
    patch.setattr(sql_baseline, "_over", lambda function, names, order, desc=None: right(function, names, order))


def absent_address_is_new(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql_baseline, "given", lambda value: exp.true())


_NEW = "single-factor-from-new-network"
IN_BASELINES: list[tuple[Plant, str]] = [
    (everything_is_known_for_ever, _NEW), (nothing_is_forgotten, _NEW), (the_window_counts_itself, _NEW),
    (first_days_are_judged_at_once, _NEW), (days(-1), _NEW), (days(1), _NEW), (users_are_not_counted, _NEW),
    (days_of_all_networks, _NEW), (country_is_not_asked, _NEW), (address_is_not_asked, _NEW),
    (baseline_is_not_asked, "account-hijacking"), (lookback(2), _NEW), (lookback(0.5), _NEW),
    (last_user_for_the_last_but_one, _NEW), (absent_address_is_new, _NEW),
]  # fmt: skip
