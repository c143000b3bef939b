"""What a filter is refused for: each wrong place by pointer and code, never with the value itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.kit.errors import Invalid
from app.kit.filters import parse_filter
from tests.kit.filter_world import FIELDS, NOW, Search, nested, predicate


def refusals(tree: Any) -> list[tuple[str, str]]:
    """Pointer and code of everything that is wrong, whichever step finds it."""
    try:
        FIELDS.to_sql(parse_filter(tree), now=NOW)
    except Invalid as refused:
        return [(error.pointer, error.code) for error in refused.errors]
    except ValidationError as refused:
        return [("/filter" + "".join(f"/{step}" for step in e["loc"]), e["type"]) for e in refused.errors()]
    return []


class TestRefusals:
    @pytest.mark.parametrize(
        ("tree", "expected"),
        [
            (None, [("/filter", "wrong_shape")]),
            ({}, [("/filter", "wrong_shape")]),
            ({"xor": []}, [("/filter", "wrong_shape")]),
            ({"and": [], "or": []}, [("/filter", "wrong_shape")]),
            ({"and": []}, [("/filter/and", "empty")]),
            ({"or": {}}, [("/filter/or", "wrong_type")]),
            ({"not": []}, [("/filter/not", "wrong_shape")]),
            (nested(8), [("/filter" + "/not" * 8, "too_deep")]),
            ({"field": "name", "op": "eq"}, [("/filter/value", "missing")]),
            (predicate("name", "eq", "a") | {"x": 1}, [("/filter", "extra_key")]),
            (predicate("name", "like", "a"), [("/filter/op", "unknown_operator")]),
            (predicate("name", "lt", "a"), [("/filter/op", "unknown_operator")]),
            (predicate("nome", "eq", "a"), [("/filter/field", "unknown_field")]),
            (predicate("attributes.nome", "eq", "a"), [("/filter/field", "unknown_field")]),
            (predicate("", "eq", "a"), [("/filter/field", "wrong_type")]),
            (predicate("name", "eq", None), [("/filter/value", "wrong_type")]),
            (predicate("name", "eq", "a\0"), [("/filter/value", "bad_text")]),
            (predicate("name", "eq", "\ud800"), [("/filter/value", "bad_text")]),
            (predicate("name", "eq", "a" * 1001), [("/filter/value", "too_long")]),
            (predicate("name", "eq", 5), [("/filter/value", "wrong_type")]),
            (predicate("name", "in", []), [("/filter/value", "empty")]),
            (predicate("name", "in", ["a"] * 501), [("/filter/value", "too_many_values")]),
            (predicate("name", "in", "a"), [("/filter/value", "wrong_type")]),
            (predicate("name", "eq", ["a"]), [("/filter/value", "wrong_type")]),
            (
                predicate("name", "in", ["a", 1, True]),
                [("/filter/value/1", "wrong_type"), ("/filter/value/2", "wrong_type")],
            ),
            (predicate("score", "eq", "1"), [("/filter/value", "wrong_type")]),
            (predicate("score", "eq", True), [("/filter/value", "wrong_type")]),
            (predicate("score", "eq", float("nan")), [("/filter/value", "out_of_range")]),
            (predicate("score", "eq", 10**400), [("/filter/value", "out_of_range")]),
            (predicate("score", "between", [1]), [("/filter/value", "wrong_type")]),
            (predicate("score", "between", [2, 1]), [("/filter/value", "out_of_range")]),
            (predicate("active", "eq", 1), [("/filter/value", "wrong_type")]),
            (predicate("name", "exists", "yes"), [("/filter/value", "wrong_type")]),
            (predicate("stage", "eq", "boss"), [("/filter/value", "unknown_choice")]),
            (predicate("attributes.plan", "in", ["pro", "x"]), [("/filter/value/1", "unknown_choice")]),
            (predicate("owner_id", "eq", "{0}"), [("/filter/value", "wrong_type")]),
            (predicate("seen_at", "gt", "2026-01-01T00:00:00"), [("/filter/value", "wrong_type")]),
            (predicate("seen_at", "gt", "2026-13-01T00:00:00Z"), [("/filter/value", "wrong_type")]),
            (predicate("seen_at", "gt", "0001-01-01T00:00:00+10:00"), [("/filter/value", "out_of_range")]),
            (predicate("seen_at", "within_last", "30"), [("/filter/value", "wrong_type")]),
            (predicate("seen_at", "within_last", "٣d"), [("/filter/value", "wrong_type")]),
            (predicate("seen_at", "within_last", "0d"), [("/filter/value", "out_of_range")]),
            (predicate("seen_at", "within_last", "999999w"), [("/filter/value", "out_of_range")]),
            (predicate("born_on", "within_last", "12h"), [("/filter/value", "wrong_type")]),
            (predicate("born_on", "eq", "2026-02-30"), [("/filter/value", "wrong_type")]),
        ],
        ids=repr,
    )
    def test_each_wrong_place_is_named(self, tree: Any, expected: list[tuple[str, str]]) -> None:
        assert refusals(tree) == expected

    def test_every_wrong_place_is_named_at_once(self) -> None:
        tree = {
            "and": [
                predicate("name", "eq", 1),
                {"or": [predicate("x", "eq", 1), {"not": predicate("tags", "eq", "a")}]},
            ]
        }
        assert refusals(tree) == [
            ("/filter/and/0/value", "wrong_type"),
            ("/filter/and/1/or/0/field", "unknown_field"),
            ("/filter/and/1/or/1/not/op", "unknown_operator"),
        ]

    def test_at_most_twenty_are_named(self) -> None:
        assert len(refusals({"and": [predicate("name", "eq", None)] * 50})) == 20
        assert len(refusals({"and": [predicate("nome", "eq", "a")] * 50})) == 20

    def test_a_hundred_predicates_and_eight_levels_are_allowed(self) -> None:
        assert refusals({"and": [predicate("name", "in", ["a"] * 500)] * 100}) == []
        assert refusals(nested(7)) == []

    def test_the_hundred_and_first_predicate_is_refused(self) -> None:
        fifty = {"or": [predicate("name", "eq", "a")] * 50}
        assert refusals({"and": [fifty, fifty, fifty]}) == [("/filter/and/2/or/0", "too_many_predicates")]

    def test_ten_thousand_levels_are_refused_like_nine(self) -> None:
        with pytest.raises(ValidationError) as refused:
            Search.model_validate({"filter": nested(10_000)})
        assert [error["type"] for error in refused.value.errors()] == ["too_deep"]
        with pytest.raises(ValidationError):
            Search.model_validate_json('{"filter":' + '{"not":' * 10_000 + "1" + "}" * 10_001)

    def test_unknown_names_are_answered_with_the_known_ones(self) -> None:
        def details(tree: Any) -> str:
            with pytest.raises(Invalid) as refused:
                FIELDS.to_sql(parse_filter(tree), now=NOW, pointer="")
            return refused.value.errors[0].detail

        assert "active, attributes.…, born_on, email" in details(predicate("nome", "eq", "a"))
        assert "no attribute plane. Known: note, plan, renews_on" in details(
            predicate("attributes.plane", "eq", "a")
        )
        assert "This field takes: contains, in, not_in, exists." in details(predicate("tags", "eq", "a"))

    def test_the_value_is_never_repeated(self) -> None:
        secret = "s3cret<script>"
        for tree in (
            predicate("score", "eq", secret),
            predicate(f"attributes.{secret}", "eq", 1),
            {secret: 1},
        ):
            with pytest.raises((Invalid, ValidationError)) as refused:
                FIELDS.to_sql(parse_filter(tree), now=NOW)
            assert secret not in repr([str(refused.value), getattr(refused.value, "errors", None)])
