"""What happens to follow-ups without anybody changing them: openings, due times, touchpoints."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.followups.followup_world import FollowupWorld, opening


async def test_one_origin_opens_one_follow_up_however_many_try(world: FollowupWorld) -> None:
    wanted = opening(await world.contact())
    answers = await asyncio.gather(*(world.open_many(wanted) for _ in range(8)))
    assert len({followup.id for (followup,) in answers}) == 1
    assert await world.told() == ["opened"]


async def test_openings_in_any_order_do_not_wait_for_each_other(world: FollowupWorld) -> None:
    contact = await world.contact()
    wanted = [opening(contact) for _ in range(20)]
    one, other = await asyncio.gather(world.open_many(*wanted), world.open_many(*reversed(wanted)))
    assert [each.id for each in one] == [each.id for each in reversed(other)]
    assert len(await world.told("opened")) == 20


async def test_each_opening_finds_an_owner_who_is_active(world: FollowupWorld) -> None:
    mara, noor, gone = [await world.member(name) for name in ("mara", "noor", "gone")]
    of_mara, of_gone = await world.contact(owner_id=mara), await world.contact(owner_id=gone)
    await world.client.delete(f"/v1/members/{gone}")
    opened = await world.open_many(
        opening(of_mara),
        opening(of_mara, owner_id=UUID(noor)),
        opening(of_mara, owner_id=UUID(gone)),
        opening(of_gone),
    )
    assert [each.owner_id and str(each.owner_id) for each in opened] == [mara, noor, mara, None]


async def test_a_due_time_that_passes_is_told_once(world: FollowupWorld) -> None:
    made = await world.make()
    await world.look_for_overdue()
    assert await world.told("overdue") == []
    world.clock.advance(hours=49)
    await asyncio.gather(world.look_for_overdue(), world.look_for_overdue())
    await world.look_for_overdue()
    late = await world.get(made)
    assert (late["overdue"], late["overdue_since"]) == (True, made["due_at"])
    assert len(await world.told("overdue")) == 1


async def test_a_new_due_time_is_told_of_anew(world: FollowupWorld) -> None:
    made = await world.make()
    world.clock.advance(hours=49)
    await world.look_for_overdue()
    later = (world.clock.now() + timedelta(hours=1)).isoformat()
    moved = await world.patched(made, due_at=later)
    assert (moved["overdue"], moved["overdue_since"]) == (False, None)
    world.clock.advance(hours=2)
    await world.look_for_overdue()
    assert len(await world.told("overdue")) == 2


async def test_what_is_closed_is_not_overdue(world: FollowupWorld) -> None:
    made = await world.make()
    await world.patched(made, state="done")
    world.clock.advance(hours=49)
    await world.look_for_overdue()
    assert (await world.get(made))["overdue"] is False
    assert await world.told("overdue") == []


async def test_the_sweeper_finds_what_is_overdue(world: FollowupWorld) -> None:
    made = await world.make(due_at=(world.clock.now() - timedelta(minutes=1)).isoformat())
    await world.work()
    assert (await world.get(made))["overdue_since"] == made["due_at"]
    (told,) = await world.told("overdue")
    assert told["followup"]["id"] == made["id"]


async def test_turning_to_the_contact_is_noted_by_the_first_time(world: FollowupWorld) -> None:
    contact = await world.contact()
    made, other = await world.make(contact), await world.make()
    first = await world.touch(contact)
    await world.touch(contact, kind="message")
    await world.work()
    await world.touch(contact)
    await world.work()
    assert (await world.get(made))["contacted_at"] == first
    assert (await world.get(other))["contacted_at"] is None
    (told,) = await world.told("updated")
    assert told["followup"]["contacted_at"] == first


@pytest.mark.parametrize(
    "fields",
    [{"direction": "inbound"}, {"kind": "note"}, {"occurred_at": "2026-01-01T00:00:00Z"}],
    ids=["inbound", "note", "before"],
)
async def test_what_is_no_answer_to_it_is_not_noted(world: FollowupWorld, fields: dict[str, Any]) -> None:
    made = await world.make()
    await world.touch(made["contact_id"], **fields)
    await world.work()
    assert await world.get(made) == made


async def test_a_touchpoint_from_a_fast_clock_counts_as_now(world: FollowupWorld) -> None:
    made = await world.make()
    await world.touch(made["contact_id"], occurred_at=(world.clock.now() + timedelta(hours=1)).isoformat())
    await world.work()
    contacted_at = datetime.fromisoformat((await world.get(made))["contacted_at"])
    assert datetime.fromisoformat(made["opened_at"]) < contacted_at <= world.clock.now()


async def test_a_closed_one_is_left_alone(world: FollowupWorld) -> None:
    made = await world.make()
    await world.patched(made, state="cancelled")
    await world.touch(made["contact_id"])
    await world.work()
    assert (await world.get(made))["contacted_at"] is None
