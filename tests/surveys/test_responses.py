"""Partners record what was answered elsewhere; everybody reads it, and takes tests out."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.kit.errors import Problem
from app.surveys.schemas.responses import PartnerResponse
from app.surveys.service.recording import Recorded, ResponseRecorder
from app.surveys.service.surveys import TURN_JOB
from tests.surveys.answering import a_survey, a_token, errors, record, responses, said, say
from tests.surveys.world import AskingWorld, Json


async def recorded(asking: AskingWorld, survey_id: str, **body: Any) -> Json:
    answer = await record(asking, survey_id, **body)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def test_a_partner_records_a_response_of_a_contact_it_knows(asking: AskingWorld) -> None:
    survey_id = await a_survey(asking)
    answered_at = (asking.clock.now() - timedelta(days=3)).replace(microsecond=0)

    answer = await record(
        asking,
        survey_id,
        contact={"email": "new@example.com"},
        answers={"score": 9, "more": "1234"},
        answered_at=answered_at.isoformat(),
        channel="phone",
        locale="de",
    )

    response = answer.json()
    assert (answer.status_code, response["status"], response["state"]) == (201, "created", "completed")
    assert response["answers"] == {"score": 9, "more": "1234"}, "what is text stays text"
    assert (response["score_type"], response["score"], response["questions_version"]) == ("nps", 9, 1)
    assert response["answered_at"] == answered_at.isoformat().replace("+00:00", "Z")
    assert response["answered_on"] == answered_at.date().isoformat()
    location = answer.headers["Location"]
    assert location == f"/v1/surveys/{survey_id}/responses/{response['id']}"
    response.pop("status")
    assert (await asking.client.get(location)).json() == response
    contact = (await asking.client.get(f"/v1/contacts/{response['contact_id']}")).json()
    assert contact["emails"][0]["address"] == "new@example.com"
    assert contact["acquired_at"] == response["answered_at"]


async def test_a_response_needs_no_contact_and_a_contact_may_answer_often(asking: AskingWorld) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()

    for who in ({}, {"contact_id": contact_id}, {"contact_id": contact_id}):
        await recorded(asking, survey_id, answers={"score": 8}, **who)

    assert len(await responses(asking, survey_id)) == 3
    assert len(await responses(asking, survey_id, contact_id=contact_id)) == 2


async def test_what_a_partner_sends_again_is_unchanged(asking: AskingWorld) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    body = {"contact_id": contact_id, "answers": {"score": 8}, "source": "shop", "external_id": "A-1"}
    first = await recorded(asking, survey_id, **body)

    again = await record(asking, survey_id, **body)

    assert (again.status_code, again.json()) == (200, first | {"status": "unchanged"})
    assert len(await asking.published("survey.response_received")) == 1


async def test_what_is_sent_again_is_unchanged_after_the_survey_has_moved_on(asking: AskingWorld) -> None:
    """A partner whose first answer was lost tries again, and hears that it was recorded."""
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    body = {"contact_id": contact_id, "answers": {"score": 8, "more": "x"}, "source": "shop"}
    first = await recorded(asking, survey_id, **body, external_id="A-1")
    path = f"/v1/surveys/{survey_id}"
    other = {"questions": [{"key": "score", "type": "nps", "text": "Other?"}]}
    assert (await asking.client.patch(path, json=other)).json()["questions_version"] == 2

    changed = await record(asking, survey_id, **body, external_id="A-1")
    await asking.client.post(f"{path}/close")
    closed = await record(asking, survey_id, **body, external_id="A-1")
    fresh = await record(asking, survey_id, **body, external_id="A-2", questions_version=1)

    assert changed.json() == closed.json() == first | {"status": "unchanged"}
    assert (fresh.status_code, fresh.json()["type"]) == (409, "/problems/survey-not-open")


@pytest.mark.parametrize("change", [{"answers": {"score": 7}}, {"channel": "sms"}, {"contact_id": None}])
async def test_other_content_under_the_same_id_is_refused(asking: AskingWorld, change: Json) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    body = {"contact_id": contact_id, "answers": {"score": 8}, "source": "shop", "external_id": "A-1"}
    first = await recorded(asking, survey_id, **body)

    other = await record(asking, survey_id, **body | change)

    assert (other.status_code, other.json()["type"]) == (409, "/problems/response-exists")
    assert other.json()["existing_id"] == first["id"]


@pytest.mark.parametrize(
    ("change", "place", "code"),
    [
        ({"answers": {}}, "/answers/score", "missing"),
        ({"answers": {"score": 3}}, "/answers/why", "missing"),
        ({"answers": {"score": "9"}}, "/answers/score", "wrong_type"),
        ({"answers": {"score": 9, "x": 1}}, "/answers/x", "unknown_question"),
        ({"answered_at": "2199-01-01T00:00:00Z"}, "/answered_at", "in_the_future"),
        ({"external_id": "A-1"}, "/source", "missing"),
        ({"questions_version": 2}, "/questions_version", "unknown_version"),
        ({"contact_id": str(UUID(int=1))}, "/contact_id", "unknown_contact"),
        ({"contact_id": str(UUID(int=1)), "contact": {"email": "a@example.com"}}, "/contact", "one_contact"),
        ({"contact": {"email": "nobody"}}, "/contact/email", "bad_email"),
    ],
)
async def test_what_is_wrong_is_named(asking: AskingWorld, change: Json, place: str, code: str) -> None:
    survey_id = await a_survey(asking)

    refused = await record(asking, survey_id, **{"answers": {"score": 9}} | change)

    assert errors(refused) == [(place, code)]
    assert await responses(asking, survey_id) == []


@pytest.mark.parametrize("closes", ["the worker", "a call"])
async def test_what_a_closed_survey_takes_does_not_depend_on_how_late_it_was_closed(
    asking: AskingWorld, closes: str
) -> None:
    closes_at = (asking.clock.now() + timedelta(hours=1)).replace(microsecond=0)
    survey_id = await a_survey(asking, closes_at=closes_at.isoformat())
    early, late = ((closes_at + timedelta(minutes=by)).isoformat() for by in (-1, 1))
    asking.clock.advance(hours=3)
    before = await record(asking, survey_id, answers={"score": 9}, answered_at=late)

    if closes == "the worker":
        await asking.run(TURN_JOB)
    else:
        await asking.client.post(f"/v1/surveys/{survey_id}/close")
    after = await record(asking, survey_id, answers={"score": 9}, answered_at=late)

    survey = (await asking.client.get(f"/v1/surveys/{survey_id}")).json()
    assert (survey["state"], survey["closed_at"]) == ("closed", survey["closes_at"])
    assert (before.status_code, after.status_code) == (409, 409)
    assert (await record(asking, survey_id, answers={"score": 9}, answered_at=early)).status_code == 201


async def test_a_survey_must_be_open_or_have_been(asking: AskingWorld) -> None:
    survey_id = await asking.draft()
    early = await record(asking, survey_id, answers={"score": 9})
    await asking.client.post(f"/v1/surveys/{survey_id}/open")
    during = asking.clock.now().isoformat()
    await asking.client.post(f"/v1/surveys/{survey_id}/close")

    late = await record(asking, survey_id, answers={"score": 9})
    delayed = await record(asking, survey_id, answers={"score": 9}, answered_at=during)

    assert [answer.status_code for answer in (early, late, delayed)] == [409, 409, 201]
    assert early.json()["type"] == late.json()["type"] == "/problems/survey-not-open"


async def test_a_survey_of_nobody_or_of_others_is_not_found(
    asking: AskingWorld, other_client: httpx.AsyncClient
) -> None:
    survey_id = await a_survey(asking)
    path = f"/v1/surveys/{survey_id}/responses"

    assert (await other_client.post(path, json={"answers": {"score": 9}})).status_code == 404
    assert (await other_client.get(path)).status_code == 404


async def test_a_partners_response_spends_the_open_invitation(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    token = await a_token(asking, survey_id, contact_id)

    response = await recorded(asking, survey_id, contact_id=contact_id, answers={"score": 9})

    (invitation,) = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert (response["invitation_id"], invitation["answered"]) == (invitation["id"], True)
    assert (await say(stranger, token, score=9)).status_code == 409


async def test_what_was_answered_before_the_ask_leaves_the_invitation_open(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    before = asking.clock.now() - timedelta(days=1)
    token = await a_token(asking, survey_id, contact_id)

    late = await recorded(
        asking, survey_id, contact_id=contact_id, answers={"score": 9}, answered_at=before.isoformat()
    )

    assert late["invitation_id"] is None
    assert (await said(stranger, token, score=8))["state"] == "completed"


async def test_an_answer_of_an_iteration_leaves_the_invitation_of_another_open(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id, contact_id = await a_survey(asking, recurrence_days=7), await asking.contact()
    first = await a_token(asking, survey_id, contact_id)
    asking.clock.advance(days=8)

    second = await recorded(asking, survey_id, contact_id=contact_id, answers={"score": 9})

    assert (second["iteration"], second["invitation_id"]) == (2, None)
    assert (await said(stranger, first, score=8))["state"] == "completed"
    assert sorted(each["iteration"] for each in await responses(asking, survey_id)) == [1, 2]


async def test_each_of_several_answers_spends_an_invitation_from_before_it(asking: AskingWorld) -> None:
    """Also where the later one comes first, and where one more comes than there were invitations."""
    survey_id, contact_id = await a_survey(asking, recontact_rule="always"), await asking.contact()
    asked = []
    for _ in range(2):
        asked += await asking.invite(survey_id, contact_id)
        asking.clock.advance(days=1)
    now = asking.clock.now()

    def item(days_ago: float) -> PartnerResponse:
        answered_at = (now - timedelta(days=days_ago)).isoformat()
        said = {"survey_id": survey_id, "contact_id": contact_id, "answers": {"score": 9}}
        return PartnerResponse.model_validate(said | {"answered_at": answered_at})

    async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
        outcomes = await ResponseRecorder(unit).record([item(ago) for ago in (0.2, 1.5, 0.1, 3)])

    spent = [each.response.invitation_id for each in outcomes if isinstance(each, Recorded)]
    first, second = (UUID(each["invitation_id"]) for each in asked)
    assert spent == [second, first, None, None]
    shown = await asking.listed(f"/v1/surveys/{survey_id}/invitations")
    assert all(each["answered"] for each in shown)


async def test_what_a_contact_had_saved_stays_beside_it(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    token = await a_token(asking, survey_id, contact_id)
    await said(stranger, token, complete=False, score=3)

    await recorded(asking, survey_id, contact_id=contact_id, answers={"score": 9})

    found = await responses(asking, survey_id)
    assert sorted((each["state"], each["answers"]["score"]) for each in found) == [
        ("completed", 9),
        ("partial", 3),
    ]
    assert (await say(stranger, token, why="x")).status_code == 409


async def test_the_list_can_be_narrowed(asking: AskingWorld) -> None:
    survey_id = await a_survey(asking)
    now = asking.clock.now()
    for days, score in ((0, 10), (1, 7), (2, 8)):
        at = (now - timedelta(days=days)).isoformat()
        channel = "email" if score == 7 else "web"
        more = {"test": score == 7, "channel": channel, "locale": "de" if score == 8 else "en"}
        await recorded(asking, survey_id, answers={"score": score}, answered_at=at, **more)
    yesterday = (now - timedelta(days=1)).date().isoformat()

    async def scores(**query: Any) -> list[int]:
        return [each["score"] for each in await responses(asking, survey_id, **query)]

    assert await scores() == [10, 7, 8]
    assert await scores(sort="answered_on") == [8, 7, 10]
    assert await scores(score_from=8, score_to=9) == [8]
    assert await scores(test=False) == [10, 8]
    assert await scores(channel="web", locale="en") == [10]
    assert await scores(**{"from": yesterday}) == [10, 7]
    assert await scores(to=yesterday) == [8]
    assert (
        await scores(state="partial") == await scores(iteration=2) == await scores(questions_version=2) == []
    )


async def test_pages_follow_each_other(asking: AskingWorld) -> None:
    survey_id = await a_survey(asking)
    for score in (7, 8, 9):
        await recorded(asking, survey_id, answers={"score": score})
    path = f"/v1/surveys/{survey_id}/responses?limit=2"

    first = (await asking.client.get(path)).json()
    second = (await asking.client.get(f"{path}&cursor={first['next_cursor']}")).json()

    assert len({each["id"] for each in first["items"] + second["items"]}) == 3
    assert second["next_cursor"] is None


async def test_a_response_becomes_a_test_and_counts_again(asking: AskingWorld) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()
    response = await recorded(asking, survey_id, contact_id=contact_id, answers={"score": 9})
    path = f"/v1/surveys/{survey_id}/responses/{response['id']}"

    changed = await asking.client.patch(path, json={"test": True}, headers={"If-Match": '"1"'})
    stale = await asking.client.patch(path, json={"test": False}, headers={"If-Match": '"1"'})
    same = await asking.client.patch(path, json={"test": True})

    assert (changed.json()["test"], changed.headers["ETag"]) == (True, '"2"')
    assert (stale.status_code, same.json()["version"]) == (412, 2)
    (event,) = await asking.published("survey.response_changed")
    assert (event["previous_test"], event["response"]["test"]) == (False, True)


async def test_an_invitation_becomes_a_test_with_its_response_and_counts_again(asking: AskingWorld) -> None:
    survey_id, ada, bob = await a_survey(asking), await asking.contact(), await asking.contact()
    await asking.invite(survey_id, ada, bob)
    response = await recorded(asking, survey_id, contact_id=ada, answers={"score": 9})
    path = f"/v1/surveys/{survey_id}/responses/{response['id']}"

    async def counted() -> list[Any]:
        found = (await asking.client.get(f"/v1/surveys/{survey_id}/results")).json()
        rate = found["response_rate"]
        return [*(found[name] for name in ("responses", "invited", "completed")), rate and rate["value"]]

    assert await counted() == [1, 2, 1, 0.5]
    (before,) = await asking.listed(f"/v1/surveys/{survey_id}/invitations", contact_id=ada)
    for test, expected in ((True, [0, 1, 0, 0]), (True, [0, 1, 0, 0]), (False, [1, 2, 1, 0.5])):
        assert (await asking.client.patch(path, json={"test": test})).status_code == 200
        assert await counted() == expected

    (after,) = await asking.listed(f"/v1/surveys/{survey_id}/invitations", contact_id=ada)
    assert after == before | {"version": before["version"] + 2}
    told = await asking.published("survey.invitation_changed")
    assert [(each["invitation"]["test"], each["previous"]["test"]) for each in told] == [
        (True, False),
        (False, True),
    ]


async def test_who_was_asked_for_a_test_may_be_asked_again(asking: AskingWorld) -> None:
    survey_id, contact_id = await asking.survey(recontact_rule="once"), await asking.contact()
    await asking.invite(survey_id, contact_id)
    response = await recorded(asking, survey_id, contact_id=contact_id, answers={"score": 9})
    assert await asking.judged(survey_id, contact_id) != [None]

    await asking.client.patch(f"/v1/surveys/{survey_id}/responses/{response['id']}", json={"test": True})

    assert await asking.judged(survey_id, contact_id) == [None]


async def test_a_response_is_flagged_behind_whoever_is_answering(
    asking: AskingWorld, stranger: httpx.AsyncClient
) -> None:
    """Who waits for the invitation must not hold the response meanwhile: its visitor is about to write it."""
    survey_id = await a_survey(asking)
    token = await a_token(asking, survey_id)
    await said(stranger, token, complete=False, score=3)
    (response,) = await responses(asking, survey_id)
    async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
        held = "SELECT FROM {} WHERE workspace_id = $1 FOR UPDATE NOWAIT"
        await unit.connection.execute(held.format("survey_invitations"), unit.workspace_id)
        path = f"/v1/surveys/{survey_id}/responses/{response['id']}"
        flagging = asyncio.create_task(asking.client.patch(path, json={"test": True}))
        await asking.someone_waits()
        await unit.connection.execute(held.format("survey_responses"), unit.workspace_id)

    assert (await flagging).json()["test"] is True


async def test_each_completed_response_is_told_of_and_a_low_score_twice(asking: AskingWorld) -> None:
    survey_id, contact_id = await a_survey(asking), await asking.contact()

    high = await recorded(asking, survey_id, contact_id=contact_id, answers={"score": 7})
    low = await recorded(asking, survey_id, answers={"score": 6, "why": "Late."})

    told = await asking.published("survey.response_received")
    assert [event["response"]["id"] for event in told] == [high["id"], low["id"]]
    assert [event["contact_id"] for event in told] == [contact_id, None]
    assert told[0]["survey"] == {
        "id": survey_id,
        "type": "nps",
        "title": {"en": "How are we doing?", "de": "Wie war es?"},
    }
    (detractor,) = await asking.published("survey.detractor_received")
    assert detractor == told[1]


async def test_a_test_alarms_nobody(asking: AskingWorld) -> None:
    survey_id = await a_survey(asking)

    await recorded(asking, survey_id, answers={"score": 0, "why": "x"}, test=True)

    assert [data["response"]["test"] for data in await asking.published("survey.response_received")] == [True]
    assert await asking.published("survey.detractor_received") == []


async def test_many_are_recorded_at_once_each_by_itself(asking: AskingWorld) -> None:
    """As intake does: a bad one fails nobody else, and one sent twice is one."""
    survey_id, contact_id = await a_survey(asking), await asking.contact()

    def item(**fields: Any) -> PartnerResponse:
        return PartnerResponse.model_validate({"survey_id": survey_id, "answers": {"score": 9}} | fields)

    keyed = {"source": "shop", "external_id": "A-1"}
    items = [
        item(**keyed, contact_id=contact_id),
        item(answers={}),
        item(**keyed, contact_id=contact_id),
        item(survey_id=str(UUID(int=1))),
        item(**keyed, contact_id=contact_id, answers={"score": 8}),
        item(contact={"external_id": {"source": "shop", "id": "C-1"}}),
        Problem("It was wrong before."),
    ]
    async with asking.resources.database.unit(asking.tenant.workspace_id) as unit:
        outcomes = await ResponseRecorder(unit).record(items)

    became = [
        outcome.status if isinstance(outcome, Recorded) else [error.code for error in outcome.errors]
        for outcome in outcomes
    ]
    assert became == ["created", ["missing"], "unchanged", ["unknown_survey"], [], "created", []]
    assert len(await responses(asking, survey_id)) == 2


async def test_two_partners_do_not_get_in_each_others_way(asking: AskingWorld) -> None:
    survey_id = await a_survey(asking)
    body = {"answers": {"score": 9}, "external_id": "1"}

    await recorded(asking, survey_id, **body, source="shop")
    await recorded(asking, survey_id, **body, source="desk")

    assert len(await responses(asking, survey_id)) == 2


async def test_the_iteration_is_that_of_the_day_it_was_answered(asking: AskingWorld) -> None:
    survey_id = await a_survey(asking, recurrence_days=7)
    in_the_first = asking.clock.now().isoformat()
    asking.clock.advance(days=8)

    late = await recorded(asking, survey_id, answers={"score": 9}, answered_at=in_the_first)
    present = await recorded(asking, survey_id, answers={"score": 9})

    assert (late["iteration"], present["iteration"]) == (1, 2)
