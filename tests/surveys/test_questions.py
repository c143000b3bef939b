"""What a question may look like, and which questions make a survey."""

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.kit.web import invalid_request
from app.surveys.schemas.questions import QuestionsInput, questions_of
from app.surveys.service.questionnaire import Questionnaire
from tests.surveys.survey_world import question, refusals, stored, where

SCORE = question("score", "nps")


class Body(BaseModel):
    questions: QuestionsInput


def misread(**fields: Any) -> dict[str, str]:
    """Code by place of why a body with this question in it cannot be read."""
    body = {"questions": [question("a", "text") | fields]}
    try:
        Body.model_validate(body)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        return {place.pointer: place.code for place in invalid_request(faults, body).errors}
    return {}


class TestReading:
    @pytest.mark.parametrize(
        ("type", "foreign"),
        [
            ("nps", {"min": 1}),
            ("rating", {"choices": [{"key": "a", "text": "A"}]}),
            ("single_choice", {"min_choices": 1}),
            ("multi_choice", {"max_length": 5}),
            ("text", {"choices": None}),
            ("boolean", {"max": 1}),
            ("number", {"max_length": 5}),
            ("date", {"max_choices": 5}),
        ],
    )
    def test_a_field_that_the_type_does_not_take_is_refused_by_name(
        self, type: str, foreign: dict[str, Any]
    ) -> None:
        [name] = foreign

        assert misread(**question("a", type), **foreign) == {f"/questions/0/{name}": "extra_forbidden"}

    @pytest.mark.parametrize(
        ("fields", "place"),
        [
            ({"key": "a.b"}, "/key"),
            ({"key": ""}, "/key"),
            ({"key": "a" * 61}, "/key"),
            ({"key": None}, "/key"),
            ({"text": ""}, "/text"),
            ({"text": " \u3000"}, "/text"),
            ({"text": "a" * 2_001}, "/text"),
            ({"text": 5}, "/text"),
            ({"text": {}}, "/text"),
            ({"text": {"de": ""}}, "/text/de"),
            ({"text": {"not a tag": "a"}}, "/text/not a tag"),
            ({"text": {f"aa-{n:03}": "a" for n in range(51)}}, "/text"),
            ({"help": ["a"]}, "/help"),
            ({"required": "yes"}, "/required"),
            ({"max_length": 0}, "/max_length"),
            ({"max_length": 10_001}, "/max_length"),
            ({"max_length": True}, "/max_length"),
            ({"show_if": {"and": []}}, "/show_if/and"),
            ({"type": "essay"}, "/type"),
            ({"type": None}, "/type"),
        ],
        ids=str,
    )
    def test_what_cannot_be_read_is_named_by_its_place(self, fields: dict[str, Any], place: str) -> None:
        assert list(misread(**fields)) == [f"/questions/0{place}"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"type": "rating", "min": 1.5},
            {"type": "number", "min": 10**15 + 1},
            {"type": "number", "max": True},
            {"type": "date", "min": "2026-02-30"},
            {"type": "date", "max": "1800-01-01"},
            {"type": "single_choice", "choices": [{"key": "a", "text": "A"}]},
            {"type": "single_choice", "choices": [{"key": f"k{n}", "text": "A"} for n in range(101)]},
            {"type": "multi_choice", "min_choices": 0},
        ],
        ids=str,
    )
    def test_limits_are_read_by_their_type(self, fields: dict[str, Any]) -> None:
        [name] = fields.keys() - {"type"}

        assert list(misread(**question("a", **fields))) == [f"/questions/0/{name}"]

    def test_a_survey_asks_something_and_not_more_than_200_questions(self) -> None:
        reader = TypeAdapter[Any](QuestionsInput)
        many = [question(f"q{n}", "text") for n in range(201)]

        assert len(reader.validate_python(many[:200])) == 200
        for wrong in ([], many):
            with pytest.raises(ValidationError):
                reader.validate_python(wrong)


class TestKeeping:
    def test_defaults_are_kept_and_absent_fields_are_not(self) -> None:
        assert stored(SCORE, question("b", "rating"), question("c", "text", help=None), type="nps") == [
            {"key": "score", "type": "nps", "text": "What of score?", "required": True},
            {"key": "b", "type": "rating", "text": "What of b?", "required": False, "min": 1, "max": 5},
            {"key": "c", "type": "text", "text": "What of c?", "required": False, "max_length": 2_000},
        ]

    def test_an_author_may_say_what_is_required(self) -> None:
        kept = stored(SCORE | {"required": False}, question("b", "boolean", required=True), type="nps")

        assert [each["required"] for each in kept] == [False, True]

    def test_what_an_author_reads_may_be_sent_back_as_it_is(self) -> None:
        kept = stored(
            question("a", "multi_choice", min_choices=2),
            question("b", "number", min=0.5, max=3, help={"de": "Hilfe"}),
            question("c", "date", min="2026-01-01", show_if={"not": where("a", "contains", "x")}),
            question("d", "rating"),
            question("e", "text"),
            question("f", "ces"),
            question("g", "single_choice"),
            question("h", "boolean"),
        )

        read = TypeAdapter(list[Any]).dump_python(questions_of(kept), mode="json")

        assert stored(*read) == kept

    def test_the_score_question_is_known_by_the_type_of_the_survey(self) -> None:
        questions = [question("a", "csat"), SCORE]

        assert Questionnaire.read(stored(*questions, type="nps"), "nps").score_key == "score"
        assert Questionnaire.read(stored(*questions), "custom").score_key is None


class TestSoundness:
    def test_a_typed_survey_has_exactly_one_question_of_its_type(self) -> None:
        assert refusals(question("a", "csat"), type="nps") == {"/questions": "score_question"}
        assert refusals(SCORE, question("a", "nps"), type="nps") == {"/questions/1/type": "score_question"}
        assert refusals(SCORE, question("a", "csat"), question("b", "csat"), type="nps") == {}

    def test_a_key_is_given_once(self) -> None:
        assert refusals(question("a", "text"), question("a", "nps")) == {
            "/questions/1/key": "duplicate_question"
        }

    def test_the_key_of_a_choice_is_given_once(self) -> None:
        choices = [{"key": key, "text": "A"} for key in "aba"]

        assert refusals(question("a", "single_choice", choices=choices)) == {
            "/questions/0/choices/2/key": "duplicate_choice"
        }

    @pytest.mark.parametrize(
        ("type", "limits", "place"),
        [
            ("rating", {"min": 5, "max": 5}, "max"),
            ("rating", {"min": 6}, "max"),
            ("rating", {"min": 0, "max": 101}, "max"),
            ("number", {"min": 1, "max": 0.5}, "max"),
            ("date", {"min": "2026-01-02", "max": "2026-01-01"}, "max"),
            ("multi_choice", {"min_choices": 2, "max_choices": 1}, "max_choices"),
            ("multi_choice", {"max_choices": 4}, "max_choices"),
            ("multi_choice", {"min_choices": 4}, "min_choices"),
        ],
        ids=str,
    )
    def test_limits_leave_something_to_answer(self, type: str, limits: dict[str, Any], place: str) -> None:
        assert refusals(question("a", type, **limits)) == {f"/questions/0/{place}": "out_of_range"}

    def test_a_condition_names_an_earlier_question(self) -> None:
        condition = {"and": [where("a", "exists", True), {"not": where("b", "exists", True)}]}

        assert refusals(
            question("a", "text", show_if={"or": [where("c", "exists", True)]}),
            question("b", "text", show_if=condition),
            question("d", "text"),
        ) == {
            "/questions/0/show_if/or/0/field": "unknown_question",
            "/questions/1/show_if/and/1/not/field": "circle",
        }

    def test_a_condition_on_a_later_question_is_a_circle(self) -> None:
        assert refusals(
            question("a", "text", show_if=where("b", "exists", True)),
            question("b", "text", show_if=where("a", "exists", True)),
        ) == {"/questions/0/show_if/field": "circle"}

    @pytest.mark.parametrize(
        ("type", "op", "value", "wrong"),
        [
            ("nps", "contains", "a", ("op", "unknown_operator")),
            ("nps", "gt", "9", ("value", "wrong_type")),
            ("number", "between", [2, 1], ("value", "out_of_range")),
            ("boolean", "eq", 1, ("value", "wrong_type")),
            ("text", "lt", "a", ("op", "unknown_operator")),
            ("date", "within_last", "30d", ("op", "unknown_operator")),
            ("date", "gt", "yesterday", ("value", "wrong_type")),
            ("single_choice", "eq", "w", ("value", "unknown_choice")),
            ("single_choice", "in", ["x", "w"], ("value/1", "unknown_choice")),
            ("multi_choice", "eq", "x", ("op", "unknown_operator")),
            ("multi_choice", "contains", "w", ("value", "unknown_choice")),
            ("multi_choice", "not_in", ["w"], ("value/0", "unknown_choice")),
        ],
    )
    def test_a_condition_fits_what_its_question_asks(
        self, type: str, op: str, value: Any, wrong: tuple[str, str]
    ) -> None:
        place, code = wrong

        assert refusals(question("a", type), question("b", "text", show_if=where("a", op, value))) == {
            f"/questions/1/show_if/{place}": code
        }
