"""The path that answers take, and which questions no answers lead to."""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.surveys.service.questionnaire import Questionnaire, Walk
from tests.surveys.survey_world import (
    TEXTS,
    question,
    refusals,
    small_surveys,
    stored,
    where,
)
from tests.surveys.walker_reference import every_answer_set, missing_of, path_of

few = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def walk(questions: list[dict[str, Any]], **answers: Any) -> Walk:
    return Questionnaire.read(stored(*questions), "custom").walk(answers)


class TestWalking:
    def test_without_conditions_every_question_is_asked_in_order(self) -> None:
        walked = walk([question("b", "text"), question("a", "boolean")])

        assert walked == Walk(("b", "a"), ())
        assert walked.complete

    def test_a_question_is_asked_where_its_condition_holds(self) -> None:
        questions = [question("score", "nps"), question("why", "text", show_if=where("score", "lte", 6))]

        assert walk(questions, score=3).path == ("score", "why")
        assert walk(questions, score=9).path == ("score",)
        assert walk(questions).path == ("score",)

    def test_what_is_required_is_missing_only_where_it_is_asked(self) -> None:
        questions = [
            question("happy", "boolean", required=True),
            question("why", "text", required=True, show_if=where("happy", "eq", False)),
        ]

        assert walk(questions).missing == ("happy",)
        assert walk(questions, happy=False).missing == ("why",)
        assert walk(questions, happy=True).complete

    def test_an_answer_to_a_question_that_is_not_asked_counts_for_nothing(self) -> None:
        questions = [
            question("a", "boolean"),
            question("b", "boolean", show_if=where("a", "eq", True)),
            question("c", "boolean", show_if=where("b", "eq", True)),
            question("d", "boolean", show_if=where("b", "ne", True)),
        ]

        assert walk(questions, a=False, b=True).path == ("a", "d")

    def test_several_choices_are_asked_for_by_element(self) -> None:
        questions = [
            question("a", "multi_choice"),
            question("b", "text", show_if=where("a", "in", ["x", "y"])),
        ]

        assert walk(questions, a=["z", "y"]).path == ("a", "b")
        assert walk(questions, a=["z"]).path == ("a",)

    def test_numbers_compare_as_they_are_written(self) -> None:
        questions = [question("a", "number"), question("b", "text", show_if=where("a", "in", [0.1, 5.0]))]

        assert walk(questions, a=0.1).path == ("a", "b")
        assert walk(questions, a=5).path == ("a", "b")

    def test_parts_of_texts_are_found_in_any_case(self) -> None:
        questions = [question("a", "text"), question("b", "text", show_if=where("a", "contains", "PREIß"))]

        assert walk(questions, a="der preiß").path == ("a", "b")
        assert walk(questions, a="der preiss").path == ("a",)

    @pytest.mark.slow
    @few
    @given(data=st.data())
    def test_it_goes_as_the_reference_goes(self, data: st.DataObject) -> None:
        questions = data.draw(small_surveys())
        assume(not refusals(*questions))
        kept = stored(*questions)
        ways = list(every_answer_set(kept, TEXTS))
        assume(len(ways) < 20_000)
        answers = {**data.draw(st.sampled_from(ways)), **data.draw(st.sampled_from(ways))}

        walked = Questionnaire.read(kept, "custom").walk(answers)

        assert list(walked.path) == path_of(kept, answers)
        assert list(walked.missing) == missing_of(kept, answers)


class TestUnreachableQuestions:
    @pytest.mark.parametrize(
        "condition",
        [
            where("score", "gt", 10),
            where("score", "eq", 6.5),
            where("score", "exists", False),
            {"and": [where("score", "gte", 9), where("score", "lte", 6)]},
            {"and": [where("choice", "eq", "x"), where("choice", "eq", "y")]},
            {"and": [where("choices", "contains", "x"), where("choices", "contains", "y")]},
            {"and": [where("text", "contains", "abc"), where("text", "contains", "cde")]},
            {"and": [where("text", "eq", "Abc"), where("text", "ne", "Abc")]},
            where("text", "eq", " "),
            where("day", "lt", "2026-01-01"),
            {"and": [where("day", "gt", "2026-01-01"), where("day", "lt", "2026-01-02")]},
            {"and": [where("number", "gt", 1), where("number", "lt", 1.0000000000000002)]},
            {"and": [where("flag", "ne", True), where("flag", "ne", False), where("flag", "exists", True)]},
        ],
        ids=str,
    )
    def test_what_no_answer_leads_to_is_refused(self, condition: Any) -> None:
        assert refusals(*self.asked_first(), question("last", "text", show_if=condition)) == {
            "/questions/7/show_if": "unreachable"
        }

    @pytest.mark.parametrize(
        "condition",
        [
            where("score", "gte", 10),
            where("choice", "exists", False),
            where("choices", "not_in", ["x", "y"]),
            {"and": [where("text", "contains", "abc"), where("text", "contains", "cd")]},
            {"and": [where("text", "contains", "a"), {"not": where("text", "starts_with", "A")}]},
            {"and": [where("text", "in", ["a", "b"]), where("text", "ne", "a")]},
            where("day", "eq", "2026-01-01"),
            {"and": [where("number", "gt", 1), where("number", "lt", 1.0000000000000004)]},
            {"and": [where("flag", "ne", True), where("flag", "ne", False)]},
            {"or": [where("score", "exists", True), where("score", "exists", False)]},
        ],
        ids=str,
    )
    def test_what_some_answer_leads_to_is_fine(self, condition: Any) -> None:
        assert refusals(*self.asked_first(), question("last", "text", show_if=condition)) == {}

    def test_a_question_that_is_hidden_has_no_answer(self) -> None:
        assert refusals(
            question("a", "boolean", required=True),
            question("b", "boolean", required=True, show_if=where("a", "eq", True)),
            question("c", "text", show_if={"and": [where("a", "eq", False), where("b", "exists", True)]}),
            question("d", "text", show_if={"and": [where("a", "eq", True), where("b", "exists", False)]}),
        ) == {"/questions/2/show_if": "unreachable", "/questions/3/show_if": "unreachable"}

    def test_a_long_chain_is_followed_to_its_end(self) -> None:
        chain = [question("q0", "nps")]
        chain += [question(f"q{n}", "nps", show_if=where(f"q{n - 1}", "gte", 9)) for n in range(1, 200)]

        assert refusals(*chain) == {}

    def test_a_condition_over_many_questions_is_settled_one_by_one(self) -> None:
        many = [question(f"q{n}", "nps") for n in range(99)]
        tens = [where(f"q{n}", "eq", 10) for n in range(99)]

        assert refusals(*many, question("last", "text", show_if={"and": tens})) == {}
        assert refusals(*many, question("last", "text", show_if={"and": [*tens, where("q0", "eq", 9)]})) == {
            "/questions/99/show_if": "unreachable"
        }

    @pytest.mark.slow
    def test_what_would_take_too_long_to_tell_is_refused_as_such(self) -> None:
        words = [f"word{letter}{letter}" for letter in "abcdefghijklmnopqr"]
        never = [where("a", "contains", word) for word in words] + [where("a", "exists", False)]

        assert refusals(question("a", "text"), question("b", "text", show_if={"and": never})) == {
            "/questions/1/show_if": "too_complex"
        }

    @pytest.mark.slow
    @few
    @given(questions=small_surveys())
    def test_a_question_is_refused_exactly_where_no_way_through_asks_it(
        self, questions: list[dict[str, Any]]
    ) -> None:
        found = refusals(*questions)
        assert set(found.values()) <= {"unreachable"}
        bare = [{**each, "required": bool(each["required"])} for each in questions]

        asked = {key for way in every_answer_set(bare, TEXTS) for key in path_of(bare, way)}

        assert found == {
            f"/questions/{index}/show_if": "unreachable"
            for index, each in enumerate(questions)
            if each["key"] not in asked
        }

    def asked_first(self) -> list[dict[str, Any]]:
        return [
            question("score", "nps"),
            question("choice", "single_choice"),
            question("choices", "multi_choice", max_choices=1),
            question("text", "text", max_length=4),
            question("day", "date", min="2026-01-01"),
            question("number", "number"),
            question("flag", "boolean"),
        ]
