"""Iterations that begin with asking everybody, end to end through the worker's jobs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.surveys.world import AskingWorld
from tests.working import work_off

pytestmark = pytest.mark.slow

NOON = datetime.fromisoformat("2026-10-20T10:00:00+00:00")
"""Noon in Berlin, five days before its clocks change."""


async def recurring(asking: AskingWorld, **fields: Any) -> str:
    """A survey open from that noon on, weekly, that asks everybody."""
    asking.clock.set(NOON)
    await asking.client.patch("/v1/workspace", json={"timezone": "Europe/Berlin"})
    survey_id = await asking.survey(**{"recurrence_days": 7, "recurrence_invites": True} | fields)
    await worked(asking)
    return survey_id


async def worked(asking: AskingWorld) -> None:
    """What workers do when they look for what is due by the clock of the test."""
    await asking.run("surveys.turn")
    await asking.ask_planned()
    await work_off(asking.resources, asking.tenant.workspace_id, sweep=False)


async def at(asking: AskingWorld, **later: float) -> None:
    asking.clock.set(NOON + timedelta(**later))
    await worked(asking)


async def iterations(asking: AskingWorld, survey_id: str, contact_id: str) -> list[int]:
    """Of the invitations of a contact, in their order."""
    path = f"/v1/surveys/{survey_id}/invitations"
    shown = await asking.listed(path, contact_id=contact_id, sort="created_at")
    assert {each["origin"] for each in shown} <= {"recurrence"}
    return [each["iteration"] for each in shown]


async def test_each_iteration_asks_everybody_once(asking: AskingWorld) -> None:
    ada, bob = await asking.contacts(2)
    survey_id = await recurring(asking)
    for day in range(22):
        await at(asking, days=day)
        await worked(asking)

    assert await iterations(asking, survey_id, ada) == [1, 2, 3, 4]
    assert await iterations(asking, survey_id, bob) == [1, 2, 3, 4]


async def test_an_iteration_begins_with_the_local_day(asking: AskingWorld) -> None:
    """The second one on the 27th, after the clocks were set back: at 23 h UTC of the 26th."""
    ada = await asking.contact()
    survey_id = await recurring(asking)
    begins = datetime.fromisoformat("2026-10-26T23:00:00+00:00")
    await at(asking, seconds=(begins - NOON).total_seconds() - 60)
    assert await iterations(asking, survey_id, ada) == [1]
    await at(asking, seconds=(begins - NOON).total_seconds() + 60)

    assert await iterations(asking, survey_id, ada) == [1, 2]


async def test_iterations_that_nobody_worked_through_are_not_made_up_for(asking: AskingWorld) -> None:
    ada = await asking.contact()
    survey_id = await recurring(asking)
    await at(asking, days=22)

    assert await iterations(asking, survey_id, ada) == [1, 4]


async def test_what_is_left_of_an_iteration_is_not_asked_in_the_next(asking: AskingWorld) -> None:
    """The worker planned, and then was off until the next iteration."""
    ada = await asking.contact()
    survey_id = await recurring(asking, recontact_rule="always")
    asking.clock.set(NOON + timedelta(days=7))
    await asking.run("surveys.turn")
    await at(asking, days=14)

    assert await iterations(asking, survey_id, ada) == [1, 3]
    states = sorted(each["state"] for each in await asking.planned(survey_id))
    assert states == ["cancelled", "invited", "invited"]


async def test_the_last_iteration_is_the_last(asking: AskingWorld) -> None:
    ada = await asking.contact()
    survey_id = await recurring(asking, recurrence_iterations=2)
    for day in (7, 14, 21):
        await at(asking, days=day)
    assert await iterations(asking, survey_id, ada) == [1, 2]

    await asking.client.patch(f"/v1/surveys/{survey_id}", json={"recurrence_iterations": 5})
    await worked(asking)
    assert await iterations(asking, survey_id, ada) == [1, 2, 4]


@pytest.mark.parametrize(("days", "expected"), [(3, [1]), (15, [1, 3])])
async def test_opened_again_it_asks_if_the_iteration_is_another(
    asking: AskingWorld, days: int, expected: Sequence[int]
) -> None:
    ada = await asking.contact()
    survey_id = await recurring(asking)
    await asking.client.post(f"/v1/surveys/{survey_id}/close")
    await at(asking, days=days)
    assert await iterations(asking, survey_id, ada) == [1]
    await asking.client.post(f"/v1/surveys/{survey_id}/open")
    await worked(asking)

    assert await iterations(asking, survey_id, ada) == list(expected)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_another_time_zone_neither_doubles_nor_loses_an_iteration(
    asking: AskingWorld, zone: str
) -> None:
    ada = await asking.contact()
    survey_id = await recurring(asking)
    await at(asking, days=7)
    await asking.client.patch("/v1/workspace", json={"timezone": zone})
    for hours in range(0, 24 * 8, 6):
        await at(asking, days=7, hours=hours)

    assert await iterations(asking, survey_id, ada) == [1, 2, 3]


async def test_the_length_of_an_iteration_is_fixed_by_opening(asking: AskingWorld) -> None:
    """Iterations are counted from it: another length would make them other ones."""
    survey_id = await recurring(asking)
    for days in (30, None):
        refused = await asking.client.patch(f"/v1/surveys/{survey_id}", json={"recurrence_days": days})
        assert refused.status_code == 422
        assert [(each["pointer"], each["code"]) for each in refused.json()["errors"]] == [
            ("/recurrence_days", "fixed")
        ]


async def test_an_open_survey_may_begin_to_recur(asking: AskingWorld) -> None:
    asking.clock.set(NOON)
    ada, survey_id = await asking.contact(), await asking.survey()
    asking.clock.set(NOON + timedelta(days=8))
    changed = await asking.client.patch(
        f"/v1/surveys/{survey_id}", json={"recurrence_days": 7, "recurrence_invites": True}
    )
    assert changed.status_code == 200
    await worked(asking)

    assert await iterations(asking, survey_id, ada) == [2]


async def test_opening_a_scheduled_survey_again_leaves_it_scheduled(asking: AskingWorld) -> None:
    """A call that is sent again because its answer was lost must not open the survey early."""
    opens_at = asking.clock.now() + timedelta(days=1)
    path = f"/v1/surveys/{await asking.draft(opens_at=opens_at.isoformat())}"
    scheduled = (await asking.client.post(f"{path}/open")).json()

    assert (await asking.client.post(f"{path}/open")).json() == scheduled


async def test_a_scheduled_survey_whose_time_is_taken_away_is_a_draft(asking: AskingWorld) -> None:
    opens_at = asking.clock.now() + timedelta(days=1)
    path = f"/v1/surveys/{await asking.draft(opens_at=opens_at.isoformat())}"
    await asking.client.post(f"{path}/open")
    changed = await asking.client.patch(path, json={"opens_at": None})

    assert changed.json()["state"] == "draft"
    assert (await asking.client.post(f"{path}/open")).json()["state"] == "open"
