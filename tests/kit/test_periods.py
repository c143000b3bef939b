from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.kit.periods import (
    Grain,
    Period,
    day_bounds,
    day_start,
    local_day,
    next_period,
    period_number,
    period_of,
    periods_between,
    previous_period,
)

days = st.dates(date(1990, 1, 1), date(2040, 12, 31))
grains: st.SearchStrategy[Grain] = st.sampled_from(["day", "week", "month", "quarter"])
zones = st.sampled_from(sorted(available_timezones() - {"localtime"})).map(ZoneInfo)
instants = st.datetimes(datetime(1990, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC))

HAVANA = ZoneInfo("America/Havana")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
ST_JOHNS = ZoneInfo("America/St_Johns")
TORONTO = ZoneInfo("America/Toronto")
APIA = ZoneInfo("Pacific/Apia")
BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def hours(day: date, zone: ZoneInfo) -> float:
    start, end = day_bounds(day, zone)
    return (end - start) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("grain", "start", "end"),
    [
        ("day", date(2024, 2, 29), date(2024, 3, 1)),
        ("week", date(2024, 2, 26), date(2024, 3, 4)),
        ("month", date(2024, 2, 1), date(2024, 3, 1)),
        ("quarter", date(2024, 1, 1), date(2024, 4, 1)),
    ],
)
def test_the_periods_of_a_leap_day(grain: Grain, start: date, end: date) -> None:
    assert period_of(date(2024, 2, 29), grain) == Period(start, end)


def test_an_iso_week_crosses_the_year() -> None:
    assert period_of(date(2027, 1, 1), "week") == Period(date(2026, 12, 28), date(2027, 1, 4))


def test_the_last_quarter_ends_with_the_year() -> None:
    assert period_of(date(2026, 12, 31), "quarter") == Period(date(2026, 10, 1), date(2027, 1, 1))


def test_periods_between_takes_each_period_that_is_touched() -> None:
    touched = list(periods_between(date(2026, 1, 31), date(2026, 3, 2), "month"))
    assert [period.start for period in touched] == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]


def test_the_end_of_a_range_is_not_in_it() -> None:
    assert [p.start for p in periods_between(date(2026, 1, 1), date(2026, 2, 1), "month")] == [
        date(2026, 1, 1)
    ]


def test_an_empty_range_has_no_periods() -> None:
    assert list(periods_between(date(2026, 1, 2), date(2026, 1, 2), "day")) == []
    assert list(periods_between(date(2026, 1, 2), date(2026, 1, 1), "day")) == []


@given(days, grains)
def test_a_period_holds_its_day_and_its_days_share_it(day: date, grain: Grain) -> None:
    period = period_of(day, grain)
    assert day in period
    assert period_of(period.start, grain) == period_of(period.end - timedelta(days=1), grain) == period
    assert period.end not in period


@given(days, grains)
def test_neighbours_touch_and_are_numbered_in_turn(day: date, grain: Grain) -> None:
    period = period_of(day, grain)
    following = next_period(period, grain)
    assert following.start == period.end
    assert previous_period(following, grain) == period
    assert period_number(following.start, grain) == period_number(day, grain) + 1


@given(days, st.integers(0, 400), grains)
def test_periods_between_leaves_no_day_out(day: date, length: int, grain: Grain) -> None:
    end = day + timedelta(days=length)
    periods = list(periods_between(day, end, grain))
    assert all(one.end == other.start for one, other in pairwise(periods))
    if length:
        assert day in periods[0]
        assert end - timedelta(days=1) in periods[-1]


def test_days_have_23_or_25_hours_when_clocks_change() -> None:
    assert hours(date(2026, 3, 29), BERLIN) == 23
    assert hours(date(2026, 10, 25), BERLIN) == 25
    assert hours(date(2026, 7, 1), BERLIN) == 24


def test_a_day_without_midnight_begins_at_the_jump() -> None:
    """2018-11-04: at 00:00 (-03) the clocks of Sao Paulo went to 01:00 (-02)."""
    assert day_bounds(date(2018, 11, 4), SAO_PAULO) == (utc(2018, 11, 4, 3), utc(2018, 11, 5, 2))


def test_clocks_that_go_back_from_midnight_make_the_day_before_longer() -> None:
    """2018-02-18: at 00:00 (-02) the clocks of Sao Paulo went back to 23:00 (-03) of the 17th."""
    assert day_bounds(date(2018, 2, 17), SAO_PAULO) == (utc(2018, 2, 17, 2), utc(2018, 2, 18, 3))


def test_of_two_midnights_with_no_earlier_day_between_the_first_counts() -> None:
    """2026-11-01: at 01:00 (-04) the clocks of Havana go back to 00:00 (-05)."""
    assert day_bounds(date(2026, 11, 1), HAVANA) == (utc(2026, 11, 1, 4), utc(2026, 11, 2, 5))


def test_clocks_that_go_back_over_midnight_start_the_day_at_the_second_one() -> None:
    """2010-11-07: at 00:01 (-02:30) the clocks of St John's went back to 23:01 (-03:30) of the 6th."""
    assert day_start(date(2010, 11, 7), ST_JOHNS) == utc(2010, 11, 7, 3, 30)
    assert local_day(utc(2010, 11, 7, 2, 30, 30), ST_JOHNS) == date(2010, 11, 6)


def test_a_jump_from_before_to_after_midnight_starts_the_day() -> None:
    """1919-03-30: at 23:30 (-05) the clocks of Toronto went to 00:30 (-04) of the 31st."""
    assert day_start(date(1919, 3, 31), TORONTO) == utc(1919, 3, 31, 4, 30)


def test_a_day_that_a_zone_skipped_holds_no_instant() -> None:
    """Samoa went from the end of 2011-12-29 (-10) to the start of 2011-12-31 (+14)."""
    jump = utc(2011, 12, 30, 10)
    assert day_bounds(date(2011, 12, 30), APIA) == (jump, jump)
    assert local_day(jump - timedelta(microseconds=1), APIA) == date(2011, 12, 29)
    assert local_day(jump, APIA) == date(2011, 12, 31)


def test_an_instant_needs_an_offset() -> None:
    with pytest.raises(ValueError, match="offset"):
        local_day(datetime(2026, 1, 1), BERLIN)


@settings(deadline=None, max_examples=500)
@given(days, zones)
@example(date(2011, 12, 29), APIA)
@example(date(2010, 11, 6), ST_JOHNS)
@example(date(1993, 8, 20), ZoneInfo("Pacific/Kwajalein"))
def test_the_bounds_of_days_neither_gap_nor_overlap(day: date, zone: ZoneInfo) -> None:
    start, end = day_bounds(day, zone)
    next_start, next_end = day_bounds(day + timedelta(days=1), zone)
    assert start <= end == next_start <= next_end


@settings(deadline=None, max_examples=500)
@given(instants, zones)
@example(utc(2010, 11, 7, 2, 30, 30), ST_JOHNS)
@example(utc(2011, 12, 30, 10), APIA)
def test_the_local_day_of_an_instant_is_the_one_whose_bounds_hold_it(
    instant: datetime, zone: ZoneInfo
) -> None:
    start, end = day_bounds(local_day(instant, zone), zone)
    assert start <= instant < end


@settings(deadline=None, max_examples=500)
@given(days, zones)
@example(date(2011, 12, 30), APIA)
@example(date(2010, 11, 7), ST_JOHNS)
def test_each_edge_of_a_day_belongs_to_the_right_day(day: date, zone: ZoneInfo) -> None:
    start, end = day_bounds(day, zone)
    if start < end:
        assert local_day(start, zone) == local_day(end - timedelta(microseconds=1), zone) == day
    assert local_day(end, zone) > day
