"""What answers a survey takes, and what is left of them when the path turns."""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.kit.errors import Invalid
from app.surveys.service.questionnaire import Questionnaire
from tests.surveys.survey_world import TEXTS, question, refusals, small_surveys, stored, where
from tests.surveys.walker_reference import every_answer_set, path_of

few = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def asking(*questions: dict[str, Any]) -> Questionnaire:
    return Questionnaire.read(stored(*questions), "custom")


def refused(survey: Questionnaire, **said: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as refusal:
        survey.merged({}, said)
    return {error.pointer: error.code for error in refusal.value.errors}


class TestOneAnswer:
    @pytest.mark.parametrize(
        ("asked", "answer"),
        [
            (question("a", "nps"), 0),
            (question("a", "csat"), 5),
            (question("a", "ces"), 7),
            (question("a", "rating", min=-2, max=2), -2),
            (question("a", "single_choice"), "x"),
            (question("a", "multi_choice", min_choices=2), ["z", "x"]),
            (question("a", "text"), "1234"),
            (question("a", "text"), "2026-01-31"),
            (question("a", "text"), "  spaces stay "),
            (question("a", "boolean"), False),
            (question("a", "number"), 1.5),
            (question("a", "number"), -(10**15)),
            (question("a", "date"), "2026-01-31"),
        ],
        ids=str,
    )
    def test_it_is_kept_exactly_as_it_came(self, asked: dict[str, Any], answer: Any) -> None:
        merged = asking(asked).merged({}, {"a": answer})

        assert merged == {"a": answer}
        assert type(merged["a"]) is type(answer)

    @pytest.mark.parametrize(
        ("asked", "answer", "code"),
        [
            (question("a", "nps"), 5.0, "wrong_type"),
            (question("a", "nps"), True, "wrong_type"),
            (question("a", "nps"), "9", "wrong_type"),
            (question("a", "nps"), 11, "out_of_range"),
            (question("a", "csat"), 0, "out_of_range"),
            (question("a", "ces"), 8, "out_of_range"),
            (question("a", "rating"), 6, "out_of_range"),
            (question("a", "single_choice"), "w", "unknown_choice"),
            (question("a", "single_choice"), ["x"], "wrong_type"),
            (question("a", "multi_choice"), "x", "wrong_type"),
            (question("a", "multi_choice", max_choices=1), ["x", "y"], "too_many"),
            (question("a", "multi_choice", min_choices=2), ["x"], "too_few"),
            (question("a", "text"), 1234, "wrong_type"),
            (question("a", "text", max_length=3), "long", "too_long"),
            (question("a", "text"), "a\0", "bad_text"),
            (question("a", "text"), "a\ud800", "bad_text"),
            (question("a", "boolean"), 1, "wrong_type"),
            (question("a", "boolean"), "true", "wrong_type"),
            (question("a", "number"), False, "wrong_type"),
            (question("a", "number"), 10**15 + 1, "out_of_range"),
            (question("a", "number"), float("nan"), "out_of_range"),
            (question("a", "number", min=0.5), 0.4, "out_of_range"),
            (question("a", "date"), "2026-02-30", "wrong_type"),
            (question("a", "date"), "2026-01-31T00:00:00Z", "wrong_type"),
            (question("a", "date"), 20260131, "wrong_type"),
            (question("a", "date", max="2026-01-01"), "2026-01-02", "out_of_range"),
        ],
        ids=str,
    )
    def test_what_does_not_answer_the_question_is_refused(
        self, asked: dict[str, Any], answer: Any, code: str
    ) -> None:
        assert refused(asking(asked), a=answer) == {"/answers/a": code}

    def test_a_wrong_choice_is_named_by_its_place(self) -> None:
        survey = asking(question("a", "multi_choice"))

        assert refused(survey, a=["x", "w"]) == {"/answers/a/1": "unknown_choice"}
        assert refused(survey, a=["x", 5]) == {"/answers/a/1": "wrong_type"}
        assert refused(survey, a=["x", "x"]) == {"/answers/a/1": "duplicate_choice"}

    def test_every_wrong_place_is_named(self) -> None:
        survey = asking(question("a", "nps"), question("b", "boolean"))

        assert refused(survey, a=11, b=0, **{"c/d": 1}) == {
            "/answers/a": "out_of_range",
            "/answers/b": "wrong_type",
            "/answers/c~1d": "unknown_question",
        }


class TestMerging:
    def test_what_is_said_now_stands_on_what_is_kept(self) -> None:
        survey = asking(question("a", "nps"), question("b", "text"), question("c", "text"))

        assert survey.merged({"a": 3, "b": "old"}, {"c": "more", "b": "new"}) == {
            "a": 3,
            "b": "new",
            "c": "more",
        }

    @pytest.mark.parametrize(("type", "nothing"), [("text", None), ("text", " \n"), ("multi_choice", [])])
    def test_nothing_said_clears_the_answer(self, type: str, nothing: Any) -> None:
        survey = asking(question("a", type, required=True))

        merged = survey.merged({"a": "old"}, {"a": nothing})

        assert merged == {}
        assert survey.walk(merged).missing == ("a",)

    def test_an_answer_kept_for_a_question_that_is_no_longer_asked_is_dropped(self) -> None:
        survey = asking(question("a", "nps"), question("b", "text", show_if=where("a", "lte", 6)))

        assert survey.merged({"a": 3, "b": "slow"}, {"a": 9}) == {"a": 9}

    def test_an_answer_said_now_to_a_question_that_is_not_asked_is_refused(self) -> None:
        survey = asking(question("a", "nps"), question("b", "text", show_if=where("a", "lte", 6)))

        assert refused(survey, a=9, b="slow") == {"/answers/b": "not_reached"}
        assert survey.merged({}, {"a": 9, "b": None}) == {"a": 9}

    def test_a_clearing_is_no_answer_and_may_name_any_question_of_the_survey_only(self) -> None:
        assert refused(asking(question("a", "nps")), b=None) == {"/answers/b": "unknown_question"}

    @pytest.mark.slow
    @few
    @given(data=st.data())
    def test_it_keeps_to_the_path_and_says_the_same_the_second_time(self, data: st.DataObject) -> None:
        questions = data.draw(small_surveys())
        assume(not refusals(*questions))
        kept = stored(*questions)
        survey = Questionnaire.read(kept, "custom")
        ways = list(every_answer_set(kept, TEXTS))
        assume(len(ways) < 20_000)
        before, said = data.draw(st.sampled_from(ways)), data.draw(st.sampled_from(ways))

        off_path = said.keys() - set(path_of(kept, {**before, **said}))
        if off_path:
            with pytest.raises(Invalid) as refusal:
                survey.merged(before, said)
            assert {(error.pointer, error.code) for error in refusal.value.errors} == {
                (f"/answers/{key}", "not_reached") for key in off_path
            }
            return
        merged = survey.merged(before, said)
        assert list(merged) == [key for key in path_of(kept, merged) if key in merged]
        assert all(answer == {**before, **said}[key] for key, answer in merged.items())
        assert survey.merged(merged, {}) == survey.merged(merged, said) == merged
        assert survey.walk(merged) == survey.walk({**before, **said})
