"""An answer on the fast lane is taken as the framework would take it."""

from typing import Any

import httpx
import pytest

from tests.surveys.answering import a_survey, a_token, at, responses
from tests.surveys.world import AskingWorld

ODD = {"Idempotency-Key": "k"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"answers": {"score": 9}, "complete": True}, 200),
        ({"answers": {"score": 9}, "complete": False, "locale": "de"}, 200),
        ({"answers": {"score": 3}, "complete": True}, 422),
        ({"answers": {"score": "9"}, "complete": True}, 422),
        ({"answers": {"score": 9}}, 422),
        ({"answers": {"score": 9}, "complete": True, "nothing": 1}, 422),
        ([], 422),
    ],
)
async def test_answers_are_taken_alike(
    asking: AskingWorld, stranger: httpx.AsyncClient, body: Any, status: int
) -> None:
    survey_id = await a_survey(asking)
    fast = await stranger.post(at(await a_token(asking, survey_id)), json=body)
    ordinary = await stranger.post(at(await a_token(asking, survey_id)), json=body, headers=ODD)

    assert fast.status_code == ordinary.status_code == status
    assert set(fast.headers) == set(ordinary.headers)
    assert without_ids(fast) == without_ids(ordinary)
    assert len(await responses(asking, survey_id)) == (2 if status == 200 else 0)


@pytest.mark.parametrize("target", ["", "/", "/nobody", "/nobody/", "/nobody?locale=de", "/no%2Fbody"])
async def test_what_is_no_token_is_refused_alike(stranger: httpx.AsyncClient, target: str) -> None:
    body = {"answers": {}, "complete": True}
    fast = await stranger.post("/v1/public/surveys" + target, json=body)
    ordinary = await stranger.post("/v1/public/surveys" + target, json=body, headers=ODD)

    assert fast.status_code in (404, 405, 422)
    assert without_ids(fast) == without_ids(ordinary)


def without_ids(answer: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name not in ("request_id", "instance")}
