"""How to make one of each thing that a path can name: one factory per path parameter."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from fastapi import FastAPI

from app.kit.ids import new_id
from app.kit.jobs import Job
from app.kit.outbox import RELAY_JOB
from app.kit.resources import Resources
from app.kit.signing import sign
from app.subscriptions import relay
from tests.conftest import Tenant, make_client, make_tenant
from tests.contract.bodies import EXAMPLES, body_for
from tests.contract.operations import Operation
from tests.working import work_off

STRUCTURED = "application/cloudevents+json"
LATE, EARLY = "2027-12-31", "2026-01-01"


@dataclass
class World:
    """A workspace and what has been made in it, by the name of the path parameter."""

    client: httpx.AsyncClient
    resources: Resources
    tenant: Tenant
    made: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    async def id(self, name: str) -> str:
        """The id of the one thing of this kind, made when first asked for."""
        if name not in self.made:
            self.made[name] = await FACTORIES[name](self)
        return self.made[name]

    async def ids_for(self, operation: Operation) -> dict[str, str]:
        return {name: await self.id(name) for name in operation.names("path")}

    async def body_for(self, operation: Operation) -> Any:
        """The smallest body that the operation takes, its ids those of things that are there."""
        return await self._with_ids(body_for(operation))

    async def fill(self) -> None:
        """One of everything and what the background makes of it; the last change is not folded yet."""
        for name in FACTORIES:
            await self.id(name)
        await make_consent(self)
        goal = f"/v1/goals/{await self.id('goal_id')}"
        await self.post(f"{goal}/check-ins", {"note": "On the way."})
        await self.client.patch(goal, json={"title": "Grow revenue much"})
        await work_off(self.resources, self.tenant.workspace_id)
        await make_touchpoint(self)
        await relay(self.resources, Job(RELAY_JOB, self.tenant.workspace_id, None))

    async def post(self, path: str, body: Any = None) -> dict[str, Any]:
        """Posts with an Idempotency-Key; the answer has to be a success."""
        response = await self.client.post(path, json=body, headers={"Idempotency-Key": str(new_id())})
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def made_by(self, path: str, body: Any = None) -> str:
        return str((await self.post(path, body))["id"])

    async def _with_ids(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: await self._with_ids(member, key) for key, member in value.items()}
        if isinstance(value, list):
            return [await self._with_ids(member, name) for member in value]
        return await self.id(NAMED_IN_BODIES[name]) if value == EXAMPLES["uuid"] else value

    def signed(self, source_id: str, event: Any) -> dict[str, Any]:
        """What to send to a source's door, by the arguments of `client.post`."""
        body = orjson.dumps(event)
        signature = sign(
            [self.secrets[source_id]], f"msg_{new_id()}", self.resources.database.clock.now(), body
        )
        return {"content": body, "headers": {"Content-Type": STRUCTURED} | signature}


@asynccontextmanager
async def a_world(app: FastAPI, resources: Resources) -> AsyncIterator[World]:
    """A new workspace, with nothing in it yet."""
    tenant = await make_tenant(resources)
    async with make_client(app, tenant) as client:
        yield World(client, resources, tenant)


async def make_member(world: World) -> str:
    return await world.made_by("/v1/members", {"name": "Mara", "email": f"mara-{new_id()}@example.com"})


async def make_key(world: World) -> str:
    return await world.made_by("/v1/api-keys", {"name": "shop", "scopes": ["contacts:read"]})


async def make_contact(world: World) -> str:
    body = {
        "given_name": "Ada",
        "owner_id": await world.id("member_id"),
        "tags": ["vip"],
        "external_ids": [{"source": "shop", "id": f"C-{new_id()}"}],
        "emails": [{"address": f"ada-{new_id()}@example.com"}],
    }
    return await world.made_by("/v1/contacts", body)


async def make_consent(world: World) -> str:
    contact_id = await world.id("contact_id")
    return await world.made_by(
        f"/v1/contacts/{contact_id}/consents", {"purpose": "surveys", "state": "granted"}
    )


async def make_suppression(world: World) -> str:
    body = {"email": f"gone-{new_id()}@example.com", "reason": "objected"}
    return await world.made_by("/v1/suppressions", body)


async def make_definition(world: World) -> str:
    return await world.made_by("/v1/attribute-definitions", {"key": f"a{new_id().hex}", "type": "text"})


async def make_touchpoint(world: World) -> str:
    body = {
        "contact_id": await world.id("contact_id"),
        "kind": "purchase",
        "occurred_at": world.resources.database.clock.now().isoformat(),
        "value": {"amount": "49.90", "currency": "EUR"},
        "source": "shop",
        "external_id": f"order-{new_id()}",
    }
    return await world.made_by("/v1/touchpoints", body)


async def make_followup(world: World) -> str:
    body = {"contact_id": await world.id("contact_id"), "title": "Call back"}
    return await world.made_by("/v1/followups", body)


async def make_survey(world: World) -> str:
    """An open one."""
    body = {
        "title": "How likely are you to recommend us?",
        "type": "nps",
        "questions": [
            {"key": "score", "type": "nps", "text": "How likely?"},
            {"key": "why", "type": "text", "text": {"en": "Why?", "de": "Warum?"}},
        ],
        "triggers": [{"kind": "purchase", "delay_hours": 24}],
    }
    survey_id = await world.made_by("/v1/surveys", body)
    await world.post(f"/v1/surveys/{survey_id}/open")
    return survey_id


async def make_invitation(world: World) -> str:
    contact_id = await world.made_by("/v1/contacts", {"given_name": "Bob"})
    path = f"/v1/surveys/{await world.id('survey_id')}/invitations"
    answer = await world.post(path, {"contact_ids": [contact_id]})
    return str(answer["items"][0]["invitation_id"])


async def make_survey_link(world: World) -> str:
    return await world.made_by(f"/v1/surveys/{await world.id('survey_id')}/links", {"name": "Poster"})


async def make_survey_response(world: World) -> str:
    body = {"contact_id": await world.id("contact_id"), "answers": {"score": 4, "why": "It came late."}}
    return await world.made_by(f"/v1/surveys/{await world.id('survey_id')}/responses", body)


async def make_survey_token(world: World) -> str:
    """An open link's, which nobody can use up."""
    link = await world.post(f"/v1/surveys/{await world.id('survey_id')}/links", {"name": "Till"})
    return str(link["token"])


async def make_frequency_rule(world: World) -> str:
    rule = {"name": "Daily", "max_invitations": 1000, "window_hours": 24}
    return await world.made_by("/v1/contact-frequency-rules", rule)


async def make_goal(world: World) -> str:
    body = {
        "title": "Grow revenue",
        "metric_key": "net_revenue",
        "direction": "increase",
        "target": 1000,
        "starts_on": EARLY,
        "due_on": LATE,
        "owner_id": await world.id("member_id"),
    }
    return await world.made_by("/v1/goals", body)


async def make_endpoint(world: World) -> str:
    return await world.made_by("/v1/webhook-endpoints", {"url": "http://127.0.0.1:59999/hooks"})


async def make_delivery(world: World) -> str:
    return await world.made_by(f"/v1/webhook-endpoints/{await world.id('endpoint_id')}/ping")


async def make_source(world: World) -> str:
    source = await world.post("/v1/sources", {"name": f"shop {new_id()}"})
    world.secrets[source["id"]] = source["secret"]
    return str(source["id"])


async def make_parked_event(world: World) -> str:
    source_id = await world.id("source_id")
    event = {"specversion": "1.0", "id": str(new_id()), "source": "/x", "type": "strange", "data": {}}
    received = await world.client.post(f"/v1/sources/{source_id}/events", **world.signed(source_id, event))
    assert received.status_code == 202, received.text
    await work_off(world.resources, world.tenant.workspace_id)
    parked = await world.client.get(f"/v1/sources/{source_id}/parked")
    return str(parked.json()["items"][0]["id"])


async def make_job(world: World) -> str:
    return await world.made_by("/v1/metrics/refresh")


async def a_metric(_: World) -> str:
    return "net_revenue"


FACTORIES: dict[str, Callable[[World], Awaitable[str]]] = {
    "member_id": make_member,
    "key_id": make_key,
    "contact_id": make_contact,
    "definition_id": make_definition,
    "suppression_id": make_suppression,
    "touchpoint_id": make_touchpoint,
    "followup_id": make_followup,
    "survey_id": make_survey,
    "invitation_id": make_invitation,
    "link_id": make_survey_link,
    "response_id": make_survey_response,
    "token": make_survey_token,
    "rule_id": make_frequency_rule,
    "key": a_metric,
    "goal_id": make_goal,
    "endpoint_id": make_endpoint,
    "delivery_id": make_delivery,
    "source_id": make_source,
    "event_id": make_parked_event,
    "job_id": make_job,
}

SHARED = {"key"}
"""What is the same in every workspace: the keys of the metrics' catalogue."""

NAMED_IN_BODIES = {
    "owner_id": "member_id",
    "stakeholder_ids": "member_id",
    "contact_id": "contact_id",
    "contact_ids": "contact_id",
    "parent_id": "goal_id",
    "survey_id": "survey_id",
    "ids": "event_id",
}
"""Which thing an id in a body or query stands for, by the name of the field."""
