"""A plausible year of a small shop, made up: the same for the same last day, whoever runs it.

What a buyer does follows from a few habits: when they came, how often they buy, when they stop. On top of
that lie the seasons, the days of the week, a monthly newsletter and what goes wrong with an order.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

SEED = 20_261_121
CONTACTS = 5_000
DAYS = 365
ZONE = ZoneInfo("Europe/Berlin")
CURRENCY = "EUR"
SOURCE = "demo"

GIVEN = (
    "Ada", "Alma", "Amir", "Anna", "Aylin", "Ben", "Carla", "Chen", "Clara", "David", "Elena", "Elif",
    "Emil", "Emma", "Felix", "Finn", "Freya", "Greta", "Hana", "Hugo", "Ida", "Ines", "Ivan", "Jana",
    "Jonas", "Julia", "Kaan", "Karl", "Lara", "Lea", "Leon", "Lina", "Luca", "Luisa", "Mara", "Marie",
    "Max", "Mia", "Mila", "Milan", "Nadia", "Nico", "Nina", "Noah", "Nora", "Olga", "Oskar", "Paul",
    "Pia", "Rania", "Rosa", "Samir", "Sara", "Sofia", "Tara", "Theo", "Tilda", "Tom", "Vera", "Yara",
    "Zoe",
)  # fmt: skip
FAMILY = (
    "Adler", "Albrecht", "Arslan", "Bauer", "Becker", "Berg", "Brandt", "Braun", "Costa", "Demir",
    "Dietrich", "Ebert", "Engel", "Fischer", "Frank", "Fuchs", "Garcia", "Graf", "Haas", "Hahn",
    "Hansen", "Hartmann", "Huber", "Ivanov", "Jansen", "Kaya", "Keller", "Klein", "Koch", "Krause",
    "Kruse", "Lang", "Lehmann", "Lenz", "Lorenz", "Maier", "Marino", "Meyer", "Moreau", "Nguyen",
    "Novak", "Otto", "Peters", "Petrov", "Pohl", "Rossi", "Roth", "Schmidt", "Schulz", "Seidel",
    "Silva", "Sommer", "Stein", "Vogel", "Voss", "Wagner", "Weber", "Winter", "Wolf", "Yilmaz",
    "Ziegler",
)  # fmt: skip
COMPANIES = ("Birkenhof", "Hafenwerk", "Kontor Nord", "Lindenlabs", "Morgenrot", "Studio Elf", "Talwerk")
PRODUCTS = ("Coffee beans", "Espresso set", "Hand grinder", "Filter papers", "Tea sampler", "Travel mug")

# How a month compares with the year's mean, January first, and a day with the week's, Monday first.
SEASON = (0.78, 0.80, 0.92, 0.95, 1.02, 0.97, 0.86, 0.82, 0.98, 1.06, 1.38, 1.46)
WEEKDAY = (1.02, 0.96, 0.98, 1.00, 1.14, 1.10, 0.80)
HOURS = (8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22)
HOUR_WEIGHTS = (2, 3, 4, 5, 5, 4, 4, 4, 5, 6, 7, 9, 10, 8, 4)


@dataclass(frozen=True, slots=True)
class Habit:
    """A kind of buyer: their share, orders a month, the chance to stop after an order, a usual basket."""

    name: str
    share: float
    orders_a_month: float
    stops: float
    basket: float


HABITS = (
    Habit("browser", 0.24, 0.0, 0.0, 0.0),
    Habit("once", 0.30, 0.9, 0.85, 42.0),
    Habit("regular", 0.34, 0.75, 0.07, 55.0),
    Habit("loyal", 0.12, 1.35, 0.03, 74.0),
)
CHANNELS = ("web", "social", "email", "store", "other")
CHANNEL_SHARES = (46, 22, 14, 12, 6)
LOYAL_FROM = 8
"""Orders after which somebody counts as an advocate."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the year: their contact, as the API takes it, and the touchpoints they leave."""

    contact: dict[str, Any]
    touchpoints: list[dict[str, Any]]


class Year:
    """The year that ends on `today`, up to the instant `now`."""

    def __init__(self, now: datetime, contacts: int = CONTACTS) -> None:
        self._now = now
        self._contacts = contacts
        self._today = now.astimezone(ZONE).date()
        self._first = self._today - timedelta(days=DAYS - 1)
        self._random = random.Random(SEED)  # noqa: S311  (a story, not a secret)

    @property
    def today(self) -> date:
        return self._today

    @property
    def begins(self) -> datetime:
        """The first instant of its first day."""
        return datetime.combine(self._first, time(), ZONE).astimezone(UTC)

    def people(self) -> Iterator[Person]:
        """Everybody, in the order in which they came."""
        days = sorted(self._arrival() for _ in range(self._contacts))
        for number, day in enumerate(days, start=1):
            yield self._person(number, day)

    def _arrival(self) -> date:
        """Every third comes in the first weeks, when word gets around; of the others more and more."""
        if self._random.random() < 0.34:
            return self._first + timedelta(days=int(self._random.triangular(0, 45, 0)))
        while True:
            age = (DAYS - 1) * self._random.random() ** 1.25
            day = self._today - timedelta(days=int(age))
            if self._random.random() < self._traffic(day) / 1.7:
                return day

    def _person(self, number: int, arrival: date) -> Person:
        habit = self._random.choices(HABITS, [each.share for each in HABITS])[0]
        channel = self._random.choices(CHANNELS, CHANNEL_SHARES)[0]
        story = _Story(self._random, self._now, habit, channel)
        story.live(arrival, self._today, self._traffic)
        for place, touchpoint in enumerate(story.touchpoints, start=1):
            touchpoint["external_id"] = f"T-{number:05d}-{place:03d}"
        return Person(self._contact(number, arrival, channel, story), story.touchpoints)

    def _contact(self, number: int, arrival: date, channel: str, story: "_Story") -> dict[str, Any]:
        given, family = self._random.choice(GIVEN), self._random.choice(FAMILY)
        campaign = f"newsletter-{arrival:%Y-%m}" if channel == "email" else None
        contact = {
            "given_name": given,
            "family_name": family,
            "emails": [{"address": f"{given}.{family}.{number}@example.com".lower()}],
            "lifecycle_stage": story.stage(self._today),
            "tags": ["newsletter"] if story.reads_newsletter else [],
            "external_ids": [{"source": SOURCE, "id": f"C-{number:05d}"}],
            "locale": self._random.choice(("de-DE", "de-DE", "de-AT", "en-GB")),
            "acquired_at": min(_moment(self._random, arrival), self._now).isoformat(),
            "acquisition_channel": channel,
            "acquisition_campaign": campaign,
        }
        if self._random.random() < 0.15:
            contact["company"] = self._random.choice(COMPANIES)
        return contact

    def _traffic(self, day: date) -> float:
        """How busy a day is, 1 being usual."""
        return SEASON[day.month - 1] * WEEKDAY[day.weekday()]


class _Story:
    """What one person does, day by day."""

    def __init__(self, chance: random.Random, now: datetime, habit: Habit, channel: str) -> None:
        self._random = chance
        self._now = now
        self._habit = habit
        self._channel = channel
        self.reads_newsletter = chance.random() < 0.45
        self.touchpoints: list[dict[str, Any]] = []
        self.orders: list[date] = []
        self._stopped = False

    def live(self, arrival: date, today: date, traffic: Any) -> None:
        """From the first visit to today, or until they lose interest."""
        self._happens(arrival, "visit", "web" if self._channel != "store" else "store")
        day = arrival
        while day <= today:
            self._newsletter(day)
            if not self._stopped:
                self._spend(day, traffic(day))
            day += timedelta(days=1)

    def stage(self, today: date) -> str:
        """Where the relationship stands at the end of the year."""
        if not self.orders:
            return "prospect" if self.reads_newsletter else "lead"
        if today - self.orders[-1] > timedelta(days=90):
            return "churned"
        return "advocate" if len(self.orders) >= LOYAL_FROM else "customer"

    def _spend(self, day: date, traffic: float) -> None:
        orders_today = self._habit.orders_a_month / 30 * traffic
        if self._random.random() < orders_today:
            self._order(day)
        elif self._random.random() < orders_today * 0.5 + 0.0058:
            self._happens(day, "visit", self._random.choice(("web", "web", "app", "social")))

    def _order(self, day: date) -> None:
        self.orders.append(day)
        if self._random.random() < 0.55:
            self._happens(day - timedelta(days=self._random.choice((0, 0, 1, 2))), "visit", "web")
        amount = self._habit.basket * self._random.lognormvariate(0, 0.45)
        amount *= 1.12 if day.month in (11, 12) else 1.0
        bought = self._random.choice(PRODUCTS)
        channel = "store" if self._channel == "store" else self._random.choice(("web", "web", "web", "app"))
        self._happens(day, "purchase", channel, amount=amount, summary=bought)
        self._trouble(day, amount, bought)
        if self._random.random() < self._habit.stops:
            self._stopped = True

    def _trouble(self, day: date, amount: float, bought: str) -> None:
        """One order in twenty-five comes back, one in twelve raises a question; either may end it all."""
        if self._random.random() < 0.04:
            share = self._random.choice((1.0, 1.0, 0.5))
            later = day + timedelta(days=self._random.randint(3, 18))
            self._happens(later, "refund", "web", amount=amount * share, summary=f"Returned: {bought}")
            self._stopped = self._stopped or self._random.random() < 0.25
        if self._random.random() < 0.08:
            asked = day + timedelta(days=self._random.randint(1, 6))
            channel = self._random.choice(("email", "chat", "phone"))
            self._happens(asked, "support_case", channel, summary=f"Question about {bought.lower()}")
            solved = asked + timedelta(days=self._random.choice((0, 1, 1, 2, 4)))
            self._happens(solved, "support_resolved", channel, direction="outbound")

    def _newsletter(self, day: date) -> None:
        """On the first Tuesday of the month; one in nine answers."""
        if not self.reads_newsletter or day.weekday() != 1 or day.day > 7:
            return
        campaign = f"newsletter-{day:%Y-%m}"
        self._happens(day, "message", "email", direction="outbound", campaign=campaign)
        if self._random.random() < 0.11:
            later = day + timedelta(days=self._random.choice((0, 0, 1)))
            self._happens(later, "campaign_response", "email", campaign=campaign)

    def _happens(
        self, day: date, kind: str, channel: str, *, amount: float | None = None, **more: Any
    ) -> None:
        moment = _moment(self._random, day)
        if moment > self._now:
            return
        if amount is not None:
            more["value"] = {"amount": f"{max(amount, 1):.2f}", "currency": CURRENCY}
        more |= {"kind": kind, "channel": channel, "occurred_at": moment.isoformat(), "source": SOURCE}
        self.touchpoints.append(more)


def _moment(chance: random.Random, day: date) -> datetime:
    hour = chance.choices(HOURS, HOUR_WEIGHTS)[0]
    local = datetime.combine(day, time(hour, chance.randrange(60), chance.randrange(60)), ZONE)
    return local.astimezone(UTC)
