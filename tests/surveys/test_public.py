"""Visitors with a token: they read in their language, save, come back, and answer once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.kit.preconditions import Precondition
from app.surveys.schemas.responses import SurveyResponsePatch
from app.surveys.service.responses import ResponseService
from tests.surveys.answering import a_link, a_survey, a_token, at, errors, responses, said, say, seen
from tests.surveys.world import AskingWorld, Json


async def test_a_visitor_reads_the_survey_in_their_language(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    token = await a_token(asking, await a_survey(asking))

    answer = await stranger.get(at(token), headers={"Accept-Language": "fr;q=0.9, de-CH;q=0.8"})

    survey = answer.json()
    assert (survey["title"], survey["thanks"], survey["introduction"]) == (
        "Wie war es?",
        "Danke!",
        "Two minutes.",
    )
    assert [question["key"] for question in survey["questions"]] == ["score", "why", "more"]
    assert survey["questions"][0]["text"] == "Würden Sie uns empfehlen?"
    assert survey["questions"][1]["show_if"] == {"field": "score", "op": "lte", "value": 6}
    assert (survey["state"], survey["answers"], survey["anonymous"]) == ("new", {}, False)
    assert answer.headers["Content-Language"] == survey["locale"] == "de"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_language_asked_for_goes_before_the_browsers_and_that_before_the_invitations(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    token = await a_token(asking, await a_survey(asking), locale="de")

    by_query = await stranger.get(f"{at(token)}?locale=en", headers={"Accept-Language": "de"})

    assert by_query.json()["locale"] == "en"
    assert (await seen(stranger, token, **{"Accept-Language": "en-GB"}))["locale"] == "en"
    assert (await seen(stranger, token))["locale"] == "de"
    assert (await seen(stranger, token, **{"Accept-Language": ";;q=x, *"}))["locale"] == "de"


async def test_the_first_look_opens_the_invitation(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    survey_id = await a_survey(asking)
    token = await a_token(asking, survey_id)

    await seen(stranger, token)
    await seen(stranger, token)

    (invitation,) = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert (invitation["opened"], invitation["started"], invitation["version"]) == (True, False, 2)


async def test_asking_for_headers_alone_opens_nothing(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)

    answer = await stranger.head(at(await a_token(asking, survey_id)))

    (invitation,) = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert answer.status_code == 200
    assert (invitation["opened"], invitation["version"]) == (False, 1)


async def test_what_is_saved_is_there_to_go_on_with(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    survey_id = await a_survey(asking)
    token = await a_token(asking, survey_id)

    first = await said(stranger, token, complete=False, score=3)

    assert first == {"state": "partial", "next": "why", "missing": ["why"], "token": None}
    again = await seen(stranger, token)
    assert (again["state"], again["answers"]) == ("partial", {"score": 3})
    second = await said(stranger, token, complete=False, why="Late.")
    assert (second["next"], second["missing"]) == ("more", [])
    (response,) = await responses(asking, survey_id)
    assert (response["state"], response["answers"]) == ("partial", {"score": 3, "why": "Late."})
    assert response["score"] is None


@pytest.mark.parametrize("complete", [False, True])
async def test_what_becomes_a_test_while_its_visitor_goes_on_stays_one(
    asking: AskingWorld, stranger: httpx.AsyncClient, complete: bool
) -> None:
    survey_id = await a_survey(asking)
    token = await a_token(asking, survey_id)
    await said(stranger, token, complete=False, score=9)
    (begun,) = await responses(asking, survey_id)

    async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
        patch, unconditional = SurveyResponsePatch(test=True), Precondition(None)
        await ResponseService(unit).update(UUID(survey_id), UUID(begun["id"]), patch, unconditional)
        going_on = asyncio.create_task(said(stranger, token, complete=complete, more="Fast!"))
        await asking.someone_waits()
    await going_on

    (response,) = await responses(asking, survey_id)
    assert (response["test"], response["version"]) == (True, begun["version"] + 2)
    assert response["answers"] == {"score": 9, "more": "Fast!"}


@pytest.mark.parametrize("answers", [{}, {"score": None}, {"more": " "}])
async def test_a_save_of_nothing_begins_nothing(
    asking: AskingWorld, stranger: httpx.AsyncClient, answers: Json
) -> None:
    survey_id = await a_survey(asking, invitation_days=1, grace_hours=24)
    token, link = await a_token(asking, survey_id), await a_link(asking, survey_id)

    for each in (token, link["token"]):
        nothing = await said(stranger, each, complete=False, **answers)
        assert nothing == {"state": "partial", "next": "score", "missing": ["score"], "token": None}
        assert (await seen(stranger, each))["state"] == "new"

    (invitation,) = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert invitation["started"] is False
    assert await responses(asking, survey_id) == []
    asking.clock.advance(hours=30)
    assert (await say(stranger, token, score=9)).status_code == 404


async def test_what_was_saved_may_be_taken_back(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    survey_id = await a_survey(asking)
    token = await a_token(asking, survey_id)
    await said(stranger, token, complete=False, more="No.")

    await said(stranger, token, complete=False, more=None)

    (response,) = await responses(asking, survey_id)
    assert (response["state"], response["answers"], response["version"]) == ("partial", {}, 2)


async def test_answers_that_fall_off_the_path_are_forgotten(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)
    token = await a_token(asking, survey_id)
    await said(stranger, token, complete=False, score=3, why="Late.")

    await said(stranger, token, score=9)

    (response,) = await responses(asking, survey_id)
    assert (response["state"], response["answers"], response["score"]) == ("completed", {"score": 9}, 9)


async def test_a_completed_response_spends_the_token(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    token = await a_token(asking, survey_id, contact_id, channel="email")

    done = await said(stranger, token, score=9, more="Fast!")

    assert done == {"state": "completed", "next": None, "missing": [], "token": None}
    again = await say(stranger, token, score=1, why="x")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/already-answered")
    look = await seen(stranger, token)
    assert (look["state"], look["answers"]) == ("completed", {})
    (response,) = await responses(asking, survey_id)
    (invitation,) = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert response["contact_id"] == contact_id
    assert response["invitation_id"] == invitation["id"]
    assert (response["score"], response["channel"], response["test"]) == (9, "email", False)
    assert response["answered_at"] == invitation["answered_at"]
    assert (invitation["answered"], invitation["opened"], invitation["started"]) == (True, True, True)


async def test_the_end_of_the_path_has_to_be_reached(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    token = await a_token(asking, await a_survey(asking))

    assert errors(await say(stranger, token)) == [("/answers/score", "missing")]
    assert errors(await say(stranger, token, score=2)) == [("/answers/why", "missing")]
    assert errors(await say(stranger, token, score=9, why="x")) == [("/answers/why", "not_reached")]
    assert errors(await say(stranger, token, score=11, what=1)) == [
        ("/answers/score", "out_of_range"),
        ("/answers/what", "unknown_question"),
    ]
    assert (await seen(stranger, token))["state"] == "new"


async def dead_ends(asking: AskingWorld) -> list[str]:
    """A token of each kind that takes no answer."""
    closed, archived, open_one = await a_survey(asking), await a_survey(asking), await a_survey(asking)
    of_closed, of_archived = await a_token(asking, closed), await a_token(asking, archived)
    await asking.client.post(f"/v1/surveys/{closed}/close")
    await asking.client.delete(f"/v1/surveys/{archived}")
    revoked = await a_token(asking, open_one)
    (invitation,) = await asking.listed(f"/v1/surveys/{open_one}/invitations")
    path = f"/v1/surveys/{open_one}/invitations/{invitation['id']}"
    assert (await asking.client.patch(path, json={"delivery": "revoked"})).status_code == 200
    link, expired = await a_link(asking, open_one), await a_token(asking, open_one)
    assert (await asking.client.delete(f"/v1/surveys/{open_one}/links/{link['id']}")).status_code == 204
    asking.clock.advance(days=31)
    return [of_closed, of_archived, revoked, link["token"], expired, "unknown-to-everybody", "%C3%A4~%2520"]


async def test_every_dead_end_looks_the_same(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    """Whoever guesses or is too late learns nothing from the refusal, byte for byte."""
    seen_bodies = set()
    for token in await dead_ends(asking):
        for answer in (await stranger.get(at(token)), await say(stranger, token, score=9)):
            assert answer.status_code == 404, answer.text
            own = (answer.headers["X-Request-Id"], answer.json()["instance"])
            seen_bodies.add(answer.text.replace(own[0], "").replace(own[1], ""))

    (body,) = seen_bodies
    assert "/problems/unknown-survey-link" in body


async def test_a_survey_is_over_at_its_time_though_nobody_has_closed_it_yet(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    closes_at = asking.clock.now() + timedelta(hours=2)
    survey_id = await a_survey(asking, closes_at=closes_at.isoformat())
    early, late = await a_token(asking, survey_id), await a_token(asking, survey_id)
    await said(stranger, early, score=9)

    asking.clock.set(closes_at)

    assert (await say(stranger, late, score=9)).status_code == 404
    partner = f"/v1/surveys/{survey_id}/responses"
    told_late = {"answers": {"score": 9}, "answered_at": (closes_at - timedelta(hours=1)).isoformat()}
    assert (await asking.client.post(partner, json={"answers": {"score": 9}})).status_code == 409
    assert (await asking.client.post(partner, json=told_late)).status_code == 201


async def test_an_answer_in_progress_may_be_finished_in_the_days_of_grace(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking, invitation_days=1, grace_hours=24)
    begun, fresh = await a_token(asking, survey_id), await a_token(asking, survey_id)
    await said(stranger, begun, complete=False, score=9)

    asking.clock.advance(hours=30)

    assert (await say(stranger, fresh, score=9)).status_code == 404
    assert (await said(stranger, begun))["state"] == "completed"


async def test_grace_has_an_end(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    token = await a_token(asking, await a_survey(asking, invitation_days=1, grace_hours=24))
    await said(stranger, token, complete=False, score=9)

    asking.clock.advance(hours=49)

    assert (await say(stranger, token)).status_code == 404


async def test_everybody_answers_an_open_link_once_more(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)
    link = await a_link(asking, survey_id, channel="store")

    for score in (9, 10):
        assert (await said(stranger, link["token"], score=score))["state"] == "completed"

    found = await responses(asking, survey_id)
    assert sorted(response["score"] for response in found) == [9, 10]
    assert {(each["link_id"], each["channel"], each["contact_id"]) for each in found} == {
        (link["id"], "store", None)
    }


async def test_what_is_sent_again_with_its_key_is_one_response(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)
    tokens = (await a_link(asking, survey_id))["token"], await a_token(asking, survey_id)

    for token in tokens:
        first, again = [await keyed(stranger, token, score=9) for _ in range(2)]
        other = await keyed(stranger, token, score=10)
        assert (first.status_code, again.status_code, other.status_code) == (200, 200, 422)
        assert again.content == first.content
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.headers["Cache-Control"] == "no-store"
        assert other.json()["type"] == "/problems/idempotency-key-reused"

    assert len(await responses(asking, survey_id)) == 2


async def test_no_key_remembers_who_has_answered_an_anonymous_survey(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking, anonymous=True)
    token = await a_token(asking, survey_id)

    first, again = [await keyed(stranger, token, score=9) for _ in range(2)]

    assert (first.status_code, again.status_code) == (200, 409)
    kept = await asking.fetch("SELECT operation FROM idempotency_keys WHERE workspace_id = $1")
    assert [row for row in kept if "public" in row["operation"]] == []


async def keyed(visitor: httpx.AsyncClient, token: str, **answers: Any) -> httpx.Response:
    return await visitor.post(
        at(token), json={"answers": answers, "complete": True}, headers={"Idempotency-Key": "once"}
    )


async def test_a_save_by_an_open_link_gives_a_token_to_go_on_with(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)
    link = await a_link(asking, survey_id)

    saved = await said(stranger, link["token"], complete=False, score=2)

    assert saved["token"]
    assert (await seen(stranger, link["token"]))["answers"] == {}, "what others said is not shown"
    assert (await seen(stranger, saved["token"]))["answers"] == {"score": 2}
    assert (await said(stranger, saved["token"], complete=False, why="Late."))["token"] is None
    assert (await said(stranger, saved["token"]))["state"] == "completed"
    (response,) = await responses(asking, survey_id)
    assert (response["link_id"], response["state"]) == (link["id"], "completed")
    assert response["invitation_id"] is not None


async def test_questions_that_somebody_has_begun_to_answer_stay_for_them(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)
    begun, fresh = await a_token(asking, survey_id), await a_token(asking, survey_id)
    await said(stranger, begun, complete=False, score=9)

    changed = await asking.client.patch(
        f"/v1/surveys/{survey_id}",
        json={"questions": [{"key": "score", "type": "nps", "text": "Would you tell a friend?"}]},
    )

    assert changed.json()["questions_version"] == 2
    assert ((await seen(stranger, begun))["questions_version"]) == 1
    assert ((await seen(stranger, fresh))["questions_version"]) == 2
    await said(stranger, begun, more="Old.")
    await said(stranger, fresh, score=8)
    found = await responses(asking, survey_id, sort="answered_on")
    assert sorted((each["questions_version"], each["score"]) for each in found) == [(1, 9), (2, 8)]


@pytest.mark.parametrize("anonymous", [False, True])
async def test_who_says_which_questions_were_read_answers_those(
    asking: AskingWorld, stranger: httpx.AsyncClient, anonymous: bool
) -> None:
    """The questions change between reading and answering, and mean something else by the same keys."""
    survey_id = await a_survey(asking, anonymous=anonymous)
    await said(stranger, await a_token(asking, survey_id), score=9)
    reading, fresh = await a_token(asking, survey_id), await a_token(asking, survey_id)
    read = (await seen(stranger, reading))["questions_version"]
    other = {"questions": [{"key": "score", "type": "nps", "text": "Would you warn others of us?"}]}
    assert (await asking.client.patch(f"/v1/surveys/{survey_id}", json=other)).json()[
        "questions_version"
    ] == 2

    body = {"answers": {"score": 10, "more": "x"}, "complete": True, "questions_version": read}
    assert (await stranger.post(at(reading), json=body)).status_code == 200

    unknown = await stranger.post(at(fresh), json=body | {"questions_version": 3})
    assert errors(unknown) == [("/questions_version", "unknown_version")]
    found = await responses(asking, survey_id)
    assert sorted((each["questions_version"], each["score"]) for each in found) == [(1, 9), (1, 10)]


async def test_one_response_answers_one_version(asking: AskingWorld, stranger: httpx.AsyncClient) -> None:
    survey_id = await a_survey(asking)
    token = await a_token(asking, survey_id)
    await said(stranger, token, complete=False, score=9)
    other = {"questions": [{"key": "score", "type": "nps", "text": "Other?"}]}
    await asking.client.patch(f"/v1/surveys/{survey_id}", json=other)

    body = {"answers": {}, "complete": True, "questions_version": 2}
    refused = await stranger.post(at(token), json=body)

    assert errors(refused) == [("/questions_version", "other_version")]
    assert (await stranger.post(at(token), json=body | {"questions_version": 1})).status_code == 200


async def test_a_test_invitation_makes_a_test_response(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)

    await said(stranger, await a_token(asking, survey_id, test=True), score=1, why="x")

    (response,) = await responses(asking, survey_id, test=True)
    assert response["test"]
    assert await asking.listed("/v1/followups") == []


async def test_unknown_parts_of_a_request_are_refused(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    token = await a_token(asking, await a_survey(asking))

    assert errors(await stranger.get(f"{at(token)}?lang=de")) == [("?lang", "unknown_parameter")]
    wrong = await stranger.post(at(token), json={"answers": {"score": 9}, "finished": True})
    assert sorted(errors(wrong)) == [("/complete", "missing"), ("/finished", "extra_forbidden")]
