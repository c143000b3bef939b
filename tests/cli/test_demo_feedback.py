"""The demo's feedback, as the API shows it."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.cli.conftest import CommandLine, Served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
async def demo(rapport: CommandLine, served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a workspace that the command has filled."""
    done = rapport.run("demo", "--contacts", "300", "--json")
    assert done.returncode == 0, done.stderr
    headers = {"Authorization": f"Bearer {json.loads(done.stdout)['api_key']}"}
    async with httpx.AsyncClient(base_url=f"{served.url}/v1", headers=headers) as client:
        yield client


async def test_both_surveys_are_answered(demo: httpx.AsyncClient) -> None:
    results = {}
    for survey in await _items(demo, "/surveys"):
        results[survey["type"]] = (await demo.get(f"/surveys/{survey['id']}/results")).json()
    assert results["nps"]["responses"] > results["csat"]["responses"] > 0
    assert 0 < results["nps"]["score"] < 70


async def test_only_detractors_are_asked_what_went_wrong(demo: httpx.AsyncClient) -> None:
    survey = await _survey(demo, "nps")
    responses = await _items(demo, f"/surveys/{survey['id']}/responses")
    asked = {response["score"] for response in responses if "went_wrong" in response["answers"]}
    assert asked
    assert max(asked) <= 6


async def test_surveys_are_open_since_the_year_began_and_have_asked_all_through_it(
    demo: httpx.AsyncClient,
) -> None:
    surveys = await _items(demo, "/surveys")
    assert {survey["state"] for survey in surveys} == {"open"}
    for survey in surveys:
        assert datetime.fromisoformat(survey["opened_at"]) < datetime.now(UTC) - timedelta(days=360)
        assert await _items(demo, f"/surveys/{survey['id']}/planned-invitations") == []
        results = (await demo.get(f"/surveys/{survey['id']}/results")).json()
        assert results["completed"] == results["responses"]
        assert results["invited"] >= results["completed"]
        assert results["response_rate"]["value"] > 0.2


async def test_who_did_not_answer_was_reminded_in_time(demo: httpx.AsyncClient) -> None:
    survey = await _survey(demo, "nps")
    invitations = await _items(demo, f"/surveys/{survey['id']}/invitations")
    reminded = [each for each in invitations if each["reminders_sent"]]
    assert reminded
    assert all(each["last_reminded_at"] < each["expires_at"] for each in reminded)


async def test_loops_are_closed_after_somebody_was_in_touch(demo: httpx.AsyncClient) -> None:
    followups = await _items(demo, "/followups")
    done = [followup for followup in followups if followup["state"] == "done"]
    assert len(done) > len(followups) / 2
    for followup in done:
        assert followup["opened_at"] < followup["contacted_at"] < followup["closed_at"]
        assert followup["root_cause"]
        assert followup["outcome"]


async def test_what_is_overdue_was_told_of_once(demo: httpx.AsyncClient) -> None:
    late = [each["id"] for each in await _items(demo, "/followups") if each["overdue_since"] is not None]
    events = await _items(demo, "/events?types=followup.overdue")
    told = Counter(event["data"]["followup"]["id"] for event in events)
    assert late
    assert told == Counter(late)


@pytest.mark.parametrize(
    "metric",
    [
        "net_promoter_score",
        "customer_satisfaction",
        "survey_response_rate",
        "loop_closed_rate",
    ],
)
async def test_feedback_moves_the_metrics(demo: httpx.AsyncClient, metric: str) -> None:
    points = await _items(demo, f"/metrics/{metric}/snapshots?grain=month")
    assert sum(point["n"] for point in points) >= 3


async def test_a_goal_is_about_recommendation(demo: httpx.AsyncClient) -> None:
    goals = {goal["metric_key"]: goal for goal in await _items(demo, "/goals")}
    goal = goals["net_promoter_score"]
    assert (goal["measure"], goal["grain"], goal["status"]) == ("period_value", "month", "active")
    assert goal["target"] > goal["baseline"]


async def test_some_must_not_be_asked(demo: httpx.AsyncClient) -> None:
    survey = await _survey(demo, "nps")
    ids = [contact["id"] for contact in await _items(demo, "/contacts")]
    answer = await demo.post(f"/surveys/{survey['id']}/eligibility", json={"contact_ids": ids})
    reasons = Counter(item["reason"] for item in answer.json()["items"])
    assert reasons["no_consent"] > 0
    assert reasons["suppressed"] > 0
    assert reasons[None] > len(ids) / 2


async def _survey(client: httpx.AsyncClient, survey_type: str) -> dict[str, Any]:
    surveys = await _items(client, "/surveys")
    return next(survey for survey in surveys if survey["type"] == survey_type)


async def _items(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    page = await _page(client, path, {"limit": "200"})
    found: list[dict[str, Any]] = page["items"]
    while page["next_cursor"] is not None:
        page = await _page(client, path, {"limit": "200", "cursor": page["next_cursor"]})
        found += page["items"]
    return found


async def _page(client: httpx.AsyncClient, path: str, params: dict[str, str]) -> dict[str, Any]:
    answer = await client.get(httpx.URL(path).copy_merge_params(params))
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page
