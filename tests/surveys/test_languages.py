"""The language in which a visitor reads a survey."""

from typing import Any

import pytest

from app.surveys.service.languages import accept_language, in_language
from app.surveys.service.questionnaire import Questionnaire
from tests.surveys.survey_world import question, stored, where

TITLE = {"en": "Hello", "de": "Hallo", "de-CH": "Grüezi", "fr": "Bonjour"}


@pytest.mark.parametrize(
    ("wanted", "default", "got"),
    [
        (["de-CH"], "en", "Grüezi"),
        (["DE-ch"], "en", "Grüezi"),
        (["de-AT"], "en", "Hallo"),
        (["de-CH-1996"], "en", "Grüezi"),
        (["it"], "fr", "Bonjour"),
        (["it"], "fr-CA", "Bonjour"),
        (["it", "fr"], "en", "Bonjour"),
        (["de-AT", "fr"], "en", "Hallo"),
        ([], "en-GB", "Hello"),
        (["it"], "es", "Hallo"),
    ],
)
def test_the_nearest_translation_is_shown(wanted: list[str], default: str, got: str) -> None:
    assert in_language(TITLE, wanted, default) == got


def test_the_last_resort_does_not_depend_on_the_order_of_the_translations() -> None:
    assert in_language(dict(reversed(TITLE.items())), ["it"], "es") == in_language(TITLE, ["it"], "es")


def test_one_text_is_for_everybody() -> None:
    assert in_language("Hello", ["de"], "fr") == "Hello"


def asking(*texts: Any) -> Questionnaire:
    return Questionnaire.read(
        stored(*(question(f"q{n}", "text") | {"text": text} for n, text in enumerate(texts))), "custom"
    )


class TestSurveys:
    def test_each_text_falls_back_by_itself(self) -> None:
        survey = asking({"en": "One", "de": "Eins"}, {"en": "Two"}, "Three")

        locale, shown = survey.localised(["de-AT"], "en")

        assert locale == "de"
        assert [each.text for each in shown] == ["Eins", "Two", "Three"]

    @pytest.mark.parametrize(
        ("texts", "wanted", "locale"),
        [
            (["One"], ["de"], "en-GB"),
            ([{"de": "Eins"}], ["fr"], "de"),
            ([{"de": "Eins"}, "Two"], ["fr"], "en-GB"),
            ([{"de": "Eins"}, {"de-AT": "Zwei"}], ["de-at"], "de-AT"),
        ],
    )
    def test_the_locale_is_the_best_of_those_there_are(
        self, texts: list[Any], wanted: list[str], locale: str
    ) -> None:
        assert asking(*texts).localised(wanted, "en-GB")[0] == locale

    def test_a_visitor_gets_all_that_it_takes_to_ask(self) -> None:
        condition = where("score", "lte", 6)
        reasons = [{"key": "price", "text": {"de": "Preis", "en": "Price"}}, {"key": "other", "text": "?"}]
        kept = stored(
            question("score", "nps"),
            question("why", "multi_choice", choices=reasons, max_choices=1, help="Hm?", show_if=condition),
            question("when", "date", min="2026-01-01"),
            type="nps",
        )

        _, shown = Questionnaire.read(kept, "nps").localised(["de"], "en")

        score, why, when = [each.model_dump(mode="json", exclude_none=True) for each in shown]
        assert score == {
            "key": "score", "type": "nps", "text": "What of score?", "required": True, "min": 0, "max": 10
        }  # fmt: skip
        assert why["choices"] == [{"key": "price", "text": "Preis"}, {"key": "other", "text": "?"}]
        assert (why["help"], why["max_choices"], why["show_if"]) == ("Hm?", 1, condition)
        assert when["min"] == "2026-01-01"


class TestAcceptLanguage:
    @pytest.mark.parametrize(
        ("header", "tags"),
        [
            ("", []),
            ("de", ["de"]),
            ("de-CH, de;q=0.9, en;q=0.8, *;q=0.5", ["de-CH", "de", "en"]),
            ("en;q=0.1,de;q=0.2", ["de", "en"]),
            ("en, de", ["en", "de"]),
            ("en;q=0, de", ["de"]),
            ("en; Q=0.5 , de", ["de", "en"]),
            ("en;q=2, de;q=, fr;q=x, not a tag, ;;, it", ["it"]),
            ("*", []),
            ("zh-Hant-TW", ["zh-Hant-TW"]),
        ],
    )
    def test_it_is_read_best_first_and_past_what_is_malformed(self, header: str, tags: list[str]) -> None:
        assert accept_language(header) == tags

    def test_it_is_read_no_further_than_twenty_languages(self) -> None:
        assert len(accept_language(",".join(["en"] * 500))) == 20
