"""From an answer, through the relay and the queue, to the metrics of surveys."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.kit.resources import Resources
from app.metrics.handlers import MARKS
from app.subscriptions import EVENT_TYPES
from tests.conftest import Tenant
from tests.stand_ins import MovableClock
from tests.working import work_off

ADA = {"email": "ada@example.com"}
SURVEY = {"title": "Us", "type": "nps", "questions": [{"key": "score", "type": "nps", "text": "Would you?"}]}


@dataclass(frozen=True)
class Shop:
    """One workspace whose customers are asked."""

    client: httpx.AsyncClient
    resources: Resources
    tenant: Tenant

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.client.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def open_survey(self, **settings: Any) -> str:
        path = f"/v1/surveys/{(await self.post('/v1/surveys', **SURVEY, **settings))['id']}"
        await self.post(f"{path}/open")
        return path

    async def invite(self, survey: str, contact: str) -> dict[str, Any]:
        contact_id = (await self.post("/v1/contacts", display_name=contact))["id"]
        item: dict[str, Any] = (await self.post(f"{survey}/invitations", contact_ids=[contact_id]))["items"][
            0
        ]
        return item

    async def answer(self, invitation: dict[str, Any], score: int) -> None:
        await self.post(f"/v1/public/surveys/{invitation['token']}", answers={"score": score}, complete=True)

    async def today(self, *keys: str) -> list[Any]:
        await work_off(self.resources, self.tenant.workspace_id)
        return [await self._today(key) for key in keys]

    async def by_day(self, key: str) -> list[Any]:
        """The values of the days there are, first to last."""
        await work_off(self.resources, self.tenant.workspace_id)
        params = {"grain": "day", "sort": "period_start"}
        answer = await self.client.get(f"/v1/metrics/{key}/snapshots", params=params)
        return [each["value"] for each in answer.json()["items"]]

    async def _today(self, key: str) -> Any:
        params = {"sort": "-period_start", "limit": 1}
        return (await self.client.get(f"/v1/metrics/{key}/snapshots", params=params)).json()["items"][0][
            "value"
        ]


@pytest.fixture
def shop(client: httpx.AsyncClient, resources: Resources, tenant: Tenant) -> Shop:
    return Shop(client, resources, tenant)


async def test_an_answer_moves_the_score_and_the_response_rate(shop: Shop) -> None:
    survey = await shop.open_survey()
    invitation = await shop.invite(survey, "Ada")
    assert await shop.today("net_promoter_score", "survey_response_rate") == [None, 0]
    await shop.answer(invitation, 9)
    assert await shop.today("net_promoter_score", "survey_response_rate") == [100, 1]


async def test_an_answer_brought_for_an_invitation_that_was_begun_moves_the_rate_of_its_day(
    shop: Shop, clock: MovableClock
) -> None:
    survey = await shop.open_survey()
    invitation = await shop.invite(survey, "Ada")
    saved = {"answers": {"score": 3}, "complete": False}
    await shop.post(f"/v1/public/surveys/{invitation['token']}", **saved)
    assert await shop.by_day("survey_response_rate") == [0]
    clock.advance(days=1)
    await shop.post(f"{survey}/responses", answers={"score": 9}, contact_id=invitation["contact_id"])

    folded = await shop.by_day("survey_response_rate")
    await shop.client.post("/v1/metrics/refresh")

    assert folded == await shop.by_day("survey_response_rate") == [1, None]


async def test_a_response_that_turns_out_to_be_a_test_is_in_no_score(shop: Shop) -> None:
    survey = await shop.open_survey()
    response = await shop.post(f"{survey}/responses", answers={"score": 9}, contact=ADA)
    assert await shop.today("net_promoter_score") == [100]
    await shop.client.patch(f"{survey}/responses/{response['id']}", json={"test": True})
    assert await shop.today("net_promoter_score") == [None]


async def test_an_invitation_leaves_the_response_rate_with_a_response_that_was_a_test(shop: Shop) -> None:
    survey = await shop.open_survey()
    await shop.answer(await shop.invite(survey, "Ada"), 9)
    assert await shop.today("survey_response_rate") == [1]
    response = (await shop.client.get(f"{survey}/responses")).json()["items"][0]
    await shop.client.patch(f"{survey}/responses/{response['id']}", json={"test": True})
    assert await shop.today("survey_response_rate") == [None]
    await shop.client.patch(f"{survey}/responses/{response['id']}", json={"test": False})
    assert await shop.today("survey_response_rate") == [1]


async def test_a_bounced_invitation_leaves_the_response_rate(shop: Shop) -> None:
    survey = await shop.open_survey()
    invitation = await shop.invite(survey, "Ada")
    assert await shop.today("survey_response_rate") == [0]
    path = f"{survey}/invitations/{invitation['invitation_id']}"
    assert (await shop.client.patch(path, json={"delivery": "bounced"})).status_code == 200
    assert await shop.today("survey_response_rate") == [None]


async def test_a_detractor_opens_a_loop_until_somebody_closes_it(shop: Shop) -> None:
    survey = await shop.open_survey()
    await shop.answer(await shop.invite(survey, "Ada"), 2)
    assert await shop.today("loop_closed_rate", "time_to_contact_minutes") == [0, None]
    followup = (await shop.client.get("/v1/followups")).json()["items"][0]
    done = {"state": "done", "contacted_at": followup["opened_at"]}
    assert (await shop.client.patch(f"/v1/followups/{followup['id']}", json=done)).status_code == 200
    assert await shop.today("loop_closed_rate", "time_to_contact_minutes") == [1, 0]


async def test_a_lot_of_anonymous_answers_moves_the_response_rate(shop: Shop) -> None:
    survey = await shop.open_survey(anonymous=True)
    for number in range(5):
        await shop.answer(await shop.invite(survey, f"Customer {number}"), 10)
    assert await shop.today("net_promoter_score", "survey_response_rate") == [100, 1]


def test_marks_are_made_of_events_that_exist() -> None:
    assert MARKS.types <= {event_type.name for event_type in EVENT_TYPES}
