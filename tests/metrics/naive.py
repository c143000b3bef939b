"""The metrics computed the plain way, from raw rows and by the words of their definitions.

Shares no code with the room: local days come from `astimezone`, periods from calendar arithmetic, and being
alive is asked customer by customer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)

Figures = tuple[date, Decimal, Decimal | None, int]
"""A snapshot's period end, numerator, denominator and n."""


@dataclass(frozen=True)
class RawTouchpoint:
    contact_id: UUID
    kind: str
    occurred_at: datetime
    amount: Decimal | None
    deleted: bool


@dataclass(frozen=True)
class World:
    """All rows of a workspace and the settings its metrics depend on."""

    touchpoints: list[RawTouchpoint]
    acquired: list[datetime]
    zone: ZoneInfo
    churn_after_days: int
    today: date


def snapshots(world: World) -> dict[tuple[str, str, date], Figures]:
    """Every snapshot there should be, by metric, grain and period start."""
    history = History(world)
    found: dict[tuple[str, str, date], Figures] = {}
    for grain in ("day", "week", "month", "quarter"):
        for start, end in periods(history.first_day, world.today, grain):
            for key, (numerator, denominator, n) in history.figures(start, end).items():
                bottom = None if denominator is None else Decimal(denominator)
                found[key, grain, start] = (end, Decimal(numerator), bottom, n)
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
        self.first_day = min([*self.acquired, *(day for _, day in self.touchpoints)], default=None)
        self.bought: dict[UUID, set[date]] = {}
        for each, day in self.touchpoints:
            if each.kind == "purchase":
                self.bought.setdefault(each.contact_id, set()).add(day)

    def figures(self, start: date, end: date) -> dict[str, tuple[Decimal | int, int | None, int]]:
        """By metric: numerator, denominator, n."""
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
