"""What free answers are about and how they sound, without a database and without a network."""

import math
import socket
import subprocess
import sys
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vader import polarity_scores

from app.surveys.service.sentiment import combined, sentiment_of
from app.surveys.service.themes import Answer, Theme, themes


def answers(*texts: str, scores: tuple[int | None, ...] = ()) -> list[Answer]:
    scores = scores or (None,) * len(texts)
    return [
        Answer(UUID(int=place), text, score)
        for place, (text, score) in enumerate(zip(texts, scores, strict=True))
    ]


def counts(found: list[Theme]) -> dict[str, int]:
    return {theme.term: theme.count for theme in found}


def test_forms_of_a_word_are_one_theme_under_its_most_common_form() -> None:
    found = themes(answers("Deliveries!", "My delivery", "DELIVERY; delivery", "Parcel"), "en")
    assert counts(found) == {"delivery": 3}


def test_an_answer_counts_once_however_often_it_says_it() -> None:
    assert counts(themes(answers("price, price, price", "price"), "en")) == {"price": 2}


def test_stop_words_numbers_and_single_letters_are_no_themes() -> None:
    assert themes(answers("it was the 24 x and I", "it was the 24 x and I"), "en") == []


def test_what_customers_order_and_pay_is_no_stop_word() -> None:
    assert counts(themes(answers("my order", "an order"), "en")) == {"order": 2}


def test_a_pair_takes_the_place_of_words_that_it_explains() -> None:
    found = themes(
        answers(
            "customer service", "Customer service!", "customer services", "service", "service", "service"
        ),
        "en",
    )
    assert counts(found) == {"service": 6, "customer service": 3}


def test_a_pair_does_not_reach_across_punctuation_lines_or_stop_words() -> None:
    found = themes(answers(*["app, crash", "app\ncrash", "app and crash"] * 2), "en")
    assert counts(found) == {"app": 6, "crash": 6}


def test_a_hyphen_joins_a_pair() -> None:
    assert counts(themes(answers("check-out broken", "check out", "check-out"), "de")) == {"check out": 3}


def test_the_share_and_the_mean_score_of_those_who_mention_it() -> None:
    (theme,) = themes(answers("price", "price", "price", "staff", scores=(2, 5, None, 10)), "en")
    assert (theme.term, theme.share, theme.mean_score) == ("price", Decimal("0.75"), Decimal("3.5"))


def test_without_scores_there_is_no_mean() -> None:
    (theme,) = themes(answers("price", "price"), "en")
    assert theme.mean_score is None


def test_examples_are_the_first_three() -> None:
    (theme,) = themes(answers(*["price"] * 5), "en")
    assert [example.id for example in theme.examples] == [UUID(int=place) for place in range(3)]


def test_an_excerpt_shows_the_mention() -> None:
    texts = ["x " * 500 + "price" + " y" * 500, "price", "a" * 50 + " price"]
    (theme,) = themes(answers(*texts), "en")
    far, alone, near = (example.excerpt for example in theme.examples)
    assert far.startswith("…x")
    assert " price y" in far
    assert far.endswith("y…")
    assert len(far) <= 160
    assert (alone, near) == ("price", "a" * 50 + " price")


def test_other_languages_have_their_own_stop_words_and_stems() -> None:
    found = themes(
        answers("Die Lieferung war gut", "Lieferungen sind nicht gut", "das war die Lieferung"), "de-AT"
    )
    assert found[0].term == "lieferung"
    assert {"die", "war", "das"}.isdisjoint(counts(found))
    assert {theme.sentiment.reason for theme in found} == {"unsupported_language"}


def test_without_a_locale_the_words_tell_the_language() -> None:
    texts = ("Die Lieferung war gut", "Lieferungen sind nicht gut", "das war die Lieferung")
    assert counts(themes(answers(*texts), None)) == counts(themes(answers(*texts), "de"))


def test_each_answer_is_read_in_its_own_language() -> None:
    mixed = [
        *answers("Die Lieferung war zu spät", "die Lieferungen sind zu spät"),
        *answers("The app is slow", "Apps are too slow in the morning"),
    ]
    assert counts(themes(mixed, None)) == {"app": 2, "slow": 2, "lieferung": 2, "spät": 2}


def test_a_locale_that_the_words_contradict_is_not_believed() -> None:
    found = themes(answers("Die Lieferung war schlecht", "Die Lieferungen sind zu spät"), "en")
    assert counts(found) == {"lieferung": 2}


def test_an_answer_is_in_the_language_it_says() -> None:
    said = [
        Answer(UUID(int=place), text, locale=locale)
        for place, (text, locale) in enumerate(
            [("prices", "en"), ("price", "en"), ("Preise", "de"), ("Preis", "de")]
        )
    ]
    assert counts(themes(said, None)) == {"preis": 2, "price": 2}


def test_small_words_of_german_are_no_themes() -> None:
    text = "Seit gestern geht leider schon wieder gar nichts mehr, das wurde bitte immer"
    assert counts(themes(answers(text, text), "de")) == {"gestern": 2}


def test_an_unknown_language_still_has_themes() -> None:
    assert counts(themes(answers("nuqneH tera", "nuqneH"), "tlh")) == {"nuqneh": 2}


def test_least_and_most_are_heeded() -> None:
    given_ = answers("price staff", "price. staff", "price")
    assert counts(themes(given_, "en", least=3)) == {"price": 3}
    assert counts(themes(given_, "en", most=1)) == {"price": 3}
    assert themes([], "en") == []


def test_the_same_answers_give_the_same_themes_in_every_process() -> None:
    """Sets of strings come in another order in each process."""
    program = (
        "from uuid import UUID\n"
        "from app.surveys.service.themes import Answer, themes\n"
        "texts = ['slow delivery of broken parts', 'broken parts, slow site', 'nice slow delivery'] * 4\n"
        "print(themes([Answer(UUID(int=i), text, i) for i, text in enumerate(texts)], 'en'))\n"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(runs) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "hostile",
    [
        "a'" * 5000, "'" * 10_000, "!" * 10_000, "a-" * 5000, ":(" * 5000, "\n" * 10_000, "é" * 10_000,
        "_" * 10_000, "😀" * 10_000, "\ufdfa" * 10_000, "not " * 2500, "but " * 2500, "good " * 2000,
        "\x00\u202e\ud7ff" * 3000,
    ],
)  # fmt: skip
def test_hostile_texts_are_read_like_any_other(hostile: str) -> None:
    """Of patterns that retry, none would come back while the suite waits."""
    themes(answers(*[hostile] * 20), "en")
    assert -1 <= (sentiment_of(hostile, None).value or 0) <= 1


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_text_can_be_read(texts: list[str]) -> None:
    for theme in themes(answers(*texts), None):
        assert theme.count >= 2
        assert all(example.excerpt for example in theme.examples)


def test_texts_stay_out_of_what_is_printed() -> None:
    given_ = answers("secret price", "secret price")
    (theme,) = themes(given_, "en")
    assert "secret" not in repr(given_)
    assert "secret" not in repr(theme.examples)


@pytest.mark.parametrize(
    "text",
    [
        "the food was great",
        "not good at all",
        "very good service",
        "extremely bad",
        "the staff was friendly but the food was terrible",
        "no problem with the order",
        "slightly broken",
        "i love it ❤️",
        "nice :)",
        "it isn't helpful",
        "never had such awful coffee",
    ],
)
def test_plain_sentences_get_the_value_of_the_reference(text: str) -> None:
    assert sentiment_of(text, "en").value == pytest.approx(polarity_scores(text)["compound"], abs=1e-4)


def test_the_words_explain_the_value() -> None:
    found = sentiment_of("Friendly staff. The delivery was late, though, and the parcel broken!", "en-GB")
    assert [each.word for each in found.words] == ["friendly", "broken", "late"]
    total = sum(each.weight for each in found.words)
    assert found.value == pytest.approx(total / math.sqrt(total**2 + 15))
    assert found.label == "negative"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Great!", "positive"),
        ("it came on a tuesday", "neutral"),
        ("not great", "negative"),
        ("no", "negative"),
        ("Customer support never got back to me.", "negative"),
        ("The phone support is useless", "negative"),
        ("Support was friendly but couldn't solve my problem.", "negative"),
        ("The checkout page doesn't work", "negative"),
        ("Nobody answered", "negative"),
        ("they answered", "neutral"),
        ("Everything works as expected", "positive"),
        ("Works well, no issues so far", "positive"),
        ("Too many emails", "negative"),
        ("not too many emails", "positive"),
        ("Please add dark mode", "neutral"),
        ("I want to export to Excel", "neutral"),
        ("Can't complain", "positive"),
        ("Couldn't be happier", "positive"),
        ("It could not be worse", "negative"),
        ("not fast or reliable", "negative"),
    ],
)
def test_labels(text: str, label: str) -> None:
    assert sentiment_of(text, "en").label == label


@pytest.mark.parametrize(
    ("text", "locale", "reason"),
    [
        ("Great!", "de-DE", "unsupported_language"),
        ("Die Lieferung war gut", "en", "other_language"),
        ("Die Lieferung war gut", None, "other_language"),
        ("Schnell", None, "no_known_word"),
        ("速い", "en", "no_known_word"),
        ("", "en", "no_known_word"),
    ],
)
def test_of_a_language_it_does_not_know_it_says_so(text: str, locale: str | None, reason: str) -> None:
    found = sentiment_of(text, locale)
    assert (found.value, found.label, found.reason, list(found.words)) == (None, None, reason, [])


def test_together_they_sound_like_those_that_can_be_read() -> None:
    good, silent = sentiment_of("great", "en"), sentiment_of("gut", "de")
    assert combined([good, silent]) == good
    assert combined([silent, silent]) == silent


def test_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    assert themes(answers("bad price", "bad price"), "en")[0].sentiment.label == "negative"
