"""The worker is killed while it asks thousands: each contact is asked once, or there is a reason why not."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.journeys.processes import Installation, until
from tests.journeys.test_faults import PATIENCE, walk

pytestmark = pytest.mark.slow

AUDIENCE = 4_000
CUSTOMERS = 1_000
KILLS = 4
SURVEY = {
    "title": "How are we doing?",
    "type": "nps",
    "questions": [{"key": "score", "type": "nps", "text": "Would you recommend us?"}],
    "recontact_rule": "always",
}
READERS = {"field": "tags", "op": "contains", "value": "reader"}


async def test_each_contact_is_asked_once_however_often_the_worker_dies(installation: Installation) -> None:
    """By a filter and by triggers of another survey, under a rule that allows each contact one ask."""
    tenant = installation.command("workspace", "create", "Shop", "--currency", "EUR", "--json")
    installation.start("api", "worker")
    await installation.ready()
    headers = {"Authorization": f"Bearer {tenant['api_key']}"}
    async with httpx.AsyncClient(base_url=installation.url, headers=headers, timeout=60) as client:
        rule = {"name": "Once", "max_invitations": 1, "window_hours": 24}
        await made(client, "/v1/contact-frequency-rules", rule)
        newsletter = await survey(client)
        support = await survey(client, triggers=[{"kind": "support_resolved"}])
        readers = await contacts(client, AUDIENCE, tags=["reader"])
        customers = [*readers[: CUSTOMERS // 2], *await contacts(client, CUSTOMERS // 2)]

        asked = await made(client, f"{newsletter}/invitations", {"filter": READERS})
        assert asked["planned"] == AUDIENCE
        await kill_again_and_again(client, installation, [newsletter, support], customers)
        for path, many in ((newsletter, AUDIENCE), (support, CUSTOMERS)):
            await decided(client, path, many)

        invited = await each_once(client, [newsletter, support])
        assert {each["contact_id"] for each in invited} == {*readers, *customers}
        await told_once(client, {each["id"] for each in invited})


async def made(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def survey(client: httpx.AsyncClient, **fields: Any) -> str:
    """The path of an open survey."""
    path = f"/v1/surveys/{(await made(client, '/v1/surveys', SURVEY | fields))['id']}"
    assert (await client.post(f"{path}/open")).status_code == 200
    return path


async def contacts(client: httpx.AsyncClient, many: int, **fields: Any) -> list[str]:
    ids: list[str] = []
    while len(ids) < many:
        size = min(1_000, many - len(ids))
        items = [{"external_ids": [{"source": "crm", "id": f"{fields}-{len(ids) + n}"}]} for n in range(size)]
        answer = await client.post("/v1/contacts/batch", json={"items": [item | fields for item in items]})
        assert answer.status_code == 200, answer.text
        ids += [result["id"] for result in answer.json()["results"]]
    return ids


async def kill_again_and_again(
    client: httpx.AsyncClient, installation: Installation, paths: Sequence[str], customers: Sequence[str]
) -> None:
    """Each time when somebody more was asked, so that every kill hits work in progress."""
    share = -(-len(customers) // KILLS)
    for number in range(KILLS):
        before = [await latest(client, path) for path in paths]
        await cases_resolved(client, customers[number * share : (number + 1) * share])

        async def somebody_was_asked(before: list[str | None] = before) -> bool:
            return [await latest(client, path) for path in paths] != before

        await until(somebody_was_asked, PATIENCE)
        installation.kill("worker")
        installation.start("worker")


async def latest(client: httpx.AsyncClient, path: str) -> str | None:
    """The id of the last invitation."""
    items = (await client.get(f"{path}/invitations", params={"limit": 1})).json()["items"]
    return items[0]["id"] if items else None


async def cases_resolved(client: httpx.AsyncClient, contact_ids: Sequence[str]) -> None:
    """Some contacts' support cases, right now."""
    case = {"channel": "phone", "kind": "support_resolved", "occurred_at": datetime.now(UTC).isoformat()}
    items = [case | {"contact_id": each} for each in contact_ids]
    answer = await client.post("/v1/touchpoints/batch", json={"items": items}, params={"atomic": "true"})
    assert answer.status_code == 200, answer.text


async def decided(client: httpx.AsyncClient, path: str, many: int) -> None:
    """Each plan has become an invitation, or says why not."""

    async def all_are() -> bool:
        fates = Counter([each["state"] async for each in walk(client, f"{path}/planned-invitations")])
        return fates.total() == many and not fates["planned"]

    await until(all_are, PATIENCE, pause=1)
    async for each in walk(client, f"{path}/planned-invitations"):
        assert (each["state"], each["reason"]) in {("invited", None), ("skipped", "contact_frequency")}


async def each_once(client: httpx.AsyncClient, paths: Sequence[str]) -> list[dict[str, Any]]:
    """All invitations: one for each contact, and each of them the one that its plan names."""
    invited = [each for path in paths async for each in walk(client, f"{path}/invitations")]
    assert set(Counter(each["contact_id"] for each in invited).values()) == {1}
    plans = [each for path in paths async for each in walk(client, f"{path}/planned-invitations")]
    named = sorted(each["invitation_id"] for each in plans if each["state"] == "invited")
    assert named == sorted(each["id"] for each in invited)
    return invited


async def told_once(client: httpx.AsyncClient, invitation_ids: set[str]) -> None:
    told: Counter[str] = Counter()
    async for event in walk(client, "/v1/events"):
        if event["type"] == "survey.invitation_created":
            told[event["data"]["invitation_id"]] += 1
    assert told.keys() == invitation_ids
    assert set(told.values()) == {1}
