"""The year of the demo, without a database."""

from collections import Counter
from datetime import UTC, datetime
from itertools import chain

from app.commands.demo_world import Year

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_the_same_day_gives_the_same_year() -> None:
    assert list(Year(NOW, 50).people()) == list(Year(NOW, 50).people())


def test_a_year_is_of_the_promised_size() -> None:
    people = list(Year(NOW, 500).people())
    assert 5_000 <= sum(len(person.touchpoints) for person in people) <= 7_000


def test_nothing_happens_after_now_or_before_the_year() -> None:
    people = Year(NOW, 100).people()
    moments = [touchpoint["occurred_at"] for person in people for touchpoint in person.touchpoints]
    assert max(moments) <= NOW.isoformat()
    assert min(moments) >= "2025-11-18"


def test_business_of_every_kind_is_in_it() -> None:
    people = list(Year(NOW, 500).people())
    kinds = Counter(each["kind"] for each in chain.from_iterable(person.touchpoints for person in people))
    stages = Counter(person.contact["lifecycle_stage"] for person in people)
    assert kinds["purchase"] > kinds["refund"] > 0
    assert {"visit", "message", "campaign_response", "support_case", "support_resolved"} <= set(kinds)
    assert set(stages) == {"lead", "prospect", "customer", "advocate", "churned"}
