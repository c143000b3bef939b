"""The metrics computed the plain way, from raw rows and by the words of their definitions.

Shares no code with the room: local days come from `astimezone`, periods from calendar arithmetic, and being
alive is asked customer by customer.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)

Figures = tuple[date, Decimal, Decimal | None, int, int | None]
"""A snapshot's period end, numerator, denominator, n and squares."""

Made = tuple[Decimal | int, int | None, int]
"""Numerator, denominator, n."""


@dataclass(frozen=True)
class RawTouchpoint:
    contact_id: UUID
    kind: str
    occurred_at: datetime
    amount: Decimal | None
    deleted: bool


@dataclass(frozen=True)
class RawResponse:
    survey_id: UUID
    state: str
    score_type: str | None
    score: int | None
    is_test: bool
    answered_at: datetime | None
    answered_on: date


@dataclass(frozen=True)
class RawInvitation:
    created_at: datetime
    contact_id: UUID | None
    delivery: str
    is_test: bool
    answered: bool
    settled: bool


@dataclass(frozen=True)
class RawFollowup:
    origin_kind: str | None
    state: str
    opened_at: datetime
    contacted_at: datetime | None


@dataclass(frozen=True)
class World:
    """All rows of a workspace and the settings its metrics depend on."""

    touchpoints: list[RawTouchpoint]
    acquired: list[datetime]
    responses: list[RawResponse]
    invitations: list[RawInvitation]
    followups: list[RawFollowup]
    zone: ZoneInfo
    churn_after_days: int
    today: date


def snapshots(world: World) -> dict[tuple[str, str, date], Figures]:
    """Every snapshot there should be, by metric, grain and period start."""
    history, surveys = History(world), Surveys(world)
    first_day = min([*history.days, *surveys.days], default=None)
    found: dict[tuple[str, str, date], Figures] = {}
    for grain in ("day", "week", "month", "quarter"):
        for start, end in periods(first_day, world.today, grain):
            made = history.figures(start, end) | surveys.figures(start, end)
            for key, (numerator, denominator, n) in made.items():
                bottom = None if denominator is None else Decimal(denominator)
                squares = surveys.decided(start, end) if key == "net_promoter_score" else None
                found[key, grain, start] = (end, Decimal(numerator), bottom, n, squares)
    return found


def periods(first: date | None, today: date, grain: str) -> Iterator[tuple[date, date]]:
    if first is None:
        return
    start = start_of(first, grain)
    while start <= today:
        end = start + DAY
        while start_of(end, grain) == start:
            end += DAY
        yield start, end
        start = end


def start_of(day: date, grain: str) -> date:
    if grain == "week":
        while day.isoweekday() != 1:
            day -= DAY
    elif grain == "month":
        day = day.replace(day=1)
    elif grain == "quarter":
        day = day.replace(day=1)
        while day.month not in (1, 4, 7, 10):
            day = (day - DAY).replace(day=1)
    return day


class History:
    """What happened on which local day."""

    def __init__(self, world: World) -> None:
        self.churn_after_days = world.churn_after_days
        here = [(each, each.occurred_at.astimezone(world.zone).date()) for each in world.touchpoints]
        self.touchpoints = [(each, day) for each, day in here if not each.deleted]
        self.acquired = [instant.astimezone(world.zone).date() for instant in world.acquired]
        self.days = [*self.acquired, *(day for _, day in self.touchpoints)]
        self.bought: dict[UUID, set[date]] = {}
        for each, day in self.touchpoints:
            if each.kind == "purchase":
                self.bought.setdefault(each.contact_id, set()).add(day)

    def figures(self, start: date, end: date) -> dict[str, Made]:
        inside = [each for each, day in self.touchpoints if start <= day < end]
        purchases = [each.amount or Decimal(0) for each in inside if each.kind == "purchase"]
        refunds = [each.amount or Decimal(0) for each in inside if each.kind == "refund"]
        new_contacts = sum(start <= day < end for day in self.acquired)
        new_customers = sum(start <= min(days) < end for days in self.bought.values())
        active = sum(any(start <= day < end for day in days) for days in self.bought.values())
        so_far = [{day for day in days if day < end} for days in self.bought.values()]
        customers = sum(len(days) >= 1 for days in so_far)
        repeating = sum(len(days) >= 2 for days in so_far)
        at_start = [days for days in self.bought.values() if self.alive(days, start)]
        kept = sum(self.alive(days, end) for days in at_start)
        alive = len(at_start)
        return {
            "touchpoint_count": (len(inside), None, len(inside)),
            "net_revenue": (sum(purchases) - sum(refunds), None, len(purchases) + len(refunds)),
            "average_order_value": (sum(purchases), len(purchases), len(purchases)),
            "new_contacts": (new_contacts, None, new_contacts),
            "new_customers": (new_customers, None, new_customers),
            "active_customers": (active, None, active),
            "repeat_purchase_rate": (repeating, customers, customers),
            "retention_rate": (kept, alive, alive),
            "churn_rate": (alive - kept, alive, alive),
        }

    def alive(self, days: Iterable[date], at: date) -> bool:
        return any(at - self.churn_after_days * DAY <= day < at for day in days)


class Surveys:
    """What was asked, answered and followed up on which local day."""

    def __init__(self, world: World) -> None:
        def day(instant: datetime) -> date:
            return instant.astimezone(world.zone).date()

        scored = [
            each
            for each in world.responses
            if each.state == "completed" and not each.is_test and each.score is not None
        ]
        unlinked = Counter((each.survey_id, each.answered_on) for each in scored if not each.answered_at)
        self.scores = [
            (each.score_type, each.score, day(each.answered_at) if each.answered_at else each.answered_on)
            for each in scored
            if each.answered_at or unlinked[each.survey_id, each.answered_on] >= 5
        ]
        self.invited = [
            (each.answered and each.settled, day(each.created_at))
            for each in world.invitations
            if each.delivery == "sent" and not each.is_test and each.contact_id
        ]
        born = [each for each in world.followups if each.origin_kind == "survey_response"]
        self.opened = [
            (each.state == "done", day(each.opened_at)) for each in born if each.state != "cancelled"
        ]
        self.contacted = [
            ((each.contacted_at - each.opened_at) / timedelta(seconds=1), day(each.contacted_at))
            for each in born
            if each.contacted_at
        ]
        dated = (self.scores, self.invited, self.opened, self.contacted)
        self.days: list[date] = [entry[-1] for entries in dated for entry in entries]

    def figures(self, start: date, end: date) -> dict[str, Made]:
        nps, csat, ces = (self.given(score_type, start, end) for score_type in ("nps", "csat", "ces"))
        promoters, detractors = sum(score in (9, 10) for score in nps), sum(score <= 6 for score in nps)
        invited = [answered for answered, day in self.invited if start <= day < end]
        opened = [done for done, day in self.opened if start <= day < end]
        contacted = [seconds for seconds, day in self.contacted if start <= day < end]
        return {
            "net_promoter_score": (promoters - detractors, len(nps), len(nps)),
            "customer_satisfaction": (sum(score in (4, 5) for score in csat), len(csat), len(csat)),
            "customer_effort": (sum(score in (5, 6, 7) for score in ces), len(ces), len(ces)),
            "survey_response_rate": (sum(invited), len(invited), len(invited)),
            "loop_closed_rate": (sum(opened), len(opened), len(opened)),
            "time_to_contact_minutes": (Decimal(sum(contacted)) / 60, len(contacted), len(contacted)),
        }

    def decided(self, start: date, end: date) -> int:
        """Promoters and detractors."""
        return sum(score not in (7, 8) for score in self.given("nps", start, end))

    def given(self, score_type: str, start: date, end: date) -> list[int]:
        return [
            score
            for kind, score, day in self.scores
            if kind == score_type and score is not None and start <= day < end
        ]
