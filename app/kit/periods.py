"""Calendar periods, and where a local day lies on the world's one timeline.

Periods are half-open ranges of local days; weeks are ISO weeks and start on Monday. A *day* of a time zone
is a half-open range of UTC instants. It begins once the zone's clocks show no earlier date any more:

- midnight, usually; the first of two midnights when clocks go back from 01:00 to 00:00 (Havana);
- the jump itself when clocks skip midnight (Sao Paulo until 2018);
- the *second* midnight when clocks go back over it, from 00:01 to 23:01 (St John's until 2011);
- a day that a zone skips (Apia, 2011-12-30) begins and ends at the jump: it holds no instant.

So a zone's days follow each other with neither gap nor overlap, and each instant belongs to exactly one.
Good for the years 1900 to 2200.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Grain = Literal["day", "week", "month", "quarter"]

ONE_DAY = timedelta(days=1)
_LONGEST_IN_DAYS: dict[Grain, int] = {"day": 1, "week": 7, "month": 31, "quarter": 92}


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Local days from `start` up to, and without, `end`."""

    start: date
    end: date

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end


def period_of(day: date, grain: Grain) -> Period:
    """The period of that grain which holds the day."""
    start = _first_day(day, grain)
    return Period(start, _first_day(start + timedelta(days=_LONGEST_IN_DAYS[grain]), grain))


def next_period(period: Period, grain: Grain) -> Period:
    """The period that begins where this one ends."""
    return period_of(period.end, grain)


def previous_period(period: Period, grain: Grain) -> Period:
    """The period that ends where this one begins."""
    return period_of(period.start - ONE_DAY, grain)


def periods_between(start: date, end: date, grain: Grain) -> Iterator[Period]:
    """Every period with at least one day in the half-open [start, end), oldest first."""
    while start < end:
        period = period_of(start, grain)
        yield period
        start = period.end


def period_number(day: date, grain: Grain) -> int:
    """A running number of the day's period: neighbours differ by one, so differences count periods."""
    match grain:
        case "day":
            return day.toordinal()
        case "week":
            return (day.toordinal() - 1) // 7
        case "month":
            return day.year * 12 + day.month - 1
        case "quarter":
            return day.year * 4 + (day.month - 1) // 3


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The UTC instants [from, to) that make up this day in the zone: mostly 23 to 25 hours, seldom none."""
    return day_start(day, zone), day_start(day + ONE_DAY, zone)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The UTC instant from which on the zone's clocks show this day or a later one."""
    midnight = datetime.combine(day, time(), tzinfo=zone)
    first = midnight.astimezone(UTC)
    second = midnight.replace(fold=1).astimezone(UTC)
    if second < first:
        return _jump_over_midnight(day, zone, second, first)
    if second > first and _shown(second - timedelta.resolution, zone) < day:
        return second
    return first


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The day of the zone whose bounds hold the instant. Raises ValueError for an instant without offset."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs an offset")
    day = _shown(instant, zone)
    while instant < day_start(day, zone):
        day -= ONE_DAY
    return day


def _first_day(day: date, grain: Grain) -> date:
    match grain:
        case "day":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return date(day.year, day.month - (day.month - 1) % 3, 1)


def _shown(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()


def _jump_over_midnight(day: date, zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The whole second in (before, after] at which the clocks jump to this day or past it, by bisection."""
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if _shown(middle, zone) < day:
            before = middle
        else:
            after = middle
    return after
