"""`rapport.survey_response`: answers that a partner's system collected."""

from typing import Any

import httpx

from app.kit.resources import Resources
from tests.conftest import Tenant
from tests.intake.sending import Partner, person
from tests.working import work_off

SURVEY: dict[str, Any] = {
    "title": "How likely?",
    "type": "nps",
    "questions": [
        {"key": "score", "type": "nps", "text": "How likely?"},
        {"key": "why", "type": "text", "text": "Why?"},
    ],
}


async def open_survey(client: httpx.AsyncClient, **fields: Any) -> str:
    made = await client.post("/v1/surveys", json=SURVEY | fields)
    assert made.status_code == 201, made.text
    survey_id = str(made.json()["id"])
    await client.post(f"/v1/surveys/{survey_id}/open")
    return survey_id


def answer(survey_id: str, event_id: str = "answer-1", **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/feedback",
        "type": "rapport.survey_response",
        "time": "2026-01-31T09:00:00Z",
        "data": {
            "survey_id": survey_id,
            "contact": {"email": "ada@example.com"},
            "answers": {"score": 9, "why": "Fast."},
        }
        | data,
    }


async def responses(client: httpx.AsyncClient, survey_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(f"/v1/surveys/{survey_id}/responses")).json()["items"]
    return items


async def parked(client: httpx.AsyncClient, partner: Partner) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(f"/v1/sources/{partner.id}/parked")).json()["items"]
    return items


async def test_an_answer_becomes_a_response_of_its_contact(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
) -> None:
    survey_id = await open_survey(client)
    await partner.send(answer(survey_id), person())
    await work_off(resources, tenant.workspace_id)
    [response] = await responses(client, survey_id)
    [contact] = (await client.get("/v1/contacts")).json()["items"]
    assert response["contact_id"] == contact["id"]
    assert (response["score"], response["state"]) == (9, "completed")
    assert (response["source"], response["external_id"]) == ("shop", "answer-1")
    assert response["answered_at"] == "2026-01-31T09:00:00Z"


async def test_the_same_answer_over_rest_is_the_same_response(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
) -> None:
    survey_id = await open_survey(client)
    await partner.send(answer(survey_id))
    await work_off(resources, tenant.workspace_id)
    body = answer(survey_id)["data"] | {
        "source": "shop",
        "external_id": "answer-1",
        "answered_at": "2026-01-31T09:00:00Z",
    }
    del body["survey_id"]
    again = await client.post(f"/v1/surveys/{survey_id}/responses", json=body)
    assert (again.status_code, again.json()["status"]) == (200, "unchanged")
    assert len(await responses(client, survey_id)) == 1


async def test_what_cannot_be_recorded_is_parked_with_its_place(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
) -> None:
    survey_id = await open_survey(client)
    await partner.send(answer(survey_id, "a", answers={"score": 11}), answer(partner.id, "b"))
    await work_off(resources, tenant.workspace_id)
    assert await responses(client, survey_id) == []
    places = {event["event_id"]: event["problem"]["errors"] for event in await parked(client, partner)}
    assert [error["pointer"] for error in places["a"]] == ["/answers/score"]
    assert [(error["pointer"], error["code"]) for error in places["b"]] == [("/survey_id", "unknown_survey")]


async def test_bad_data_is_refused_at_the_door(client: httpx.AsyncClient, partner: Partner) -> None:
    survey_id = await open_survey(client)
    refused = await partner.send(answer(survey_id, answers=[9]))
    assert refused.status_code == 422
    assert "/data/answers" in refused.text


async def test_of_an_anonymous_answer_the_source_keeps_nothing(
    client: httpx.AsyncClient, partner: Partner, resources: Resources, tenant: Tenant
) -> None:
    survey_id = await open_survey(client, anonymous=True)
    await partner.send(answer(survey_id, contact=None))
    await work_off(resources, tenant.workspace_id)
    [response] = await responses(client, survey_id)
    assert [response[name] for name in ("contact_id", "source", "external_id", "answered_at")] == [None] * 4
    async with resources.database.unit(tenant.workspace_id) as unit:
        kept = await unit.connection.fetchrow("SELECT * FROM inbound_events")
    assert [kept[name] for name in ("payload", "subject", "event_time", "contact_id")] == [None] * 4
    assert kept["state"] == "applied"
