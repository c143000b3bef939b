"""Small random surveys, whose answers can all be gone through, and random answers to them."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.kit.errors import Invalid
from app.surveys.schemas.questions import QuestionInput, QuestionsInput
from app.surveys.service.soundness import checked
from tests.surveys.walker_reference import Json

CHOICES = ("x", "y", "z")
TEXTS = ("a", "A", "b", "ab", "ba", "bA", "c", "cc", "abc", "cab")
"""All that can be told apart by `PARTS` in texts of up to three letters, and some more."""
PARTS = ("a", "B", "ab", "ba")

_READER: TypeAdapter[list[QuestionInput]] = TypeAdapter(QuestionsInput)


def question(key: str, type: str, **fields: Any) -> dict[str, Any]:
    """A question as an author sends it."""
    if type.endswith("_choice"):
        fields.setdefault("choices", [{"key": choice, "text": choice} for choice in CHOICES])
    return {"key": key, "type": type, "text": f"What of {key}?", **fields}


def where(field: str, op: str, value: Any) -> dict[str, Any]:
    """A predicate."""
    return {"field": field, "op": op, "value": value}


def stored(*questions: Mapping[str, Any], type: Any = "custom") -> list[dict[str, Any]]:
    """The questions read as a body is, checked, and as they are kept."""
    return checked(_READER.validate_python(questions), type)


def refusals(*questions: Mapping[str, Any], type: Any = "custom") -> dict[str, str]:
    """Code by place of what is wrong with the questions; empty where nothing is."""
    try:
        stored(*questions, type=type)
    except Invalid as refused:
        return {error.pointer: error.code for error in refused.errors}
    return {}


SMALL: Mapping[str, Mapping[str, Any]] = {
    "csat": {},
    "rating": {"min": 0, "max": 3},
    "number": {"min": 0, "max": 2},
    "date": {"min": "2026-03-01", "max": "2026-03-04"},
    "boolean": {},
    "single_choice": {},
    "multi_choice": {},
    "text": {"max_length": 3},
}


@st.composite
def small_surveys(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to four questions, of every type but the widest, with conditions over the earlier ones."""
    questions: list[dict[str, Any]] = []
    for index in range(draw(st.integers(2, 4))):
        type = draw(st.sampled_from(sorted(SMALL)))
        fields = {**SMALL[type], "required": draw(st.booleans())}
        if type == "multi_choice":
            fields["min_choices"] = draw(st.integers(1, 3))
            fields["max_choices"] = draw(st.integers(fields["min_choices"], 3))
        if questions and draw(st.integers(0, 3)):
            fields["show_if"] = draw(conditions(questions))
        questions.append(question(f"q{index}", type, **fields))
    return questions


def conditions(earlier: Sequence[Json]) -> st.SearchStrategy[dict[str, Any]]:
    predicate = st.sampled_from(earlier).flatmap(predicates)
    return st.recursive(
        predicate,
        lambda inner: st.one_of(
            st.fixed_dictionaries({"and": st.lists(inner, min_size=1, max_size=3)}),
            st.fixed_dictionaries({"or": st.lists(inner, min_size=1, max_size=3)}),
            st.fixed_dictionaries({"not": inner}),
        ),
        max_leaves=4,
    )


def predicates(asked: Json) -> st.SearchStrategy[dict[str, Any]]:
    one = constants(asked["type"])
    some = st.lists(one, min_size=1, max_size=2)
    pair = st.tuples(one, one).map(sorted)
    by_operator = {"exists": st.booleans(), "in": some, "not_in": some}
    match asked["type"]:
        case "boolean":
            by_operator = {"exists": st.booleans(), "eq": one, "ne": one}
        case "multi_choice":
            by_operator |= {"contains": one}
        case "single_choice":
            by_operator |= {"eq": one, "ne": one}
        case "text":
            part = st.sampled_from(PARTS)
            by_operator |= {"eq": one, "ne": one, "contains": part, "starts_with": part}
        case "date":
            by_operator = {
                "exists": st.booleans(),
                "eq": one,
                "ne": one,
                "lt": one,
                "gte": one,
                "between": pair,
            }
        case _:
            by_operator |= {
                "eq": one,
                "ne": one,
                "lt": one,
                "lte": one,
                "gt": one,
                "gte": one,
                "between": pair,
            }
    return st.sampled_from(sorted(by_operator)).flatmap(
        lambda op: by_operator[op].map(lambda value: where(asked["key"], op, value))
    )


def constants(type: str) -> st.SearchStrategy[Any]:
    """Values to compare with, some of them out of reach."""
    match type:
        case "boolean":
            return st.booleans()
        case "single_choice" | "multi_choice":
            return st.sampled_from(CHOICES)
        case "text":
            return st.sampled_from(("a", "A", "ab", "c", "", "abcd"))
        case "date":
            return st.integers(1, 6).map(lambda day: f"2026-03-{day:02}")
        case "number":
            return st.sampled_from((-1, 0, 1, 2, 3))
    return st.sampled_from((-1, 0, 1, 2.5, 3, 4, 5, 6))
