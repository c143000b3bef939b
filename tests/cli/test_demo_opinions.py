"""What the people of the demo think, without a database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import mean

import pytest

from app.commands.demo_opinions import ASKINGS, Ask, Opinion, Opinions
from app.commands.demo_world import Person, Year

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return list(Year(NOW, 1_000).people())


@pytest.fixture(scope="module")
def opinions(people: list[Person]) -> Opinions:
    return Opinions(NOW, people)


def test_the_same_people_have_the_same_opinions(people: list[Person], opinions: Opinions) -> None:
    again = Opinions(NOW, people)
    assert again.told == opinions.told
    assert again.objecting == opinions.objecting


def test_the_score_is_one_that_a_shop_may_have(opinions: Opinions) -> None:
    scores = [opinion.answers["score"] for opinion in opinions.told if opinion.survey == "nps"]
    promoters, detractors = sum(score >= 9 for score in scores), sum(score <= 6 for score in scores)
    assert len(scores) > 300
    assert 10 <= 100 * (promoters - detractors) / len(scores) <= 70


def test_nobody_is_asked_twice_within_90_days(opinions: Opinions) -> None:
    by_person = sorted((ask.person, ask.asked_at) for ask in opinions.asked)
    gaps = [later[1] - first[1] for first, later in pairwise(by_person) if first[0] == later[0]]
    assert gaps
    assert min(gaps) >= timedelta(days=90)


def test_an_answer_follows_what_it_is_about(people: list[Person], opinions: Opinions) -> None:
    askings = {asking.survey: asking for asking in ASKINGS}
    for opinion in opinions.told:
        asking = askings[opinion.survey]
        due = [
            datetime.fromisoformat(touchpoint["occurred_at"]) + asking.delay
            for touchpoint in people[opinion.person].touchpoints
            if touchpoint["kind"] == asking.kind
        ]
        asked = [ask.asked_at for ask in opinions.asked if _is_for(ask, opinion)]
        assert min(due) < min(asked) < opinion.answered_at <= opinion.told_at <= NOW


def test_who_sent_something_back_recommends_less(people: list[Person], opinions: Opinions) -> None:
    returned = [score for opinion, score in _recommendations(opinions) if _had_refund(people, opinion)]
    others = [score for opinion, score in _recommendations(opinions) if not _had_refund(people, opinion)]
    assert mean(returned) < mean(others) - 1


def test_who_comes_back_recommends_more(people: list[Person], opinions: Opinions) -> None:
    content = [pair for pair in _recommendations(opinions) if not _had_refund(people, pair[0])]
    first = [score for opinion, score in content if _orders(people, opinion) == 1]
    regulars = [score for opinion, score in content if _orders(people, opinion) >= 5]
    assert mean(regulars) > mean(first)


@pytest.mark.parametrize("language", ["de", "en"])
def test_comments_are_varied_in_either_language(opinions: Opinions, language: str) -> None:
    said = [
        opinion.answers["why"]
        for opinion in opinions.told
        if opinion.locale.startswith(language) and "why" in opinion.answers
    ]
    assert len(said) > 30
    assert len(set(said)) > len(said) / 2


def test_followups_come_to_something_or_not_yet(opinions: Opinions) -> None:
    bad = [opinion for opinion in opinions.told if opinion.answers.get("score", 10) <= 6]
    cared = [opinion.care for opinion in bad if opinion.care is not None]
    assert {care.state for care in cared if care.closed_at is not None} == {"done", "cancelled"}
    assert any(opinion.care is None for opinion in bad)
    assert any(care.closed_at is None for care in cared)


def test_mornings_hold_everything_in_its_order(opinions: Opinions) -> None:
    mornings = opinions.mornings()
    assert [morning.at for morning in mornings] == sorted({morning.at for morning in mornings})
    assert [told for morning in mornings for told in morning.told] == opinions.told
    assert {ask for morning in mornings for ask in morning.asked} == set(opinions.asked)


def test_who_objects_has_not_answered(opinions: Opinions) -> None:
    assert opinions.objecting
    assert opinions.unreachable
    silent = {*opinions.objecting, *opinions.unreachable}
    assert silent.isdisjoint({opinion.person for opinion in opinions.told})


def test_a_year_of_one_person_has_no_surprises() -> None:
    people = list(Year(NOW, 1).people())
    assert len(Opinions(NOW, people).told) <= 5


def _recommendations(opinions: Opinions) -> Iterator[tuple[Opinion, int]]:
    for opinion in opinions.told:
        if opinion.survey == "nps":
            yield opinion, opinion.answers["score"]


def _is_for(ask: Ask, opinion: Opinion) -> bool:
    return (ask.person, ask.survey) == (opinion.person, opinion.survey) and ask.asked_at < opinion.answered_at


def _had_refund(people: list[Person], opinion: Opinion) -> bool:
    return "refund" in _kinds_before(people, opinion)


def _orders(people: list[Person], opinion: Opinion) -> int:
    return _kinds_before(people, opinion).count("purchase")


def _kinds_before(people: list[Person], opinion: Opinion) -> list[str]:
    return [
        touchpoint["kind"]
        for touchpoint in people[opinion.person].touchpoints
        if datetime.fromisoformat(touchpoint["occurred_at"]) <= opinion.answered_at
    ]
